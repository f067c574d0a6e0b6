"""Process that keeps an embedded manager: makes its cgroups and namespaces, runs it, tidies up.

    keeper (stays in the caller's own cgroups)
      └── systemd --user, in cgroups of its own and own cgroup and mount namespaces

The keeper outlives the controller. When the manager ends, however it ends, the keeper kills
what is left in its cgroups and removes them and the directory. It knows nothing of units.

Sources: cgroup_namespaces(7), mount_namespaces(7), systemd(1).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from pathlib import Path

from hlsswarm.units import cgroups
from hlsswarm.units.runtime_directory import remove_run_directory, remove_runs_of

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
MS_RDONLY = 1
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PR_SET_CHILD_SUBREAPER = 36

KIND = "embedded"
CGROUPS_FILE = "cgroups"
LOG_FILE = "manager.log"
BOOT_TARGET = "embedded.target"
SYSTEM_UNIT_DIRECTORY = "units"

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

    def mount(self, source: str, target: Path, kind: str, flags: int, data: str = "") -> None:
        result = self._libc.mount(
            source.encode(), bytes(target), kind.encode(), ctypes.c_ulong(flags), data.encode()
        )
        self._check(result, f"mount {target}")


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
    """Fresh mounts of all trees: below a cgroup namespace they show only what is ours."""
    top = Path("/sys/fs/cgroup")
    safe = MS_NOSUID | MS_NODEV | MS_NOEXEC
    if all(tree.is_v2 for tree in trees):
        libc.mount(cgroups.CGROUP2, top, cgroups.CGROUP2, safe)
        return
    libc.mount("tmpfs", top, "tmpfs", safe, "mode=755")
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
    """A /run of our own that shows all of the machine's, with /run/systemd/system in it.

    systemd refuses to be a user manager where that directory is missing (sd_booted(3)), and
    making it on the machine would change what others see. A link in /etc/resolv.conf may
    point below /run, so the rest must stay.
    """
    original = os.open(top, os.O_PATH | os.O_DIRECTORY)
    libc.mount("tmpfs", top, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    _show_again(libc, Path(f"/proc/self/fd/{original}"), top, but=("systemd",))
    systemd = Path(f"/proc/self/fd/{original}/systemd")
    (top / "systemd/system").mkdir(parents=True)
    if systemd.is_dir():
        _show_again(libc, systemd, top / "systemd", but=("system",))
    os.close(original)


def _show_again(libc: _Libc, source: Path, target: Path, *, but: tuple[str, ...]) -> None:
    """Bind each entry of `source` into `target`."""
    for entry in source.iterdir():
        if entry.name in but:
            continue
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(entry.readlink())
            continue
        if entry.is_dir():
            place.mkdir()
        else:
            place.touch()
        libc.mount(str(entry), place, "", MS_BIND | MS_REC)


def become_manager(directory: Path, systemd: Path, directories: list[Path]) -> None:
    """Turn the calling process into an isolated systemd; returns only by raising OSError."""
    trees = cgroups.hierarchies()
    cgroups.join(directories)
    name = directories[0].name
    outside = [path for path in cgroups.membership().values() if not path.endswith(f"/{name}")]
    if outside:
        # In a cgroup that is not its own, a starting systemd moves everybody in it.
        raise OSError(f"still in the cgroups {', '.join(outside)}")
    libc = _Libc()
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
    command = [str(systemd), "--user", f"--unit={BOOT_TARGET}", "--log-target=console"]
    command += ["--log-level=notice", "--show-status=no"]
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execve(systemd, command, environment)


def _wait_for_all_children() -> None:
    """Reap until there is no child left: the manager's orphans come to us (subreaper)."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def _end_with_manager(manager: int) -> None:
    """Wait for the manager itself, reaping others."""
    while True:
        pid, _ = os.wait()
        if pid == manager:
            return


def keep(directory: Path, systemd: Path, cgroup_name: str) -> None:
    """Run the manager in `directory` until it ends, then leave nothing of it."""
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # The keeper ends after the manager, or what the manager leaves would stay.
        signal.signal(ignored, signal.SIG_IGN)
    directories = list(cgroups.child_directories(cgroup_name))
    (directory / CGROUPS_FILE).write_text("".join(f"{path}\n" for path in directories))
    write_units(directory)
    libc = _Libc()
    libc.become_subreaper()
    manager = os.fork()
    if manager == 0:
        try:
            for default in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                signal.signal(default, signal.SIG_DFL)
            become_manager(directory, systemd, directories)
        except OSError as error:
            sys.stderr.write(f"embedded manager: {error}\n")
            sys.stderr.flush()
        os._exit(70)
    _end_with_manager(manager)
    cgroups.sweep(directories)
    _wait_for_all_children()
    cgroups.sweep(directories)
    remove_runs_of(directory.parent, KIND)
    remove_run_directory(directory)


def main() -> None:
    """`python -m hlsswarm.units.embedded_keeper DIRECTORY SYSTEMD CGROUP_NAME`."""
    directory, systemd, cgroup_name = sys.argv[1:]
    os.setsid()
    keep(Path(directory), Path(systemd), cgroup_name)


if __name__ == "__main__":
    main()
