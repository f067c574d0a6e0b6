"""The process that keeps a throw-away machine: boots it, waits for an end, removes it.

    owner          system_machine
    └─ keeper      `keep`: stays outside; sees the owner die, by whatever signal
       └─ anchor   first in our cgroups, makes the namespaces; its end is the machine's end
          └─ init  systemd, PID 1 of the machine

Run with the machine's name, the owner's pid and the folders to show as a JSON list. Nothing is
written to the machine around it, except to cgroups of ours.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import stat
import struct
import sys
import traceback
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from tests.lab.machine_groups import (
    OUTSIDE,
    PATH,
    PREFIX,
    REPOSITORY,
    USER_ID,
    USER_NAME,
    MachineError,
    make,
    own_groups,
    process_stat,
    ready_files,
    remove,
)

# linux/sched.h, mount.h, prctl.h, capability.h: Python has names for these from 3.12 on, or never.
_NEW_EVERYTHING = 1 << 17 | 1 << 25 | 1 << 26 | 1 << 27 | 1 << 29  # mnt, cgroup, uts, ipc, pid
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE, _DETACH = 1, 32, 4096, 16384, 1 << 18, 2
_SET_DEATH_SIGNAL, _DROP_CAPABILITY, _SET_SUBREAPER = 1, 24, 36
_CAP_SYS_MODULE, _CAP_SYS_TIME = 16, 25
_libc = ctypes.CDLL(None, use_errno=True)

# What early boot would pull in is about a machine's state (tmpfiles, udev, sysctl, swap, timers…)
# and is masked, whatever this systemd's version ships; only the journal and the bus are kept.
_EARLY = ("sysinit", "basic", "local-fs", "swap", "sockets", "timers", "paths")
_KEPT = {f"systemd-journald{s}" for s in (".service", ".socket", "-dev-log.socket")}
_MASKED = {f"systemd-tmpfiles-{s}.service" for s in ("setup", "setup-dev", "clean")}
_MASKED |= {f"systemd-{s}.service" for s in ("logind", "networkd", "remount-fs", "udevd")}
_UNITS = {
    f"{PREFIX}.target": "[Unit]\nRequires=basic.target\nAfter=basic.target\n",
    # Logind, which is masked, would tell the stock ones how large the folder may be and where.
    "user@.service.d/runtime.conf": "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n",
    "user-runtime-dir@.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
    "ExecStart=/usr/bin/install -d -m 0700 -o %i -g %i /run/user/%i\n",
}
_ACCOUNT = {
    "passwd": f"{USER_NAME}:x:{USER_ID}:{USER_ID}::/home/{USER_NAME}:/bin/sh\n",
    "group": f"{USER_NAME}:x:{USER_ID}:\n",
    "shadow": f"{USER_NAME}:*:1::::::\n",
}


def keep(name: str, owner: int, readable: list[str]) -> int:
    """Boots the machine, says "ready PID", waits for its end or the owner's, and removes it."""
    owner_ends = os.pidfd_open(owner)  # as well as stdin, whose other end a fork may hold open
    own = own_groups()
    groups = [group / name for group in own.values()]
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notices.bind(f"\0{name}")  # abstract: the network namespace is shared, the file system is not
    screen, terminal = os.openpty()
    console, shown = os.ttyname(terminal), b""
    _call("prctl", _SET_SUBREAPER, 1, 0, 0, 0)
    try:
        for group in groups:
            make(group)
            make(group / OUTSIDE)
        anchor = _fork(lambda: _anchor(groups, lambda: _init([*own], console, readable, name)))
        ends = {0, owner_ends, os.pidfd_open(anchor)}
        while not ends & (ready := ready_files(*ends, notices.fileno(), screen)):
            if screen in ready:
                shown = (shown + os.read(screen, 4096))[-4096:]
            if notices.fileno() in ready:
                text, extra, _, _ = notices.recvmsg(4096, socket.CMSG_SPACE(12))
                sender = struct.unpack("3i", extra[0][2])[0]  # translated to our pid namespace
                if b"READY=1" in text.split(b"\n") and int(process_stat(sender)[1]) == anchor:
                    print("ready", sender, flush=True)
    finally:
        remove(groups)
        while ready_files(screen, seconds=0):
            shown += os.read(screen, 4096)
        with contextlib.suppress(BrokenPipeError):  # nobody reads it where the owner was killed
            print(shown.decode(errors="replace").replace("\r", ""), flush=True)
        # No zombie is left: neither the anchor nor init, which is ours by now. Init waits in turn
        # for zombies of its namespace that only the PID 1 outside can reap, which may take long.
        signal.alarm(5)
        with contextlib.suppress(ChildProcessError):
            while os.wait():
                pass
    return 0


