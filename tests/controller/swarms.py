"""A swarm on a real manager whose clients are small programs that act as ffmpeg does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.client import Client
from hlsswarm.controller.preflight import Stream
from hlsswarm.controller.swarm import Swarm
from hlsswarm.core.backoff import Backoff
from hlsswarm.core.commands import ClientOptions, FFmpegVersion
from hlsswarm.core.plan import Plan
from hlsswarm.telemetry.ffmpeg_program import FFmpegProgram
from tests.units.live import Live, short_directory

QUICK = Backoff(0.1, 0.8)
# Says of one Media Segment what ffmpeg says of it.
SEGMENT = (
    "echo \"[hls @ 0x5562e8228ac0] [verbose] HLS request for url 'http://h/1.ts', offset 0, "
    'playlist 0" >&2; '
    "echo \"[hls @ 0x5562e8228ac0] [info] Opening 'http://h/1.ts' for reading\" >&2; "
    'echo "[AVIOContext @ 0x5562e8233200] [verbose] Statistics: 1000 bytes read, 0 seeks" >&2'
)
PLAYS = f"while :; do {SEGMENT}; sleep 0.1; done"
"""Body of a client that streams until it is stopped."""


def fake_ffmpeg(directory: Path, body: str) -> Path:
    """A program for the clients: notes its start in DIRECTORY/starts-N, then does `body`.

    `$N` is the client's number, `$STARTS` how often this client has started.
    """
    program = directory / "ffmpeg"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = -version ]; then echo "ffmpeg version 5.1 Copyright"; exit; fi\n'
        'N="${*##*/client-}"; N="${N%% *}"\n'
        f'date +%s.%N >>"{directory}/starts-$N"\n'
        f'STARTS="$(wc -l <"{directory}/starts-$N")"\n'
        f"{body}\n"
    )
    program.chmod(0o755)
    return program


def start_times(directory: Path, client: int) -> list[float]:
    """When the processes of a client began, in seconds."""
    path = directory / f"starts-{client}"
    return [float(line) for line in path.read_text().split()] if path.exists() else []


@dataclass(frozen=True)
class Stage:
    """A swarm that runs, and where its programs leave their notes."""

    swarm: Swarm
    directory: Path

    def client(self, number: int) -> Client:
        """A client by its number."""
        return self.swarm.clients[number - 1]

    def starts(self, client: int) -> list[float]:
        """When its processes began."""
        return start_times(self.directory, client)

    async def until(
        self, what: str, condition: Callable[[], object], *, timeout_seconds: float = 20.0
    ) -> None:
        """Wait, while the swarm goes on, until a condition holds."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {what}"
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def on_stage(
    live: Live,
    run: str,
    body: str,
    *,
    clients: int = 1,
    backoff: Backoff = QUICK,
    is_live: bool = True,
) -> AsyncIterator[Stage]:
    """A swarm of such clients, all started; stopped, and nothing left of it, at the end."""
    plan = Plan(
        client=ClientOptions("http://127.0.0.1:1/stream.m3u8"),
        clients=clients,
        ramp_rate_per_second=0,
        ramp_jitter_seconds=0,
        backoff=backoff,
        metrics=None,
    )
    live.manager.listen()
    with short_directory() as directory:
        program = FFmpegProgram(fake_ffmpeg(directory, body), FFmpegVersion("5.1", (5, 1)))
        swarm = Swarm(
            plan,
            run,
            program=program,
            stream=Stream(is_live=is_live),
            manager=live.manager,
            abilities=live.abilities,
            directory=directory,
        )
        await swarm.open()
        following = asyncio.create_task(swarm.follow())
        try:
            await swarm.ramp()
            yield Stage(swarm, directory)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await swarm.stop()
            swarm.close()
            live.manager.unlisten()
