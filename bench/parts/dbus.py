"""(7) D-Bus alone: start rate, events a second, the price of a list; without ffmpeg."""

from __future__ import annotations

import json
import subprocess
import sys

from bench.parts import Document, Work
from bench.place import BenchError

_SECONDS = 240.0


def measure(work: Work) -> Document:
    """One row, from a process that does nothing else (bench/dbus_probe.py)."""
    count = work.sizes.dbus_units
    work.say(f"{count} units of /bin/sleep, twice")
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "bench.dbus_probe", str(count)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=work.place.root,
            env=dict(work.place.environment),
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BenchError("the D-Bus probe did not end") from None
    if answer.returncode != 0:
        raise BenchError(f"the D-Bus probe failed: {answer.stderr.strip()[-400:]}")
    return {"rows": [json.loads(answer.stdout)]}
