"""A virtual machine with the methods of the NixOS test driver, and a shell on its console.

Knows how to have a shell on the guest's virtio console (vm_guest/usr/local/lib/vm/shell), and how
QEMU is started and ends: with whoever started it, by whatever signal. Knows nothing of hlsswarm.

Source: the NixOS manual ("Machine objects"); tests/lab/vm_names.py holds the names.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.lab.vm_image import Image
from tests.lab.vm_qemu import (
    Qemu,
    Settings,
    accelerator,
    qemu_options,
    write_credentials,
)

BOOT_SECONDS = 600.0
COMMAND_SECONDS = 600
"""How long a command may take, and a wait, unless told another time: they end when what they wait
for is there, so this is for what hangs, on a machine of any load."""
_PAUSE_SECONDS = 0.5
_READY = "The shell is ready."
_PLACES = "hlsswarm-vm-"
_BEGAN = time.monotonic()


class MachineFailed(Exception):
    """A machine did not do what a script wanted, in words."""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A directory for machines; those that killed processes have left are removed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PLACES}*"):
        with contextlib.suppress(OSError), _held(left):
            shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=_PLACES) as name, _held(Path(name)):
        yield Path(name)


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Locked while its process lives. Raises BlockingIOError when another one has it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


class Machine:
    """A virtual machine, with the methods of the NixOS test driver that our scripts use."""

    def __init__(
        self, settings: Settings, qemu: Qemu, image: Image, directory: Path, *, lan_port: int = 0
    ) -> None:
        self.name = settings.name
        self._lan_port = lan_port
        self._settings = settings
        self._qemu = qemu
        self._image = image
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._shell: _Shell | None = None
        directory.mkdir(parents=True)
        write_credentials(settings, directory)
        subprocess.run(
            [
                *qemu.words("qemu-img"),
                *("create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk)),
                str(directory / "disk.qcow2"),
            ],
            check=True,
            timeout=60,
        )

    def start(self) -> None:
        """Boot, if it does not run; its shell is waited for by the first command."""
        if self._process is not None:
            return
        self.log("boots")
        (self._directory / "shell.sock").unlink(missing_ok=True)
        options = qemu_options(
            self._settings,
            self._image,
            self._directory,
            accelerators=accelerator(),
            lan_port=self._lan_port,
        )
        # It dies with us, even when we are killed; and Ctrl+C is not for it.
        self._process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *(*self._qemu.words(), *self._qemu.firmware(), *options),
            ],
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._directory / "qemu.log").open("ab"),
            start_new_session=True,
        )
        self._began = time.monotonic()
        # At once: what the guest says while nobody listens is lost.
        self._shell = _Shell(self._directory / "shell.sock", self._alive)

    def runs(self) -> bool:
        """Whether its QEMU is there."""
        return self._process is not None and self._process.poll() is None

    def crash(self) -> None:
        """The power goes off: nothing is written any more."""
        if self._process is not None:
            self.log("loses power")
            self.end()

    def shutdown(self) -> None:
        """Power off in good order."""
        if self._process is None:
            return
        self.log("shuts down")
        self._connected().send("systemctl poweroff\n")
        try:
            self._process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise self._failure("it does not shut down") from None
        self.end()

    def end(self) -> None:
        """Nothing of it runs any more."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def execute(
        self, command: str, check_return: bool = True, timeout: int | None = COMMAND_SECONDS
    ) -> tuple[int, str]:
        """Exit status and what it wrote to standard output; the rest goes to the console."""
        self.start()
        seconds = COMMAND_SECONDS if timeout is None else timeout
        shell = self._connected()
        shell.send(shell_line(command, seconds))
        answer = shell.line(seconds + 60)
        try:
            output = base64.b64decode(answer, validate=True).decode(errors="replace")
        except ValueError:
            raise self._failure(f"its shell says `{answer[:300]}`") from None
        if not check_return:
            return -1, output
        shell.send("echo ${PIPESTATUS[0]}\n")
        return int(shell.line(60)), output

    def succeed(self, *commands: str, timeout: int | None = None) -> str:
        """What they wrote; raises MachineFailed when one fails."""
        whole = ""
        for command in commands:
            began = time.monotonic()
            status, output = self.execute(command, timeout=timeout)
            if status:
                raise self._failure(f"`{command}` failed ({status}): {output.strip()[-1500:]}")
            self.log(f"{command.splitlines()[0][:100]} ({time.monotonic() - began:.1f} s)")
            whole += output
        return whole

    def fail(self, *commands: str, timeout: int | None = None) -> str:
        """What they wrote; raises MachineFailed when one does not fail."""
        whole = ""
        for command in commands:
            status, output = self.execute(command, timeout=timeout)
            if not status:
                raise self._failure(f"`{command}` did not fail: {output.strip()[-1500:]}")
            self.log(f"{command.splitlines()[0][:100]} failed, as it is to")
            whole += output
        return whole

    def wait_until_succeeds(self, command: str, timeout: int = COMMAND_SECONDS) -> str:
        """What it wrote when it succeeded at last."""
        return self._waited(command, timeout, want=True)

    def wait_until_fails(self, command: str, timeout: int = COMMAND_SECONDS) -> str:
        """What it wrote when it failed at last."""
        return self._waited(command, timeout, want=False)

    def _waited(self, command: str, timeout: int, *, want: bool) -> str:
        output = ""

        def look() -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return (status == 0) is want

        what = f"until `{command}` {'succeeds' if want else 'fails'}"
        self._wait(what, look, timeout, lambda: output)
        return output

    def wait_for_unit(
        self, unit: str, user: str | None = None, timeout: int = COMMAND_SECONDS
    ) -> None:
        """Until a unit is active; one that has failed, or that nobody starts, is a failure."""
        state = ""

        def look() -> bool:
            nonlocal state
            words = "ActiveState,SubState,Job,Result"
            state = self.execute(f"systemctl show --property={words} -- {shlex.quote(unit)}")[1]
            values = dict(line.split("=", 1) for line in state.splitlines() if "=" in line)
            if values.get("ActiveState") == "failed":
                raise self._failure(f"{unit} has failed: {self._said_by(unit)}")
            idle = values.get("ActiveState") == "inactive" and values.get("Job", "0") == "0"
            if idle and not self._boots():
                raise self._failure(f"{unit} is inactive, and no job starts it.")
            return values.get("ActiveState") == "active"

        self._wait(f"for {unit}", look, timeout, lambda: " ".join(state.split()))

    def _boots(self) -> bool:
        return self.execute("systemctl is-system-running")[1].strip() in {
            "initializing",
            "starting",
        }

    def _said_by(self, unit: str) -> str:
        return self.execute(f"journalctl --no-pager -o cat -n 15 -u {shlex.quote(unit)}")[1]

    def wait_for_open_port(
        self, port: int, addr: str = "localhost", timeout: int = COMMAND_SECONDS
    ) -> None:
        """Until somebody listens on a TCP port."""
        look = f"exec 3<>/dev/tcp/{addr}/{port}"
        self._wait(f"for port {port}", lambda: self.execute(look)[0] == 0, timeout, lambda: "")

    def wait_for_file(self, path: str, timeout: int = COMMAND_SECONDS) -> None:
        """Until a file is there."""
        self._waited(f"test -e {shlex.quote(path)}", timeout, want=True)

    def systemctl(self, query: str, user: str | None = None) -> tuple[int, str]:
        """Of `systemctl QUERY`: exit status and output."""
        return self.execute(f"systemctl {query}")

    def log(self, message: str) -> None:
        """A line with the time since the driver began."""
        print(f"[{time.monotonic() - _BEGAN:6.1f} s] {self.name}: {message}", flush=True)

    def _wait(
        self, what: str, look: Callable[[], bool], timeout: float, said: Callable[[], str]
    ) -> None:
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > timeout:
                last = said().strip()[-1500:]
                raise self._failure(f"waited {timeout:.0f} s {what}; last seen: {last}")
            time.sleep(_PAUSE_SECONDS)
        self.log(f"waited {what[:100]} ({time.monotonic() - began:.1f} s)")

    def _connected(self) -> _Shell:
        if self._shell is None:
            raise self._failure("it is off")
        if self._shell.await_ready(BOOT_SECONDS):
            self.log(f"has a shell {time.monotonic() - self._began:.1f} s after power-on")
        return self._shell

    def _alive(self) -> None:
        if self._process is None or self._process.poll() is not None:
            raise self._failure("QEMU has ended")

    def _failure(self, words: str) -> MachineFailed:
        tail = ""
        for name in ("qemu.log", "console.log"):
            with contextlib.suppress(OSError):
                text = (self._directory / name).read_text(errors="replace").strip()
                tail += f"\n--- {name} ends with:\n{text[-1500:]}" if text else ""
        return MachineFailed(f"{self.name}: {words}{tail}")


