"""Process that keeps an embedded manager: makes its cgroups and namespaces, runs it, tidies up.

    keeper (stays in the caller's own cgroups)
      └── systemd --user, in cgroups of its own and own cgroup and mount namespaces

The keeper outlives the controller. When the manager ends, however it ends, the keeper kills
what is left in its cgroups and removes them and the directory. It ends a manager that has no run
to keep, whose controller must have died before it came to that. It holds a lock on the
directory for as long as it lives, so that others can tell. Of units it knows the slices' names.

Sources: cgroup_namespaces(7), mount_namespaces(7), flock(2), systemd(1).
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import sys
from pathlib import Path

from hlsswarm.core import names
from hlsswarm.units import cgroups
from hlsswarm.units.private_directories import BOOT_ID, boot_id, remove_private
from hlsswarm.units.runtime_directory import remove_run_directory, remove_runs_of

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

KIND = "embedded"
CGROUPS_FILE = "cgroups"
LOG_FILE = "manager.log"
BOOT_ID_FILE = "boot_id"
BOOT_TARGET = "embedded.target"
SYSTEM_UNIT_DIRECTORY = "units"
IDLE_LOOK_SECONDS = 1.5
"""Time between two looks for a run; a manager without one at two looks in a row is ended."""

_STUBS = ("basic", "shutdown", "exit", "timers", "sockets", "paths", "default")


class _Libc:
    """The calls that Python has no function for (os.unshare came with 3.12)."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _check(self, result: int, what: str) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")

    def unshare(self, flags: int) -> None:
        self._check(self._libc.unshare(flags), "unshare")

    def become_subreaper(self) -> None:
        self._check(self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")

    def die_with_parent(self, signal_number: int) -> None:
        """Have the kernel send this signal when the parent ends; 0: no more."""
        self._check(self._libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl")

    def mount(self, source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
        result = self._libc.mount(
            source.encode(), bytes(target), kind.encode(), ctypes.c_ulong(flags), data.encode()
        )
        self._check(result, f"mount {target}")

    def detach(self, target: Path) -> None:
        """Take a mount and all below it away, if there is one that may be."""
        self._libc.umount2(bytes(target), MNT_DETACH)


def write_units(directory: Path) -> None:
    """The few units a manager needs to boot and to exit, and no others."""
    units = directory / SYSTEM_UNIT_DIRECTORY
    units.mkdir()
    for name in _STUBS:
        (units / f"{name}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    (units / BOOT_TARGET).write_text("[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n")
    (units / "exit.target").write_text(
        "[Unit]\nDefaultDependencies=no\nAllowIsolate=yes\n"
        "Requires=systemd-exit.service\nAfter=systemd-exit.service\n"
    )
    (units / "systemd-exit.service").write_text(
        "[Unit]\nDefaultDependencies=no\nSuccessAction=exit-force\n"
        "[Service]\nType=oneshot\nExecStart=/bin/true\n"
    )


def _mount_cgroup_trees(libc: _Libc, trees: tuple[cgroups.Hierarchy, ...]) -> None:
    """Fresh mounts of all trees: below a cgroup namespace they show only what is ours.

    The machine's are taken away first: systemd copies every mount, seen or not, for each unit that
    has a file system of its own.
    """
    top = Path("/sys/fs/cgroup")
    safe = MS_NOSUID | MS_NODEV | MS_NOEXEC
    libc.detach(top)
    # The kernel mounts no file system over itself, so there is always one between.
    libc.mount("tmpfs", top, "tmpfs", safe, "mode=755")
    if all(tree.is_v2 for tree in trees):
        libc.mount(cgroups.CGROUP2, top, cgroups.CGROUP2, safe)
        return
    for tree in trees:
        name = "unified" if tree.is_v2 else tree.controllers.removeprefix("name=")
        (top / name).mkdir()
        if tree.is_v2:
            libc.mount(cgroups.CGROUP2, top / name, cgroups.CGROUP2, safe)
            continue
        named = tree.controllers.startswith("name=")
        options = f"none,{tree.controllers}" if named else tree.controllers
        libc.mount("cgroup", top / name, "cgroup", safe, options)
        for controller in name.split(","):
            if controller != name:
                (top / controller).symlink_to(name)


def _cover_run(libc: _Libc, *, top: Path = Path("/run")) -> None:
    """A /run/systemd of our own that shows all of the machine's, with `system` in it.

    systemd refuses to be a user manager where that directory is missing (sd_booted(3)), and
    making it on the machine would change what others see. A link in /etc/resolv.conf may
    point below /run, so the rest must stay. Where the machine has no /run/systemd, it is /run that
    is covered.
    """
    there = (top / "systemd").is_dir()
    covered = top / "systemd" if there else top
    original = os.open(covered, os.O_PATH | os.O_DIRECTORY)
    libc.mount("tmpfs", covered, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    shown = Path(f"/proc/self/fd/{original}")
    _show_again(libc, shown, covered, but=("system",) if there else ())
    (top / "systemd/system").mkdir(parents=True)
    os.close(original)


def _show_again(libc: _Libc, source: Path, target: Path, *, but: tuple[str, ...]) -> None:
    """Bind each entry of `source` into `target`; an empty directory needs no mount."""
    for entry in source.iterdir():
        if entry.name in but:
            continue
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            place.mkdir()
            if not any(entry.iterdir()):
                continue
        else:
            place.touch()
        libc.mount(str(entry), place, "", MS_BIND | MS_REC)


def become_manager(directory: Path, systemd: Path, directories: list[Path], keeper: int) -> None:
    """Turn the calling process into an isolated systemd; returns only by raising OSError."""
    libc = _Libc()
    # Until it is where a sweep of the recorded cgroups finds it, it must not outlive the keeper.
    libc.die_with_parent(signal.SIGKILL)
    if os.getppid() != keeper:
        raise OSError("the keeper has ended")
    trees = cgroups.hierarchies()
    cgroups.join(directories)
    name = directories[0].name
    # A tree that is not mounted here, as in a container, systemd cannot reach.
    mounted = {tree.controllers for tree in trees}
    ours = cgroups.membership().items()
    outside = [path for tree, path in ours if tree in mounted and not path.endswith(f"/{name}")]
    if outside:
        # In a cgroup that is not its own, a starting systemd moves everybody in it.
        raise OSError(f"still in the cgroups {', '.join(outside)}")
    libc.unshare(CLONE_NEWCGROUP | CLONE_NEWNS)
    try:
        libc.mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    except OSError as error:
        if error.errno == errno.EINVAL:
            # Mounts made under a root that cannot be made private could reach the machine.
            raise OSError("this is a chroot whose root is not a mount point") from None
        raise
    _mount_cgroup_trees(libc, trees)
    _cover_run(libc)
    # By its boot id, what it leaves in /tmp can be told from others'.
    libc.mount(str(directory / BOOT_ID_FILE), BOOT_ID, "", MS_BIND)
    libc.die_with_parent(0)
    command = [str(systemd), "--user", f"--unit={BOOT_TARGET}", "--log-target=console"]
    command += ["--log-level=notice", "--show-status=no"]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(systemd, command, _environment(directory))


def _environment(directory: Path) -> dict[str, str]:
    """What the manager, and so every unit, has as environment."""
    environment = {
        "HOME": str(directory),
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(directory),
        "SYSTEMD_UNIT_PATH": f"{directory}/systemd/transient:{directory}/{SYSTEM_UNIT_DIRECTORY}",
        "SYSTEMD_GENERATOR_PATH": "",
        "SYSTEMD_ENVIRONMENT_GENERATOR_PATH": "",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        # A manager outside the usual places finds its libraries through this.
        environment["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return environment


def _reap(*, wait: bool) -> set[int]:
    """Pids of children that have ended; the manager's orphans come to us (subreaper)."""
    ended: set[int] = set()
    while True:
        try:
            pid, _ = os.waitpid(-1, 0 if wait else os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.add(pid)


def has_run(directories: list[Path]) -> bool:
    """Whether a run's slice is there: an active one has its cgroup even while it is empty."""
    return any(
        True
        for directory in directories
        for _ in (directory / names.ROOT_SLICE).glob(f"{names.UNIT_PATTERN}.slice")
    )


def _end_with_manager(manager: int, directory: Path, directories: list[Path]) -> None:
    """Wait until the manager has ended, or has had no run to keep for a while."""
    idle_looks = 0
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, IDLE_LOOK_SECONDS)
        if manager in _reap(wait=False):
            return
        idle_looks = 0 if has_run(directories) else idle_looks + 1
        if idle_looks > 1 and _end_idle(directory, directories):
            return


def _end_idle(directory: Path, directories: list[Path]) -> bool:
    """End a manager without a run, unless a command is about to use it (it holds the lock)."""
    try:
        runtime = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # somebody removed it: nobody can reach the manager any more
        return cgroups.sweep(directories)
    try:
        fcntl.flock(runtime, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return not has_run(directories) and cgroups.sweep(directories)
    except BlockingIOError:
        return False
    finally:
        os.close(runtime)


def keep(directory: Path, systemd: Path, cgroup_name: str) -> None:
    """Run the manager in `directory` until it ends, then leave nothing of it."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # The keeper ends after the manager, or what the manager leaves would stay.
        signal.signal(ignored, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    directories = list(cgroups.child_directories(cgroup_name))
    (directory / CGROUPS_FILE).write_text("".join(f"{path}\n" for path in directories))
    write_units(directory)
    (directory / BOOT_ID_FILE).write_text(f"{boot_id(directory)}\n")
    _Libc().become_subreaper()
    keeper = os.getpid()
    manager = os.fork()
    if manager == 0:
        try:
            for default in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(default, signal.SIG_DFL)
            become_manager(directory, systemd, directories, keeper)
        except OSError as error:
            sys.stderr.write(f"embedded manager: {error}\n")
            sys.stderr.flush()
        os._exit(70)
    _end_with_manager(manager, directory, directories)
    cgroups.sweep(directories)
    _reap(wait=True)
    cgroups.sweep(directories)
    remove_private(directory)
    remove_runs_of(directory.parent, KIND)
    remove_run_directory(directory)


def main() -> None:
    """`python -m hlsswarm.units.embedded_keeper DIRECTORY SYSTEMD CGROUP_NAME LOCK`.

    LOCK is the descriptor of the locked directory: the starter locked it, so that there is no
    moment in which nobody has.
    """
    directory, systemd, cgroup_name, lock = sys.argv[1:]
    os.set_inheritable(int(lock), False)
    keep(Path(directory), Path(systemd), cgroup_name)


if __name__ == "__main__":
    main()
