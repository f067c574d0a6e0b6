"""Where chaos happens: a rig on the embedded manager, or as the service of a machine with systemd.

A world is looked at from outside of hlsswarm: by systemctl, /proc, /metrics and nginx's access log.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hlsswarm.units import embedded
from tests.lab.system_machine import SystemMachine
from tests.rig.daemons import Daemon, daemon
from tests.support import REPOSITORY, Finished, Place, free_port, place, wait_for

BACKOFF_MAX_SECONDS = 3
TIMEOUT_SECONDS = 5
STATE_BYTES = 2 << 20
INSTALLED = REPOSITORY / ".cache" / "installed"
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
_PROPERTIES = "Id,Slice,ActiveState,SubState,MainPID,ControlGroup"
_UNIT = re.compile(r"/([^/\n]+\.service)(?:/[^\n]*)?$", re.MULTILINE)
_HEAD = """
[metrics]
listen = "127.0.0.1:METRICS"
[[origin]]
name = "main"
enabled = {enabled}
port = ORIGIN
access-log = "ACCESS"
"""
_SWARM = """
[[swarm]]
name = "{name}"
user-agent = "{name}"
url = "http://127.0.0.1:ORIGIN/stream.m3u8"
clients = {clients}
ramp-rate = 10
backoff-max = "{backoff}s"
timeout = "{timeout}s"
"""


@dataclass(frozen=True)
class Unit:
    """A service as systemd shows it."""

    name: str
    slice_name: str
    active: str
    sub: str
    main_pid: int
    cgroup: str


@dataclass(frozen=True)
class Process:
    """A process, as this machine's /proc has it."""

    pid: int
    words: tuple[bytes, ...]
    cgroups: str

    @property
    def unit(self) -> str:
        """The service it belongs to; empty for none."""
        match = _UNIT.search(self.cgroups)
        return match[1] if match else ""

    @property
    def program(self) -> str:
        """Its name without the path; nginx writes `nginx: what it is` there."""
        if self.words[0].startswith(b"nginx:"):
            return "nginx"
        return self.words[0].decode(errors="replace").rpartition("/")[2]


class World(Protocol):
    """A rig, and what can be done around it."""

    metrics_port: int
    origin_port: int
    cgroup: str
    """What the cgroups of all its processes have in their paths."""
    can_reexec: bool
    access_log: Path
    state_directory: Path

    def systemctl(self, *words: str) -> str:
        """What systemctl says of this world's manager; empty when it cannot be asked."""

    def hlsswarm(self, *words: str) -> Finished:
        """Run a command of ours."""

    def write(self, text: str) -> None:
        """Another configuration."""

    def end(self) -> list[str]:
        """End the rig as a person does; what is left of it."""


def configuration(sizes: dict[str, int], *, origin: bool = True) -> str:
    """A rig of one origin and swarms of these sizes; ports are filled in later."""
    swarms = (
        _SWARM.format(
            name=name, clients=count, backoff=BACKOFF_MAX_SECONDS, timeout=TIMEOUT_SECONDS
        )
        for name, count in sizes.items()
    )
    return _HEAD.format(enabled=str(origin).lower()) + "".join(swarms)


# --- looks ---------------------------------------------------------------------------------------


def units(world: World) -> dict[str, Unit]:
    """All services of ours that systemd has loaded, by name."""
    text = world.systemctl("show", "hlsswarm-*.service", f"--property={_PROPERTIES}")
    found = {}
    for block in text.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if values.get("Id"):
            found[values["Id"]] = Unit(
                values["Id"],
                values.get("Slice", ""),
                values["ActiveState"],
                values["SubState"],
                int(values.get("MainPID", "0")),
                values.get("ControlGroup", ""),
            )
    return found


def processes(world: World) -> list[Process]:
    """All processes in the world, and those outside that play its stream."""
    found = []
    port = f":{world.origin_port}/".encode()
    for directory in Path("/proc").iterdir():
        if not directory.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            cgroups = (directory / "cgroup").read_text()
            words = tuple((directory / "cmdline").read_bytes().split(b"\0"))
            plays = b"-user_agent" in words and any(port in word for word in words)
            if words[0] and (world.cgroup in cgroups or plays):
                found.append(Process(int(directory.name), words, cgroups))
    return found


def controller(world: World) -> int:
    """The daemon's process; 0 while there is none."""
    for process in processes(world):
        if b"serve" in process.words and b"--config" in process.words:
            return process.pid
    return 0


def processes_of(world: World, unit_part: str) -> list[int]:
    """Main and other processes of units with a text in their names."""
    return [process.pid for process in processes(world) if unit_part in process.unit]


def metrics(world: World) -> dict[tuple[str, str], float]:
    """All series now; empty while nobody answers."""
    url = f"http://127.0.0.1:{world.metrics_port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {(name, labels or ""): float(value) for name, labels, value in _SAMPLE.findall(text)}


def players(world: World, since_unix_time: float) -> set[str]:
    """User agents that were given a Media Segment since then, by nginx's access log."""
    try:
        with world.access_log.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - (1 << 20)))
            lines = file.read().splitlines()
    except OSError:
        return set()
    found = set()
    for line in lines:
        with contextlib.suppress(ValueError, KeyError):
            fields = json.loads(line)
            fine = fields["status"] in {200, 206} and fields["time"] >= since_unix_time
            if fine and fields["uri"].partition("?")[0].endswith(".ts"):
                found.add(fields["user_agent"])
    return found


