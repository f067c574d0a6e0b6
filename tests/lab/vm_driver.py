"""Runs test scripts on virtual machines of our image, with the NixOS test driver's names.

The same script is a NixOS test's `testScript`: it has `machine` (or the machines by their names),
`start_all`, `machines` and `subtest`. What a machine is like beforehand stands beside the script:

    tests/vm/NAME.py               the script
    tests/vm/NAME.toml             the rig's file of `machine`
    tests/vm/NAME.MACHINE.toml     …or one for each machine, which then share a network

`python -m tests.lab.vm_driver NAME…` runs scripts. Knows QEMU's command line and how to have a
shell on the guest's virtio console (vm_guest/usr/local/lib/vm/shell); knows nothing of hlsswarm.
QEMU is the suite's own, unpacked: older ones have lost kernels of it in emulation.

Sources: qemu(1), the NixOS manual ("Machine objects"), systemd.system-credentials(7).
"""

from __future__ import annotations

import base64
import contextlib
import os
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.apt_tree import CACHE, REPOSITORY, unpacked
from tests.lab.vm_image import SUITE, Image, built

SCRIPTS = REPOSITORY / "tests" / "vm"
ACCELERATORS = os.environ.get("HLSSWARM_VM_ACCEL", "tcg")
"""QEMU's accelerators in the order in which they are tried, such as `kvm:tcg`."""
MEMORY = "1024"
BOOT_SECONDS = 300.0
COMMAND_SECONDS = 300.0
"""How long a command may take, and a wait, unless told another time."""
_LAN_PORT = 29400
_PAUSE_SECONDS = 1.0
_PACKAGES = ("qemu-system-x86", "qemu-utils", "seabios", "ipxe-qemu")
_READY = "The shell is ready."


class MachineFailed(Exception):
    """A machine did not do what a script wanted, in words."""


@dataclass(frozen=True)
class Qemu:
    """A QEMU in a folder of its own, with its own C library."""

    root: Path

    def words(self, program: str = "qemu-system-x86_64") -> list[str]:
        """The beginning of a command line."""
        libraries = self.root / "usr/lib/x86_64-linux-gnu"
        loader = str(self.root / "usr/lib64/ld-linux-x86-64.so.2")
        search = f"{libraries}:{libraries / 'pulseaudio'}"
        return [loader, "--library-path", search, str(self.root / "usr/bin" / program)]

    def firmware(self) -> list[str]:
        """Where its firmware is."""
        below = ("qemu", "seabios")
        return [word for name in below for word in ("-L", str(self.root / "usr/share" / name))]


def unpacked_qemu(cache: Path = CACHE / "qemu") -> Qemu:
    """The suite's QEMU, fetched once. Raises NotFetchedError."""
    return Qemu(unpacked(SUITE, _PACKAGES, dependencies=True, cache=cache))


@dataclass(frozen=True)
class Settings:
    """One machine, as it is before it boots."""

    name: str
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that it finds at its first boot, by their paths."""
    lan: Sequence[str] = ()
    """Names of all machines on its network, in the order of their addresses; none: no network."""

    @property
    def address(self) -> str:
        """Its address; as with NixOS, the machines are numbered by their names."""
        return lan_address(self.lan.index(self.name))


def lan_address(number: int) -> str:
    """Of the machine with this number, from 0 on."""
    return f"192.168.1.{number + 1}"


def tmpfiles_lines(settings: Settings) -> str:
    """tmpfiles.d(5) lines that make the machine's files at boot, where they are not there yet."""
    hosts = ["127.0.0.1 localhost", f"127.0.1.1 {settings.name}"]
    if settings.lan:
        hosts = hosts[:1] + [f"{lan_address(n)} {name}" for n, name in enumerate(settings.lan)]
    lines = [_file_line("f+~", "/etc/hosts", "\n".join(hosts) + "\n")]
    lines += [_file_line("f~", path, text) for path, text in settings.files.items()]
    return "\n".join(lines) + "\n"


def _file_line(kind: str, path: str, text: str) -> str:
    encoded = base64.b64encode(text.encode()).decode()
    return f"{kind} {path} 0644 root root - {encoded}"


