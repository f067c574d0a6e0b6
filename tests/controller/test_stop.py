"""What a stop counts: all that clients asked for before it, and nothing after it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.controller.swarms import on_stage
from tests.units.live import Live

# Asks, and notes that it has asked, as fast as it can; never waits for an answer.
_ASKS = """
import os, sys
noted = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
while True:
    os.write(2, b"[hls @ 0x5562e8228ac0] [info] Opening 'http://h/stream.m3u8' for reading\\n")
    os.write(noted, b"x")
"""


def test_requests_of_the_last_moment_are_counted(live: Live, tmp_path: Path) -> None:
    noted = tmp_path / "noted"
    program = tmp_path / "asks.py"
    program.write_text(_ASKS)

    async def scenario() -> None:
        body = f'exec {sys.executable} -S {program} "{noted}"'
        async with on_stage(live, "last", body) as stage:
            playlists = stage.swarm.totals.playlists
            await stage.until("a thousand requests", lambda: playlists.requests >= 1000)
        # One may have been said and not noted.
        assert playlists.requests - noted.stat().st_size in {0, 1}

    asyncio.run(asyncio.wait_for(scenario(), 60))
