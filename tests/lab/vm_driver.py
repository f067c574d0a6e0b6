"""Runs test scripts on virtual machines of our image, with the NixOS test driver's names.

The same script is a NixOS test's `testScript`: it has `machine` (or the machines by their names),
`start_all`, `machines` and `subtest`. What a machine is like beforehand stands beside the script:

    tests/vm/NAME.py               the script
    tests/vm/NAME.toml             the rig's file of `machine`
    tests/vm/NAME.MACHINE.toml     …or one for each machine, which then share a network

`python -m tests.lab.vm_driver NAME…` runs scripts. What a machine is: vm_machine.py, vm_qemu.py.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.lab.apt_tree import CACHE, REPOSITORY
from tests.lab.vm_image import Image, ImageError, built
from tests.lab.vm_machine import Machine, MachineFailed, workplace
from tests.lab.vm_qemu import RIG, Qemu, Settings, accelerator, unpacked_qemu
from tests.support import free_port

SCRIPTS = REPOSITORY / "tests" / "vm"


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
    return [
        Settings(name, {RIG: rigs[name].read_text()} if name in rigs else {}, lan) for name in names
    ]


def run_script(script: Path, qemu: Qemu, image: Image, *, logs: Path | None = None) -> float:
    """Run a script; its seconds. Raises what it raises; no machine is left.

    `logs` is a directory that keeps the consoles' output.
    """
    began = time.monotonic()
    with workplace() as directory, contextlib.ExitStack() as ends:
        machines = []
        lan_port = free_port()
        for settings in machines_of(script):
            machine = Machine(settings, qemu, image, directory / settings.name, lan_port=lan_port)
            ends.callback(machine.end)
            machines.append(machine)
        if logs is not None:
            ends.callback(_keep_logs, directory, logs / script.stem)

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
    try:
        image = built()
    except ImageError as error:
        print(f"vm_driver: {error}", file=sys.stderr)
        return 1
    qemu = unpacked_qemu()
    with image.held():
        return _run_all([SCRIPTS / f"{name}.py" for name in chosen], qemu, image)


def _run_all(scripts: list[Path], qemu: Qemu, image: Image) -> int:
    failed = []
    for script in scripts:
        print(f"=== {script.stem} ({accelerator()})", flush=True)
        try:
            seconds = run_script(script, qemu, image, logs=CACHE / "vm" / "logs")
        except MachineFailed as error:
            failed.append(script.stem)
            print(f"=== {script.stem}: FAILED: {error}", flush=True)
        except Exception:  # a script's own: the next one is run all the same
            failed.append(script.stem)
            traceback.print_exc()
            print(f"=== {script.stem}: FAILED", flush=True)
        else:
            print(f"=== {script.stem}: passed ({seconds:.0f} s)", flush=True)
    done = f"{len(scripts) - len(failed)} of {len(scripts)} VM tests passed"
    print(f"=== {done}; failed: {', '.join(failed)}" if failed else f"=== {done}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