def kernel_words(settings: Settings) -> list[str]:
    """kernel-command-line(7)."""
    words = ["root=/dev/vda", "rw", "console=ttyS0", "quiet", "panic=-1", "mitigations=off"]
    words += ["fsck.mode=skip"]
    words += ["net.ifnames=0", "systemd.getty_auto=0", "systemd.show_status=0"]
    words += ["no_timer_check", f"systemd.hostname={settings.name}"]
    if settings.lan:
        words.append(f"ip={settings.address}:::255.255.255.0::eth0:none")
    return words


def qemu_options(
    settings: Settings, image: Image, directory: Path, *, accelerators: str, lan_port: int
) -> list[str]:
    """qemu(1): a machine with our image, a shell on `shell.sock`, and the network of its test."""
    credential = f"type=11,path={directory / 'credential'}"
    options = ["-name", settings.name, "-machine", "q35", "-m", MEMORY, "-smp", "1"]
    for name in accelerators.split(":"):
        options += ["-accel", "tcg,thread=multi,tb-size=512" if name == "tcg" else name]
    options += ["-cpu", "max", "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]
    options += ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    options += ["-append", " ".join(kernel_words(settings)), "-smbios", credential]
    options += ["-drive", f"file={directory / 'disk.qcow2'},if=virtio,cache=unsafe"]
    options += ["-device", "virtio-rng-pci"]
    options += ["-chardev", f"file,id=log,path={directory / 'console.log'},append=on"]
    options += ["-serial", "chardev:log"]
    options += ["-chardev", f"socket,id=shell,path={directory / 'shell.sock'},server=on,wait=off"]
    options += ["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=shell"]
    if settings.lan:
        number = settings.lan.index(settings.name)
        # The first one listens. A multicast address would need the host to have a route for it.
        way = "listen" if number == 0 else "connect"
        options += ["-netdev", f"socket,id=lan,{way}=127.0.0.1:{lan_port}"]
        mac = f"52:54:00:12:01:{number + 1:02x}"
        options += ["-device", f"virtio-net-pci,netdev=lan,mac={mac},romfile="]
    return options


class Machine:
    """A virtual machine, with the methods of the NixOS test driver that our scripts use."""

    def __init__(self, settings: Settings, qemu: Qemu, image: Image, directory: Path) -> None:
        self.name = settings.name
        self._settings = settings
        self._qemu = qemu
        self._image = image
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._shell: _Shell | None = None
        directory.mkdir(parents=True)
        lines = tmpfiles_lines(settings).encode()
        (directory / "credential").write_text(
            f"io.systemd.credential.binary:tmpfiles.extra={base64.b64encode(lines).decode()}"
        )
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
            accelerators=ACCELERATORS,
            lan_port=_LAN_PORT,
        )
        self._process = subprocess.Popen(
            ["nice", "-n", "10", *self._qemu.words(), *self._qemu.firmware(), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._directory / "qemu.log").open("ab"),
            start_new_session=True,
        )
        self._began = time.monotonic()
        # At once: what the guest says while nobody listens is lost.
        self._shell = _Shell(self._directory / "shell.sock", self._alive)

    def crash(self) -> None:
        """The power goes off: nothing is written any more."""
        if self._process is not None:
            self.log("loses power")
            self._end(signal.SIGKILL)

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
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self._shell is not None:
            self._shell.close()
            self._shell = None
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def execute(
        self, command: str, check_return: bool = True, timeout: float | None = COMMAND_SECONDS
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

    def succeed(self, *commands: str, timeout: float | None = None) -> str:
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

    def fail(self, *commands: str, timeout: float | None = None) -> str:
        """What they wrote; raises MachineFailed when one does not fail."""
        whole = ""
        for command in commands:
            status, output = self.execute(command, timeout=timeout)
            if not status:
                raise self._failure(f"`{command}` did not fail: {output.strip()[-1500:]}")
            self.log(f"{command.splitlines()[0][:100]} failed, as it is to")
            whole += output
        return whole

    def wait_until_succeeds(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        """What it wrote when it succeeded at last."""
        return self._waited(command, timeout, want=True)

    def wait_until_fails(self, command: str, timeout: float = COMMAND_SECONDS) -> str:
        """What it wrote when it failed at last."""
        return self._waited(command, timeout, want=False)

    def _waited(self, command: str, timeout: float, *, want: bool) -> str:
        output = ""

        def look() -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return (status == 0) is want

        what = f"until `{command}` {'succeeds' if want else 'fails'}"
        self._wait(what, look, timeout, lambda: output)
        return output

    def wait_for_unit(
        self, unit: str, user: str | None = None, timeout: float = COMMAND_SECONDS
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
        self, port: int, addr: str = "localhost", timeout: float = COMMAND_SECONDS
    ) -> None:
        """Until somebody listens on a TCP port."""
        look = f"exec 3<>/dev/tcp/{addr}/{port}"
        self._wait(f"for port {port}", lambda: self.execute(look)[0] == 0, timeout, lambda: "")

    def wait_for_file(self, path: str, timeout: float = COMMAND_SECONDS) -> None:
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


_BEGAN = time.monotonic()


@contextlib.contextmanager
def subtest(name: str) -> Iterator[None]:
    """A part of a script, with its time."""
    began = time.monotonic()
    print(f"--- {name}", flush=True)
    yield
    print(f"--- {name}: passed ({time.monotonic() - began:.1f} s)", flush=True)


def machines_of(script: Path) -> list[Settings]:
    """The machines of a script, by the rigs' files beside it."""
    rigs = {
        path.stem.partition(".")[2] or "machine": path
        for path in sorted(
            [script.with_suffix(".toml"), *script.parent.glob(f"{script.stem}.*.toml")]
        )
        if path.exists()
    }
    names = sorted(rigs) or ["machine"]
    lan = tuple(names) if len(names) > 1 else ()
    target = "/etc/hlsswarm/hlsswarm.toml"
    return [
        Settings(name, {target: rigs[name].read_text()} if name in rigs else {}, lan)
        for name in names
    ]


def run_script(script: Path, qemu: Qemu, image: Image, *, logs: Path | None = None) -> float:
    """Run a script; its seconds. Raises what it raises; no machine is left.

    `logs` is a directory that keeps the consoles' output.
    """
    began = time.monotonic()
    with TemporaryDirectory(prefix="hlsswarm-vm-") as directory, contextlib.ExitStack() as ends:
        machines = []
        for settings in machines_of(script):
            machine = Machine(settings, qemu, image, Path(directory, settings.name))
            ends.callback(machine._end, signal.SIGKILL)
            machines.append(machine)
        if logs is not None:
            ends.callback(_keep_logs, Path(directory), logs / script.stem)

        def start_all() -> None:
            for machine in machines:
                machine.start()

        names = {machine.name: machine for machine in machines}
        code = compile(script.read_text(), str(script), "exec")
        known = {**names, "machines": machines, "start_all": start_all, "subtest": subtest}
        exec(code, {"__name__": "testScript", **known})
    return time.monotonic() - began


def _keep_logs(directory: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for path in directory.glob("*/*.log"):
        (target / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())


def main(names: Iterable[str]) -> int:
    """Run scripts by their names, all of them without a name."""
    chosen = list(names) or sorted(path.stem for path in SCRIPTS.glob("*.toml"))
    chosen = list(dict.fromkeys(name.partition(".")[0] for name in chosen))
    unknown = [name for name in chosen if not (SCRIPTS / f"{name}.py").exists()]
    if unknown:
        print(f"vm_driver: there is no tests/vm/{unknown[0]}.py.", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # machines end with us
    image, qemu = built(), unpacked_qemu()
    failed = []
    for name in chosen:
        print(f"=== {name}", flush=True)
        try:
            seconds = run_script(SCRIPTS / f"{name}.py", qemu, image, logs=CACHE / "vm" / "logs")
        except MachineFailed as error:
            failed.append(name)
            print(f"=== {name}: FAILED: {error}", flush=True)
        except Exception:  # a script's own: the next one is run all the same
            failed.append(name)
            traceback.print_exc()
            print(f"=== {name}: FAILED", flush=True)
        else:
            print(f"=== {name}: passed ({seconds:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
