"""A throw-away *system* manager: this machine's own systemd as PID 1 of an overlay of its root.

Knows how to wall a systemd in (cgroups, then namespaces, then mounts), how to run commands beside
it and how to leave nothing behind; knows nothing of hlsswarm. Needs root, a root file system that
overlayfs takes, and from apt: systemd, dbus, util-linux; for `run_as_user` also libpam-systemd and
dbus-user-session. The network is the machine's own, and so is the repository folder (read-write);
whatever else is written is lost.

    owner          the test; runs commands inside by nsenter
    └─ keeper      stays outside; sees the owner die, by whatever signal, and removes everything
       └─ anchor   first in our cgroups, makes the namespaces; its end is the machine's end
          └─ init  systemd, PID 1 of the machine

Our cgroup lies below the caller's own in every hierarchy, not at its root: the limits, accounting
and supervision that hold the caller go on holding the machine. Where a container hides the caller's
own path, the boot is refused. On pure cgroup v2, limits inside need a delegated caller
(`systemd-run --scope -p Delegate=yes pytest …`).

By hand: `python -m tests.lab.system_machine [--user] -- COMMAND…` gives COMMAND's exit status.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import itertools
import json
import os
import re
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

REPOSITORY = Path(__file__).resolve().parents[2]
USER_NAME, USER_ID = "tester", 42042  # made inside the machine only
BOOT_SECONDS, REMOVAL_SECONDS = 30.0, 20.0
PREFIX = "hlsswarm-machine"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_OUTSIDE = "outside"  # below our cgroup: processes in the machine that are no unit's
# Our cgroups' names say whose they are: PREFIX.PIDNAMESPACE.OWNER.OWNERSTART.COUNT
_OURS = f"{PREFIX}.{Path('/proc/self/ns/pid').stat().st_ino}"
_count = itertools.count()

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


class MachineError(Exception):
    """The machine cannot be had here, did not boot, has ended, or could not be removed."""


class SystemMachine:
    """Boots on entry, is removed on exit.

    `readable`: folders to bind in read-only, such as those below /tmp, of which the machine has its
    own. The Python that runs is bound in where that is needed."""

    def __init__(self, *, readable: Iterable[Path] = ()) -> None:
        python = (Path(sys.prefix), Path(sys.base_prefix))
        hidden = [p for p in python if p.parts[1] in ("tmp", "run", "dev")]
        self._readable = sorted({*hidden, *(p.resolve() for p in readable)})
        self._groups: list[Path] = []
        self._commands = itertools.count()
        self._user_manager = False
        self._root_ends = -1
        self.root_pid = 0  # of the machine's PID 1, as seen from outside

    def __enter__(self) -> Self:
        if reason := unavailable_because():
            raise MachineError(reason)
        _sweep()
        name = f"{_OURS}.{os.getpid()}.{_stat(os.getpid())[19]}.{next(_count)}"
        self._groups = [group / name for group in _own_groups().values()]
        order = json.dumps([name, os.getpid(), [str(p) for p in self._readable]])
        keep = [sys.executable, "-I", "-S", __file__, "--keep", order]
        pipe, out = subprocess.PIPE, subprocess.STDOUT
        # Its own session: the terminal's Ctrl-C is the owner's to handle. No buffer: communicate()
        # would miss what it holds.
        self._keeper = subprocess.Popen(
            keep, stdin=pipe, stdout=pipe, stderr=out, bufsize=0, start_new_session=True
        )
        news, log = b"", ""
        try:
            if (stdout := self._keeper.stdout) and _readable(stdout.fileno(), seconds=BOOT_SECONDS):
                news = stdout.read(4096)
        finally:
            if not news.startswith(b"ready "):
                log = news.decode(errors="replace") + self._end()
        if log:
            raise MachineError(f"The machine did not boot; its last words:\n{log}")
        self.root_pid = int(news.split()[1])
        self._root_ends = os.pidfd_open(self.root_pid)
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        os.close(self._root_ends)

    def _end(self) -> str:
        """Has the keeper remove the machine, or does it where the keeper is no more; its log."""
        log = b""
        if self._keeper.stdout and not self._keeper.stdout.closed:
            try:
                log, _ = self._keeper.communicate(b"end\n", timeout=REMOVAL_SECONDS + 5)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                log, _ = self._keeper.communicate()
        _remove(self._groups)
        return log.decode(errors="replace") or "(none)"

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        cwd: Path = REPOSITORY,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        check: bool = False,
        input: str | None = None,
        capture: bool = True,
        user: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as root or the test user, in a cgroup that is no unit's.

        `cwd` is a folder of the machine; `env` adds to the environment of a bare login; `timeout`
        (seconds) kills all that the command started; without `capture` it has the caller's streams.
        The status is as a shell gives it: 127 no such command, 128+N ended by signal N."""
        if _readable(self._root_ends, seconds=0):
            raise MachineError(f"The machine has ended; its last words:\n{self._end()}")
        if user and not self._user_manager:
            self.run(["systemctl", "start", f"user@{USER_ID}.service"], timeout=60, check=True)
            self._user_manager = True
        home, name = (f"/home/{USER_NAME}", USER_NAME) if user else ("/root", "root")
        login = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": home, "USER": name, "LOGNAME": name}
        if user:
            login["XDG_RUNTIME_DIR"] = runtime = f"/run/user/{USER_ID}"
            login["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime}/bus"
        number = str(next(self._commands))
        groups = [group / _OUTSIDE / number for group in self._groups]
        enter = 'for g; do shift; [ "$g" != -- ] || exec "$@"; echo 0 >"$g" || exit; done'
        command = ["sh", "-c", enter, "sh", *(str(g / "cgroup.procs") for g in groups), "--"]
        # A shell, as nsenter's own fork stops for good when systemd-shutdown stops its child; env,
        # as nsenter's --wd is opened before it enters: a folder outside.
        command += ["nsenter", f"--target={self.root_pid}", "-m", "-p", "-u", "-i", "-C"]
        command += ["--no-fork", "--", "sh", "-c", '"$@"; exit $?', "sh"]
        if user:
            command += ["setpriv", f"--reuid={USER_ID}", f"--regid={USER_ID}", "--init-groups"]
        command += ["env", "-i", f"--chdir={cwd}"]
        command += [f"{key}={value}" for key, value in {**login, **(env or {})}.items()]
        words = [os.fspath(word) for word in argv]
        pipe = subprocess.PIPE if capture else None
        source = None if input is None and not capture else subprocess.PIPE
        try:
            for group in groups:
                _make(group)
            with subprocess.Popen(
                command + words, stdin=source, stdout=pipe, stderr=pipe, text=True, errors="replace"
            ) as process:
                try:
                    out, err = process.communicate(input, timeout)
                except BaseException:  # subprocess would kill nsenter alone
                    _kill(groups)
                    raise
        finally:
            for group in groups:  # what the command left running keeps its group until the end
                with contextlib.suppress(OSError):
                    group.rmdir()
        done = subprocess.CompletedProcess(words, process.returncode, out, err)
        if check:
            done.check_returncode()
        return done

    # As an unprivileged user whose `systemd --user` runs, as after a login. On cgroup v1 no
    # controller is delegated to such a manager: the limits of its units do nothing.
    run_as_user = functools.partialmethod(run, user=True)


def unavailable_because() -> str | None:
    """Why no machine can be had here, as a sentence; None where one can."""
    if os.geteuid() != 0:
        return "A throw-away system manager needs root."
    programs = ("systemctl", "dbus-daemon", "nsenter", "setpriv")
    if missing := [p for p in programs if not shutil.which(p, path=_PATH)]:
        return f"Missing: {', '.join(missing)}; apt-get install systemd dbus util-linux."
    try:
        hierarchies = {*_own_groups()}
    except MachineError as error:
        return str(error)
    # Without it systemd would want to make that hierarchy, and every process would be in it.
    if hierarchies != {""} and "name=systemd" not in hierarchies:
        return "This is cgroup v1 without a name=systemd hierarchy, which systemd needs."
    return None


def _own_groups() -> dict[str, Path]:
    """The caller's own cgroup in every hierarchy, by controllers ("" for v2)."""
    found = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for options, root, folder in _cgroup_mounts():
            if {*controllers.split(",")} <= options and Path(path).is_relative_to(root):
                group = folder / Path(path).relative_to(root)
                if ".." not in group.parts and (group / "cgroup.procs").exists():
                    found[controllers] = group
        if controllers not in found:
            raise MachineError(f"The caller's own cgroup is not to be seen here: {line}")
    return found


def _cgroup_mounts() -> list[tuple[set[str], str, Path]]:
    """(Options of v1 or {""} for v2; the cgroup mounted; where) of each cgroup file system."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        if right.startswith("cgroup"):
            kind, _, options = right.split(" ")
            root, folder = left.split()[3:5]
            names = {""} if kind == "cgroup2" else {*options.split(",")}
            mounts.append((names, root, Path(folder)))
    return mounts


def _make(group: Path) -> None:
    group.mkdir()
    for knob in ("cpuset.cpus", "cpuset.mems"):  # empty on v1, and nothing may enter until set
        if (group / knob).exists() and (group.parent / knob).exists():
            (group / knob).write_text((group.parent / knob).read_text())


def _below(groups: Iterable[Path]) -> list[Path]:
    """The groups that exist and all below them, the deepest first."""
    return [Path(folder) for g in groups for folder, _, _ in os.walk(g, topdown=False)]


def _kill(groups: Iterable[Path]) -> None:
    for folder in _below(groups):
        with contextlib.suppress(OSError):
            for pid in (folder / "cgroup.procs").read_text().split():
                if pid != "0":  # one of another pid namespace; for kill, our own process group
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)


def _remove(groups: Sequence[Path]) -> None:
    """Ends the processes that the groups list, and no other, and removes the groups."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        _kill(groups)
        try:
            for folder in _below(groups):
                with contextlib.suppress(FileNotFoundError):
                    folder.rmdir()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise MachineError(f"A cgroup could not be removed: {error}") from error
        # Only v2, beside v1 as well, tells when a group empties.
        for group in groups:
            with contextlib.suppress(OSError), (group / "cgroup.events").open() as events:
                if "populated 1" in events.read():
                    (poller := select.poll()).register(events, select.POLLPRI)
                    poller.poll(20)


def _sweep() -> None:
    """Removes the machines whose owners are dead: those SIGKILLed together with their keeper."""
    ours, stale = re.compile(rf"{re.escape(_OURS)}\.(\d+)\.(\d+)\.\d+"), []
    for _, _, mounted in _cgroup_mounts():
        for folder, names, _ in os.walk(mounted):
            for match in filter(None, map(ours.fullmatch, names)):
                try:
                    alive = _stat(int(match[1]))[19] == match[2]
                except OSError:
                    alive = False
                if not alive:
                    stale.append(Path(folder, match[0]))
    _remove(stale)


def _stat(pid: int) -> list[str]:
    """/proc/PID/stat from the state on: [1] is the parent, [19] the start time (proc(5): 4, 22)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _readable(*files: int, seconds: float | None = None) -> set[int]:
    return {*select.select(files, (), (), seconds)[0]}


def _keep(name: str, owner: int, readable: list[str]) -> int:
    """Boots the machine, says "ready PID", waits for its end or the owner's, and removes it."""
    owner_ends = os.pidfd_open(owner)  # as well as stdin, whose other end a fork may hold open
    own = _own_groups()
    groups = [group / name for group in own.values()]
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    notices.bind(f"\0{name}")  # abstract: the network namespace is shared, the file system is not
    screen, terminal = os.openpty()
    console, shown = os.ttyname(terminal), b""
    _call("prctl", _SET_SUBREAPER, 1, 0, 0, 0)
    try:
        for group in groups:
            _make(group)
            _make(group / _OUTSIDE)
        anchor = _fork(lambda: _anchor(groups, lambda: _init([*own], console, readable, name)))
        ends = {0, owner_ends, os.pidfd_open(anchor)}
        while not ends & (ready := _readable(*ends, notices.fileno(), screen)):
            if screen in ready:
                shown = (shown + os.read(screen, 4096))[-4096:]
            if notices.fileno() in ready:
                text, extra, _, _ = notices.recvmsg(4096, socket.CMSG_SPACE(12))
                sender = struct.unpack("3i", extra[0][2])[0]  # translated to our pid namespace
                if b"READY=1" in text.split(b"\n") and int(_stat(sender)[1]) == anchor:
                    print("ready", sender, flush=True)
    finally:
        _remove(groups)
        while _readable(screen, seconds=0):
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
    _enter([group / _OUTSIDE for group in groups], _OUTSIDE)  # systemd wants the top to itself

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
    environment = {"PATH": _PATH, "container": PREFIX, "NOTIFY_SOCKET": f"@{name}"}
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


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["--keep"]:
        return _keep(*json.loads(argv[1]))
    parser = argparse.ArgumentParser(description="Runs COMMAND on a throw-away systemd machine.")
    parser.add_argument("--user", action="store_true", help="as an unprivileged user")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    order = parser.parse_args(argv)
    try:
        with SystemMachine() as machine:
            run = functools.partial(machine.run, cwd=Path.cwd(), capture=False)
            return run(order.command, user=order.user).returncode
    except MachineError as error:
        print(f"system_machine: {error}", file=sys.stderr)
        return 125


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
