"""The RTSP server as a unit: MediaMTX where there is one, else our own small relay.

    run rtspPORT ─► slice ─► unit of role rtsp ─► ready when it answers OPTIONS

Knows how either is started and when it serves. What a relay does is rtsp_relay's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import shutil
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller import runs
from hlsswarm.controller.services import Services, opened_services
from hlsswarm.controller.walled import walled
from hlsswarm.core import names
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.mediamtx import mediamtx_configuration
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.unit_specs import Limits
from hlsswarm.errors import PreflightError, UnitError
from hlsswarm.programs import find_program, package_environment
from hlsswarm.publishers.complaints import last_complaint

RELAY = "relay"
_READY_TIMEOUT_SECONDS = 10.0
_ANSWER_SECONDS = 1.0
_MEMORY_BYTES = 1 << 30
_RESTART = ServiceRestart("always", Backoff(0.5, 5.0))
_PART = "publishers"


@dataclass(frozen=True)
class RtspOptions:
    """What is asked of a server. `server`: MediaMTX's path, `relay`, or None for what there is.

    `listen` is an IP address.
    """

    port: int = 8554
    listen: str = "127.0.0.1"
    server: str | None = None
    manager: str = "auto"

    @property
    def run(self) -> str:
        """The run that the server is: one for each port."""
        return f"rtsp{self.port}"

    @property
    def url(self) -> str:
        """Where streams are pushed to and read from."""
        host = "127.0.0.1" if ipaddress.ip_address(self.listen).is_unspecified else self.listen
        return f"rtsp://{f'[{host}]' if ':' in host else host}:{self.port}/"


def check(options: RtspOptions) -> Path | None:
    """MediaMTX's program, None for our own relay. Raises PreflightError."""
    family = socket.AF_INET6 if ":" in options.listen else socket.AF_INET
    try:
        socket.create_server((options.listen, options.port), family=family).close()
    except OSError as error:
        raise PreflightError(
            f"Port {options.port} of {options.listen} cannot be used: "
            f"{os.strerror(error.errno or 0)}.",
            hint="Choose another with --port, or stop what has it.",
        ) from None
    if options.server is None:
        found = shutil.which("mediamtx")
        return Path(found).absolute() if found else None
    return None if options.server == RELAY else find_program(options.server, package="mediamtx")


def start(options: RtspOptions) -> str:
    """Start a server and wait until it answers; its URL. Raises HlsSwarmError."""
    asyncio.run(_start(options))
    return options.url


async def _start(options: RtspOptions) -> None:
    async with opened_services(
        options.run,
        f"RTSP server at {options.url}",
        manager=options.manager,
        taken=f"An RTSP server on port {options.port} runs already: {options.url}",
        taken_hint="`hlsswarm rtsp status` shows it, `hlsswarm rtsp stop` ends it.",
    ) as services:
        await serve(options, services)


async def serve(options: RtspOptions, services: Services) -> str:
    """Start a server in a run that is open, and wait until it answers; its unit."""
    program = check(options)
    service = rtsp_service(options, program, services.run, services.directory)
    await services.start(service)
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while not await answers(options.listen, options.port):
        state = services.manager.service_state(service.name)
        if time.monotonic() > deadline or state.sub not in {"running", "start"}:
            said = last_complaint(services.log(service.name))
            raise UnitError(f"The RTSP server does not answer on port {options.port}: {said}")
        await asyncio.sleep(0.05)
    return service.name


def rtsp_service(options: RtspOptions, program: Path | None, run: str, directory: Path) -> Service:
    """The unit; for MediaMTX its configuration is written into `directory` first."""
    unit = names.service_unit(run, "rtsp")
    address = (options.listen, str(options.port))
    environment: tuple[str, ...] = ()
    if program is None:
        command = [sys.executable, "-m", "hlsswarm.publishers.rtsp_relay", *address]
        environment = (package_environment(),)
    else:
        configuration = directory / "mediamtx.yml"
        configuration.write_text(mediamtx_configuration(options.listen, options.port))
        command = [str(program), str(configuration)]
    service = Service(
        name=unit,
        slice_name=names.part_slice(run, _PART),
        description=f"hlsswarm RTSP server on port {options.port}",
        command=command,
        log=directory / names.log_file(unit),
        environment=environment,
        limits=Limits(memory_max_bytes=_MEMORY_BYTES),
        stop=PlainStop(seconds=3.0),
        restart=_RESTART,
    )
    return walled(service, "server", readable=[directory])


async def answers(address: str, port: int) -> bool:
    """Whether something speaks RTSP there."""
    host = "127.0.0.1" if address == "0.0.0.0" else "::1" if address == "::" else address
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                return (await reader.read(64)).startswith(b"RTSP/1.0 ")
            finally:
                writer.close()
    return False


def servers(kind: str) -> list[runs.RunStatus]:
    """RTSP servers that run by themselves, and those of publishers."""
    return [run for run in runs.status(kind) if run.counts("rtsp")]


def stop(kind: str, wanted: list[str]) -> list[str]:
    """Stop these servers; the names of those that were there."""
    return runs.stop(kind, wanted)
