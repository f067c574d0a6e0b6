"""What tests of the permanent rig share: a daemon in a place, and a look at what it tells."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import Command, Place, free_port, wait_for

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_UNIT = "hlsswarm-rig-controller.service"


@dataclass(frozen=True)
class Daemon:
    """`hlsswarm serve` in a place, with its origin and its metrics on ports of their own."""

    place: Place
    command: Command
    configuration: Path
    origin_port: int
    metrics_port: int

    def write(self, text: str) -> None:
        """Another configuration; METRICS and ORIGIN in it are the ports."""
        self.configuration.write_text(configured(text, self.metrics_port, self.origin_port))

    def metrics(self) -> dict[tuple[str, str], float]:
        """All series now; empty while nobody answers."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        return {(name, labels or ""): float(value) for name, labels, value in _SAMPLE.findall(text)}

    def value(self, name: str, labels: str = 'swarm="evening"') -> float:
        """One series; 0 while it is not there."""
        return self.metrics().get((f"hlsswarm_{name}", labels), 0.0)

    def pid(self) -> int:
        """The daemon's process; 0 while there is none."""
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (directory / "cmdline").read_bytes().split(b"\0")
                if b"serve" in words and str(self.configuration).encode() in words:
                    cgroup = (directory / "cgroup").read_text()
                    if _UNIT in cgroup:
                        return int(directory.name)
        return 0

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the daemon's process, and wait until another one tells figures."""
        before = self.pid()
        os.kill(before, number)
        wait_for("another daemon", lambda: self.pid() not in {0, before})
        wait_for("its figures", lambda: self.value("clients_target") > 0)

    def processes(self) -> set[int]:
        """The clients' processes."""
        found = set()
        for directory in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (directory / "cmdline").read_bytes()
                if b"-user_agent" in words and f":{self.origin_port}/".encode() in words:
                    cgroup = (directory / "cgroup").read_text()
                    if "hlsswarm-evening-client" in cgroup:
                        found.add(int(directory.name))
        return found


def configured(text: str, metrics_port: int, origin_port: int) -> str:
    """A configuration with the ports in their places."""
    return text.replace("METRICS", str(metrics_port)).replace("ORIGIN", str(origin_port))


@contextlib.contextmanager
def daemon(here: Place, text: str) -> Iterator[Daemon]:
    """A daemon that has begun; ended by Ctrl+C."""
    metrics_port, origin_port = free_port(), free_port()
    file = here.root / "rig.toml"
    file.write_text(configured(text, metrics_port, origin_port))
    command = here.start("serve", "--config", str(file))
    try:
        command.wait_for_line("The rig is kept", timeout_seconds=60)
        yield Daemon(here, command, file, origin_port, metrics_port)
    finally:
        if command.process.poll() is None:
            command.signal(signal.SIGINT)
            command.finished()


_STOP = """
import sys
from hlsswarm.units.connect import running_managers
for manager in running_managers("embedded"):
    manager.stop(sys.argv[1])
    while manager.is_active(sys.argv[1]):
        pass
    manager.close()
"""


def stop_by_hand(here: Place, unit: str) -> None:
    """What `systemctl stop UNIT` does."""
    words = [sys.executable, "-c", _STOP, unit]
    subprocess.run(words, env=here.environment, check=True, timeout=20)
