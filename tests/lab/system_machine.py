"""A throw-away *system* manager: this machine's own systemd as PID 1 of an overlay of its root.

Knows how to wall a systemd in (cgroups, then namespaces, then mounts), how to run commands beside
it and how to leave nothing behind; knows nothing of hlsswarm. Needs root, a root file system that
overlayfs takes, and from apt: systemd, dbus, util-linux; for `run_as_user` also libpam-systemd and
dbus-user-session. The network is the machine's own, and so is the repository folder (read-write);
whatever else is written is lost.

    owner          the test; runs commands inside by nsenter
    └─ keeper      machine_keeper: boots the machine, and removes it whatever happens to the owner

Our cgroup lies below the caller's own in every hierarchy, not at its root: the limits, accounting
and supervision that hold the caller go on holding the machine. Where a container hides the caller's
own path, the boot is refused. On pure cgroup v2, limits inside need a delegated caller
(`systemd-run --scope -p Delegate=yes pytest …`).

By hand: `python -m tests.lab.system_machine [--user] -- COMMAND…` gives COMMAND's exit status.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.lab.machine_groups import (
    OUTSIDE,
    PATH,
    PREFIX,
    REMOVAL_SECONDS,
    REPOSITORY,
    USER_ID,
    USER_NAME,
    MachineError,
    cgroup_mounts,
    kill,
    make,
    own_groups,
    process_stat,
    ready_files,
    remove,
)

BOOT_SECONDS = 30.0
# Our cgroups' names say whose they are: PREFIX.PIDNAMESPACE.OWNER.OWNERSTART.COUNT
_OURS = f"{PREFIX}.{Path('/proc/self/ns/pid').stat().st_ino}"
_count = itertools.count()
# The keeper has a bare Python: nothing of the owner's environment is to change what it does.
_KEEPER = "import sys, runpy; sys.path.insert(0, sys.argv.pop(1)); "
_KEEPER += "runpy.run_module('tests.lab.machine_keeper', run_name='__main__')"


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
        name = f"{_OURS}.{os.getpid()}.{process_stat(os.getpid())[19]}.{next(_count)}"
        self._groups = [group / name for group in own_groups().values()]
        order = json.dumps([name, os.getpid(), [str(p) for p in self._readable]])
        keep = [sys.executable, "-I", "-S", "-c", _KEEPER, str(REPOSITORY), order]
        pipe, out = subprocess.PIPE, subprocess.STDOUT
        # Its own session: the terminal's Ctrl-C is the owner's to handle. No buffer: communicate()
        # would miss what it holds.
        self._keeper = subprocess.Popen(
            keep, stdin=pipe, stdout=pipe, stderr=out, bufsize=0, start_new_session=True
        )
        news, log = b"", ""
        try:
            if (stdout := self._keeper.stdout) and ready_files(
                stdout.fileno(), seconds=BOOT_SECONDS
            ):
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
        remove(self._groups)
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
        if ready_files(self._root_ends, seconds=0):
            raise MachineError(f"The machine has ended; its last words:\n{self._end()}")
        if user and not self._user_manager:
            self.run(["systemctl", "start", f"user@{USER_ID}.service"], timeout=60, check=True)
            self._user_manager = True
        home, name = (f"/home/{USER_NAME}", USER_NAME) if user else ("/root", "root")
        login = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": home, "USER": name, "LOGNAME": name}
        if user:
            login["XDG_RUNTIME_DIR"] = runtime = f"/run/user/{USER_ID}"
            login["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={runtime}/bus"
        number = str(next(self._commands))
        groups = [group / OUTSIDE / number for group in self._groups]
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
                make(group)
            with subprocess.Popen(
                command + words, stdin=source, stdout=pipe, stderr=pipe, text=True, errors="replace"
            ) as process:
                try:
                    out, err = process.communicate(input, timeout)
                except BaseException:  # subprocess would kill nsenter alone
                    kill(groups)
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
    if missing := [p for p in programs if not shutil.which(p, path=PATH)]:
        return f"Missing: {', '.join(missing)}; apt-get install systemd dbus util-linux."
    try:
        hierarchies = {*own_groups()}
    except MachineError as error:
        return str(error)
    # Without it systemd would want to make that hierarchy, and every process would be in it.
    if hierarchies != {""} and "name=systemd" not in hierarchies:
        return "This is cgroup v1 without a name=systemd hierarchy, which systemd needs."
    return None


def _sweep() -> None:
    """Removes the machines whose owners are dead: those SIGKILLed together with their keeper."""
    ours, stale = re.compile(rf"{re.escape(_OURS)}\.(\d+)\.(\d+)\.\d+"), []
    for _, _, mounted in cgroup_mounts():
        for folder, names, _ in os.walk(mounted):
            for match in filter(None, map(ours.fullmatch, names)):
                try:
                    alive = process_stat(int(match[1]))[19] == match[2]
                except OSError:
                    alive = False
                if not alive:
                    stale.append(Path(folder, match[0]))
    remove(stale)


def main(argv: Sequence[str]) -> int:
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
