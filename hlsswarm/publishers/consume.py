"""Reads streams, each by an ffmpeg that is a unit of its own, and says what came of them.

    unit ffmpeg ─ stdout: a line for each frame ─► socket of ours ─► core/consumption
                └ stderr: its log ───────────────► file in the run's directory

Everything is read at once and only numbers are kept, so a reader never waits for us.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hlsswarm.controller.services import Services, opened_services
from hlsswarm.controller.stopper import Stopper
from hlsswarm.core import names
from hlsswarm.core.consume_command import consume_command, is_file
from hlsswarm.core.consumption import Consumed, Reception, document
from hlsswarm.core.service_specs import PlainStop, Service, ServiceRestart
from hlsswarm.core.unit_specs import Limits
from hlsswarm.errors import PreflightError
from hlsswarm.publishers.endings import REMEMBERED_END, ending_of
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram, find_ffmpeg
from hlsswarm.telemetry.frames import FrameReader, has_an_end
from hlsswarm.telemetry.lines import Lines
from hlsswarm.telemetry.process_socket import Nobody, ProcessSocket

_MEMORY_BYTES = 512 << 20
_SOCKET = "frames.sock"
_LOG_BYTES = 64 * 1024
_LAST_LINES_SECONDS = 2.0

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ConsumeOptions:
    """What is asked of `consume`. `duration_seconds` counts from the last start; 0: no end."""

    urls: tuple[str, ...]
    duration_seconds: float = 10.0
    decode: bool = False
    manager: str = "auto"
    ffmpeg: str | None = None


@dataclass
class _Consumer:
    """One stream, its unit and what has come of it. It hears its own process."""

    url: str
    unit: str
    ended: Callable[[], None]
    reception: Reception = field(default_factory=Reception)
    started_at: float | None = None
    ended_at: float | None = None
    pid: int | None = None
    _lines: Lines | None = None

    def begin(self, pid: int, now: float) -> None:
        """The process is there."""
        self.pid, self.started_at = pid, now
        reader = FrameReader(self.reception.take)
        self._lines = Lines(reader.line)

    def feed(self, data: bytes, now: float) -> None:
        """What the process writes."""
        if self._lines is not None:
            self._lines.feed(data, now)

    def close(self, now: float) -> None:
        """The process has ended."""
        self.ended_at = now
        self.ended()

    @property
    def first_frame_seconds(self) -> float | None:
        """From the process's start to its first frame."""
        first = self.reception.first_at
        return None if first is None or self.started_at is None else first - self.started_at


@dataclass(frozen=True)
class ConsumeResult:
    """What became of all streams, and the document of it."""

    consumed: tuple[Consumed, ...]
    document: dict[str, Any]
    interrupted: bool


def consume(options: ConsumeOptions, say: Say) -> ConsumeResult:
    """Read all streams for the duration. Raises HlsSwarmError when it cannot begin."""
    program = find_ffmpeg(options.ffmpeg)
    urls = [_absolute(url) for url in options.urls]
    return asyncio.run(_consume(options, urls, program, say))


def _absolute(url: str) -> str:
    """A file by its whole path, which is what a unit needs. Raises PreflightError."""
    if not is_file(url):
        return url
    path = Path(url).expanduser().absolute()
    if not path.is_file():
        raise PreflightError(f"There is no file {path}.", hint="Give a URL, or a file.")
    return str(path)