def _fork(child: Callable[[], None]) -> int:
    """A process that ends with this one, if not before."""
    parent, pid = os.getpid(), os.fork()
    if pid:
        return pid
    try:
        _call("prctl", _SET_DEATH_SIGNAL, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() in (parent, 0):  # 0: the parent is outside the pid namespace
            child()
    except BaseException:
        os.write(2, traceback.format_exc().encode())  # at once: the first word may be our last
    os._exit(1)


def _anchor(groups: Sequence[Path], init: Callable[[], NoReturn]) -> None:
    """Enters the cgroups, then makes the namespaces, whose root the cgroups become."""
    _enter(groups, groups[0].name)
    _call("unshare", _NEW_EVERYTHING)
    _enter([group / OUTSIDE for group in groups], OUTSIDE)  # systemd wants the top to itself

    def enter_and_boot() -> NoReturn:
        _enter(groups, "")
        init()

    os.waitpid(_fork(enter_and_boot), 0)


def _enter(groups: Sequence[Path], name: str) -> None:
    """Moves this process; goes no further where it is not in a group of ours in any hierarchy."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if ":/.." in line or line.rpartition("/")[2] != name:
            raise MachineError(f"Still in a cgroup that is not ours: {line}")


def _init(own: Sequence[str], console: str, readable: Sequence[str], name: str) -> NoReturn:
    """Makes the overlay the root and becomes systemd."""
    resolver = Path("/etc/resolv.conf")  # it may be a link into /run, of which we have our own
    resolving = resolver.read_text() if resolver.exists() else ""
    # The tree is built over /sys, a folder that every machine has and that is not needed any more:
    # so there is no work folder to be left behind.
    _mount("none", "/", flags=_RECURSIVE | _PRIVATE)
    _mount("tmpfs", "/sys", "tmpfs", data="mode=755")
    for folder in ("upper", "work", "root"):
        Path("/sys", folder).mkdir()
    root = Path("/sys/root")
    _mount("overlay", root, "overlay", data="lowerdir=/,upperdir=/sys/upper,workdir=/sys/work")
    _mount("proc", root / "proc", "proc")
    _mount("sysfs", root / "sys", "sysfs")
    for path in (root / "proc/sys", root / "proc/sysrq-trigger", root / "sys"):
        if path.exists():  # PID 1 would set fs.nr_open, fs.file-max and others for everyone
            _bind(path, path, _READ_ONLY)
    for place, mode in (("dev", "755"), ("run", "755"), ("tmp", "1777"), ("var/tmp", "1777")):
        _mount("tmpfs", root / place, "tmpfs", data=f"mode={mode}")
    _fill_dev(root / "dev", console)
    _mount_cgroups(root / "sys/fs/cgroup", own)
    _furnish(root, resolving)
    for source in (str(REPOSITORY), *readable):
        target = root / source.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        _bind(source, target, 0 if source == str(REPOSITORY) else _READ_ONLY)
    os.chdir(root)
    _call("pivot_root", b".", b".")  # the old root ends up over the new one and is let go
    _call("umount2", b".", _DETACH)
    for capability in (_CAP_SYS_MODULE, _CAP_SYS_TIME):  # these know no namespace
        _call("prctl", _DROP_CAPABILITY, capability, 0, 0, 0)
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    environment = {"PATH": PATH, "container": PREFIX, "NOTIFY_SOCKET": f"@{name}"}
    environment |= {"SYSTEMD_GENERATOR_PATH": "", "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": ""}
    program = shutil.which("systemd", path="/usr/lib/systemd:/lib/systemd") or "no systemd"
    options = ["--log-target=journal-or-kmsg", "--log-color=no", f"--unit={PREFIX}.target"]
    os.execve(program, [program, "--system", *options], environment)


def _fill_dev(dev: Path, console: str) -> None:
    minors = {"null": 3, "zero": 5, "full": 7, "random": 8, "urandom": 9}
    for name, device in {"tty": (5, 0), **{n: (1, m) for n, m in minors.items()}}.items():
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(*device))
        (dev / name).chmod(0o666)  # whatever the umask
    for name, target in {"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"}.items():
        (dev / name).symlink_to(f"/proc/self/fd{target}")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "pts").mkdir()
    _mount("devpts", dev / "pts", "devpts", data="newinstance,ptmxmode=0666,mode=620,gid=5")
    (dev / "shm").mkdir()
    _mount("tmpfs", dev / "shm", "tmpfs", data="mode=1777")
    (dev / "console").touch()
    _bind(console, dev / "console")


def _mount_cgroups(folder: Path, own: Sequence[str]) -> None:
    """Mounts each hierarchy, which in our cgroup namespace shows nothing but our own group."""
    if [*own] == [""]:
        return _mount("cgroup2", folder, "cgroup2")
    _mount("tmpfs", folder, "tmpfs", data="mode=755")
    for controllers in own:
        place = folder / (controllers.removeprefix("name=") or "unified")
        place.mkdir()
        option = f"none,{controllers}" if "=" in controllers else controllers
        _mount("cgroup", place, "cgroup" if controllers else "cgroup2", data=option)
        for name in controllers.split(",") if "," in controllers else ():
            (folder / name).symlink_to(place.name)
    return None


def _furnish(root: Path, resolving: str) -> None:
    """Puts masks and files of our own in /etc, which overrides the units of all other places."""
    places = [root / p / "systemd/system" for p in ("etc", "usr/lib", "lib")]
    wants = [
        p / f"{t}.target.{kind}" for p in places for t in _EARLY for kind in ("wants", "requires")
    ]
    early = {link.name for folder in wants if folder.is_dir() for link in folder.iterdir()}
    for name in (early - _KEPT - {"dbus.socket"}) | _MASKED:
        (places[0] / name).unlink(missing_ok=True)
        (places[0] / name).symlink_to("/dev/null")
    files = {f"systemd/system/{name}": text for name, text in _UNITS.items()}
    files |= {"machine-id": f"{uuid.uuid4().hex}\n", "resolv.conf": resolving}
    for name, text in files.items():
        file = root / "etc" / name
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
    for name, entry in _ACCOUNT.items():
        with (root / "etc" / name).open("a") as account:
            account.write(entry)
    (root / "home" / USER_NAME).mkdir(parents=True, exist_ok=True)
    os.chown(root / "home" / USER_NAME, USER_ID, USER_ID)
    # So that the test user reaches the repository and a Python below a closed /root.
    for path in (*REPOSITORY.parents, *Path(sys.executable).resolve().parents):
        inside = root / path.relative_to("/")
        if inside.exists():  # else it is below a fresh /tmp, and is made open when it is bound
            inside.chmod(inside.stat().st_mode | 0o111)


def _bind(source: str | Path, target: Path, flag: int = 0) -> None:
    _mount(source, target, flags=_BIND | _RECURSIVE)
    _mount("none", target, flags=_BIND | _REMOUNT | flag)


def _mount(
    source: str | Path, target: str | Path, kind: str = "none", *, flags: int = 0, data: str = ""
) -> None:
    where = [os.fsencode(source), os.fsencode(target), kind.encode()]
    _call("mount", *where, ctypes.c_ulong(flags), data.encode())


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"{name}{arguments}")


if __name__ == "__main__":
    sys.exit(keep(*json.loads(sys.argv[1])))
