"""The sandbox on a real manager: under each profile a program tries what must fail.

Without a profile the same program gets through, so the tests would see a wall that does not stand.
test_every_manager runs this file on the system manager and a user's, too.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hlsswarm.core.sandbox import ALL_PARTS, Profile, Sandbox, shown_for_program
from hlsswarm.core.unit_specs import Property
from tests.support import wait_for
from tests.units.live import KIND, Live, Run, python

ATTEMPTS = """
import ctypes, json, mmap, os, socket, subprocess, sys
root, home, outside, setuid_cat, inside = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
def did(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "no")
def alone(action):
    # In a process of its own, and in namespaces of its own where it can have them.
    pid = os.fork()
    if pid == 0:
        try:
            libc.unshare(0x20000 | 0x4000000)
            action()
            os._exit(0)
        finally:
            os._exit(1)
    did(os.waitpid(pid, 0)[1])
def write(path):
    open(path, "w").close()
    os.unlink(path)
def powers():
    text = subprocess.run([setuid_cat, "/proc/self/status"], capture_output=True, text=True).stdout
    line = next(line for line in text.splitlines() if line.startswith("Uid:"))
    assert line.split()[2] == "0" and os.getuid() != 0
def device():
    path = "/dev/shm/" + os.path.basename(outside)
    os.mknod(path, 0o20600, 1)
    os.unlink(path)
def others():
    assert any(int(pid) != os.getpid() for pid in os.listdir("/proc") if pid.isdecimal())
attempts = {
    "read in /root": lambda: open(root).read(),
    "read in /home": lambda: open(home).read(),
    "write outside": lambda: write(outside),
    "write in /etc": lambda: write("/etc/" + os.path.basename(outside)),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "internet": lambda: socket.socket(socket.AF_INET),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "setuid program": powers,
    "become root": lambda: os.setuid(0) if os.getuid() else did(1),
    "trace": lambda: alone(lambda: did(libc.ptrace(0, 0, 0, 0))),
    "mount": lambda: alone(lambda: did(libc.mount(b"x", b"/mnt", b"tmpfs", 0, None))),
    "unshare": lambda: alone(lambda: did(libc.unshare(0x10000000))),
    "host name": lambda: alone(lambda: did(libc.sethostname(b"x", 1))),
    "see others": others,
    "signal others": lambda: os.kill(1, 0),
    "code in memory": lambda: mmap.mmap(-1, 4096, prot=7),
    "device": lambda: alone(device),
    "write kernel settings": lambda: open("/proc/sys/kernel/hostname", "a").close(),
    "write inside": lambda: write(inside),
}
through = []
for name, attempt in attempts.items():
    try:
        attempt()
    except (OSError, AssertionError, StopIteration, PermissionError):
        continue
    through.append(name)
sys.stderr.write(json.dumps(through) + "\\n")
"""
ALWAYS = {"internet"}
WITHOUT_ANY = {*ALWAYS, "unix", "netlink", "trace", "see others", "code in memory", "unshare"}
AS_ROOT = {"read in /root", "read in /home", "write outside", "write in /etc", "packet", "mount"}


@dataclass(frozen=True)
class Ground:
    """Files that a program is to keep its hands off, and a directory that it may write to."""

    root: Path
    home: Path
    setuid_cat: Path
    inside: Path

    def command(self) -> tuple[str, ...]:
        outside = f"/var/lib/hlst-{secrets.token_hex(6)}"
        paths = (self.root, self.home, outside, self.setuid_cat, self.inside / "x")
        return python(ATTEMPTS, *map(str, paths))


@pytest.fixture
def ground() -> Iterator[Ground]:
    """Of one test; a user has only its own home."""
    tops = ("/root", "/home", "/usr/local") if KIND != "user" else (str(Path.home()),) * 3
    places = [Path(tempfile.mkdtemp(prefix="hlst-", dir=top)) for top in tops]
    inside = Path(tempfile.mkdtemp(prefix="hlst-", dir="/var/tmp"))
    try:
        for place in places:
            place.chmod(0o711)
        for place in places[:2]:
            (place / "secret").write_text("secret")
            (place / "secret").chmod(0o644)
        cat = places[2] / secrets.token_hex(8)
        shutil.copy(shutil.which("cat") or "/bin/cat", cat)
        cat.chmod(0o4711)
        yield Ground(places[0] / "secret", places[1] / "secret", cat, inside)
    finally:
        for place in (*places, inside):
            shutil.rmtree(place, ignore_errors=True)


def python_places() -> tuple[Path, ...]:
    program = Path(sys.executable)
    return tuple({*shown_for_program(program), *shown_for_program(program.resolve())})


def got_through(run: Run, ground: Ground, sandbox: Sandbox) -> set[str]:
    """What the program could do in a unit with this sandbox."""
    said = run.directory / "said"
    spec = run.spec(1, ground.command())
    kept = tuple(item for item in spec.properties if item.name != "StandardErrorFile")
    more = (
        Property("StandardErrorFile", "s", str(said)),
        *sandbox.properties(run.live.abilities.sandbox),
    )
    run.queue(dataclasses.replace(spec, properties=(*kept, *more)))
    text = wait_for("the program's word", lambda: said.read_text() if said.exists() else "")
    names: list[str] = json.loads(text.splitlines()[0])
    return set(names)


def test_what_this_manager_can(live: Live) -> None:
    if KIND == "user":
        assert {"seccomp"} <= live.abilities.sandbox
    else:
        # Not every version hides other processes as a private manager.
        assert live.abilities.sandbox | {"processes"} == ALL_PARTS


@pytest.mark.parametrize("profile", ["client", "encoder", "server"])
def test_nothing_gets_through(a_run: Run, ground: Ground, profile: Profile) -> None:
    sandbox = Sandbox(profile=profile, readable=python_places())
    if profile != "client":
        sandbox = dataclasses.replace(sandbox, writable=(ground.inside,))
    through = got_through(a_run, ground, sandbox)
    parts = sandbox.parts(a_run.live.abilities.sandbox)
    allowed = set(ALWAYS)
    if profile != "client":
        allowed |= {"unix", "write inside"}
    if "user" not in parts:  # what is of the same user it can see, and signal
        allowed |= {"see others"} if KIND == "user" else {"see others", "signal others"}
    if "processes" not in parts:  # systemd 254 as a private manager: said at a run's start
        allowed |= {"see others"}
    if "mounts" not in parts:  # a user's manager that gives none: the files are the user's
        allowed |= {"read in /root", "read in /home", "write inside"}
    assert through == allowed


def test_basic_keeps_what_needs_no_mounts(a_run: Run, ground: Ground) -> None:
    sandbox = Sandbox(profile="client", level="basic", readable=python_places())
    through = got_through(a_run, ground, sandbox)
    walled = {"netlink", "packet", "unix", "raw", "setuid program", "trace", "mount", "unshare"}
    assert not through & (walled | {"host name", "code in memory"})
    assert "internet" in through


def test_without_a_profile_it_gets_through(a_run: Run, ground: Ground) -> None:
    through = got_through(a_run, ground, Sandbox())
    wanted = WITHOUT_ANY if KIND == "user" else WITHOUT_ANY | AS_ROOT
    assert wanted <= through