async def _consume(
    options: ConsumeOptions, urls: Sequence[str], program: FFmpegProgram, say: Say
) -> ConsumeResult:
    stopper = Stopper()
    stopper.install()
    run = names.new_run_id(random.Random())
    async with opened_services(
        run, f"reads {len(urls)} streams", manager=options.manager, keep=False
    ) as services:
        all_ended = asyncio.Event()
        consumers = _consumers(run, urls, all_ended)
        by_unit = {consumer.unit: consumer for consumer in consumers}

        def hear(unit: str | None, pid: int) -> _Consumer | Nobody:
            consumer = by_unit.get(unit or "")
            if consumer is None:
                return Nobody()
            consumer.begin(pid, asyncio.get_running_loop().time())
            return consumer

        socket = ProcessSocket(services.directory / _SOCKET, hear)
        socket.start()
        try:
            say(f"Run {run}: {len(consumers)} streams, ffmpeg {program.version.text}")
            began = time.monotonic()
            for consumer in consumers:
                await services.start(_service(consumer, options, program, services, socket.path))
            await _until_the_end(options, stopper, all_ended)
            usage = services.manager.usage(names.part_slice(run, "consumers"))
            found = [await _judged(consumer, services) for consumer in consumers]
            seconds = time.monotonic() - began
            await services.stop(consumer.unit for consumer in consumers)
            await socket.drained(timeout_seconds=_LAST_LINES_SECONDS)
        finally:
            socket.close()
    about = {
        "ffmpeg": program.version.text,
        "decoded": options.decode,
        "cpu_seconds": usage.cpu_seconds,
        "memory_peak_bytes": usage.memory_peak_bytes,
    }
    interrupted = stopper.asked.is_set()
    told = document(found, seconds=seconds, interrupted=interrupted, about=about)
    return ConsumeResult(tuple(found), told, interrupted)


def _consumers(run: str, urls: Sequence[str], all_ended: asyncio.Event) -> list[_Consumer]:
    consumers: list[_Consumer] = []

    def ended() -> None:
        if all(consumer.ended_at is not None for consumer in consumers):
            all_ended.set()

    for number, url in enumerate(urls, 1):
        unit = names.service_unit(run, "consumer", f"{number:03d}")
        consumers.append(_Consumer(url, unit, ended))
    return consumers


def _service(
    consumer: _Consumer,
    options: ConsumeOptions,
    program: FFmpegProgram,
    services: Services,
    output: Path,
) -> Service:
    return Service(
        name=consumer.unit,
        slice_name=names.part_slice(services.run, "consumers"),
        description=f"hlsswarm reads {consumer.url}",
        command=consume_command(program.path, consumer.url, decode=options.decode),
        log=services.log(consumer.unit),
        output_socket=output,
        limits=Limits(memory_max_bytes=_MEMORY_BYTES, tasks_max=128),
        stop=PlainStop(seconds=2.0),
        # A stream that breaks off has broken off: a second try would hide it.
        restart=ServiceRestart("no"),
        more=REMEMBERED_END,
    )


async def _until_the_end(
    options: ConsumeOptions, stopper: Stopper, all_ended: asyncio.Event
) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in (stopper.asked, all_ended)]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait(
            waits,
            timeout=options.duration_seconds or None,
            return_when=asyncio.FIRST_COMPLETED,
        )
    for task in waits:
        task.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def _judged(consumer: _Consumer, services: Services) -> Consumed:
    """How a stream has gone, at a moment when it should still go on."""
    log = _text(services.log(consumer.unit))
    consumer.reception.settle()
    error, finished, exit_word = "", False, ""
    if consumer.ended_at is not None or consumer.started_at is None:
        ending = await ending_of(services, consumer.unit, consumer.pid)
        exit_word = ending.label
        finished = ending.label == "0" and has_an_end(log)
        if not finished:
            lasted = (consumer.ended_at or 0.0) - (consumer.started_at or 0.0)
            error = f"ended after {lasted:.1f} s: {ending.words}; {ending.complaint}"
    elif not consumer.reception.frames:
        error = "no frame has come"
    return Consumed(
        url=consumer.url,
        unit=consumer.unit,
        reception=consumer.reception,
        first_frame_seconds=consumer.first_frame_seconds,
        error=error,
        finished=finished,
        exit=exit_word,
    )


def _text(log: Path) -> str:
    """The beginning of a log, where ffmpeg tells of its input."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        return file.read(_LOG_BYTES).decode(errors="replace")
    return ""