# --- the two worlds ------------------------------------------------------------------------------


class EmbeddedWorld:
    """A rig on the embedded manager, as `hlsswarm serve` on a terminal has it."""

    can_reexec = False  # it has a /run of 1 MB, and wants 16 MB free for that

    def __init__(self, here: Place, made: Daemon) -> None:
        self._here, self._daemon = here, made
        self.metrics_port, self.origin_port = made.metrics_port, made.origin_port
        directory = embedded.directory_in(here.runtime_directory)
        self.cgroup = embedded.cgroup_name(directory)
        self._environment = {**os.environ, "XDG_RUNTIME_DIR": str(directory)}
        self.access_log = here.root / "access.json"
        self.state_directory = here.root / "s"

    def systemctl(self, *words: str) -> str:
        done = subprocess.run(
            ["systemctl", "--user", "--no-pager", *words],
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return done.stdout

    def hlsswarm(self, *words: str) -> Finished:
        return self._here.run(*words)

    def write(self, text: str) -> None:
        self._daemon.write(text.replace("ACCESS", str(self.access_log)))

    def end(self) -> list[str]:
        self._daemon.command.signal(signal.SIGINT)
        status = self._daemon.command.finished(timeout_seconds=90).status
        left = [] if status == 0 else [f"`serve` ended with {status}"]
        with contextlib.suppress(AssertionError):
            wait_for("an end", lambda: not self._here.leftovers(self.origin_port))
        return left + self._here.leftovers(self.origin_port)


@contextlib.contextmanager
def embedded_world(sizes: dict[str, int]) -> Iterator[EmbeddedWorld]:
    """A rig on the embedded manager, whose state is on a small file system of its own."""
    with place() as here, _small_file_system(here.root / "s"):
        text = configuration(sizes).replace("ACCESS", str(here.root / "access.json"))
        with daemon(here, text) as made:
            yield EmbeddedWorld(here, made)


@contextlib.contextmanager
def _small_file_system(directory: Path) -> Iterator[None]:
    directory.mkdir()
    options = f"size={STATE_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "chaos", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


class MachineWorld:
    """A rig as hlsswarm.service, on a machine whose PID 1 is systemd."""

    can_reexec = True

    def __init__(self, machine: SystemMachine) -> None:
        self._machine = machine
        self.metrics_port, self.origin_port = free_port(), free_port()
        group = Path(f"/proc/{machine.root_pid}/cgroup").read_text()
        self.cgroup = next(part for part in group.split("/") if part.startswith("hlsswarm-"))
        root = Path(f"/proc/{machine.root_pid}/root")
        self.access_log = root / "var/log/chaos-access.json"
        self.state_directory = root / "var/lib/hlsswarm"

    def shell(self, script: str, *, input: str | None = None) -> str:
        """What a script on the machine says; it has to succeed."""
        done = self._machine.run(["sh", "-c", script], input=input, timeout=120)
        assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def systemctl(self, *words: str) -> str:
        return self._machine.run(["systemctl", "--no-pager", *words], timeout=60).stdout

    def hlsswarm(self, *words: str) -> Finished:
        done = self._machine.run(["/usr/local/bin/hlsswarm", *words], timeout=60)
        return Finished(words, done.returncode, done.stdout, done.stderr)

    def write(self, text: str) -> None:
        filled = (
            text.replace("METRICS", str(self.metrics_port))
            .replace("ORIGIN", str(self.origin_port))
            .replace("ACCESS", "/var/log/chaos-access.json")
        )
        self.shell("mkdir -p /etc/hlsswarm && cat >/etc/hlsswarm/hlsswarm.toml", input=filled)

    def end(self) -> list[str]:
        self.systemctl("stop", "hlsswarm.service")
        left = [unit.name for unit in units(self).values() if unit.active != "inactive"]
        left += [
            f"process {process.pid}: {process.program}"
            for process in processes(self)
            if process.program in {"ffmpeg", "nginx"}
        ]
        found = self.shell("ls -A /run/hlsswarm /dev/shm 2>/dev/null | grep -v : || true")
        return left + found.split()


@contextlib.contextmanager
def machine_world(sizes: dict[str, int]) -> Iterator[MachineWorld]:
    """What `make install` gives, started, on a throw-away machine."""
    words = ["make", "install", "PYTHON=/usr/bin/python3", f"DESTDIR={INSTALLED}"]
    subprocess.run(words, cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL, timeout=300)
    with SystemMachine() as machine:
        machine.run(["cp", "-a", f"{INSTALLED}/.", "/"], check=True)
        world = MachineWorld(machine)
        world.write(configuration(sizes))
        world.shell("systemd-sysusers hlsswarm.conf && systemd-tmpfiles --create hlsswarm.conf")
        options = f"size={STATE_BYTES},mode=0750"
        world.shell(
            f"mkdir -p /var/lib/hlsswarm && mount -t tmpfs -o {options} chaos /var/lib/hlsswarm"
        )
        world.shell("systemctl daemon-reload && systemctl start hlsswarm")
        yield world