def shell_line(command: str, seconds: float) -> str:
    """A line for the guest's shell: runs a command as NixOS does, and answers with one line."""
    words = shlex.quote(f"set -euo pipefail; {command}")
    return f"timeout {seconds:.0f} bash -c {words} </dev/null | (base64 -w 0; echo)\n"


class _Shell:
    """Lines to and from the guest's virtio console."""

    def __init__(self, path: Path, alive: Callable[[], None]) -> None:
        self._alive = alive
        self._socket = socket.socket(socket.AF_UNIX)
        self._rest = b""
        self._ready = False
        began = time.monotonic()
        while True:
            try:
                self._socket.connect(str(path))
                break
            except OSError:
                alive()
                if time.monotonic() - began > 30:
                    raise
                time.sleep(0.05)
        self._socket.setblocking(False)

    def send(self, text: str) -> None:
        """Write a line."""
        self._socket.setblocking(True)
        self._socket.sendall(text.encode())
        self._socket.setblocking(False)

    def line(self, seconds: float) -> str:
        """The next line. Raises MachineFailed when none comes, or the machine is gone."""
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if time.monotonic() > until:
                    raise MachineFailed(f"The guest's shell has said nothing for {seconds:.0f} s.")
                self._alive()
                if selector.select(0.5):
                    self._rest += self._socket.recv(1 << 16)
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def await_ready(self, seconds: float) -> bool:
        """Until the guest has opened its end; false when it has long since."""
        if self._ready:
            return False
        until = time.monotonic() + seconds
        while _READY not in self.line(max(until - time.monotonic(), 0.0)):
            pass
        self._ready = True
        return True

    def close(self) -> None:
        self._socket.close()
