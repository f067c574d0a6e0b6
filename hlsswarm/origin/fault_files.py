"""The faults of a test origin as files in its run's directory, and nginx by them.

    python -m hlsswarm.origin.fault_files apply|remove DIRECTORY NUMBER [WORD…]

`apply` comes before a fault's unit runs, `remove` after it, however it ended. A file for each fault
in force holds its words; nginx's configuration is written anew from all of them. Knows these files;
the words are core.faults', what nginx does with them core.nginx's. Must not know units.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from hlsswarm.core import faults
from hlsswarm.core.faults import Fault
from hlsswarm.core.nginx import Site, nginx_configuration, site_of_json
from hlsswarm.core.nginx_faults import ActiveFault, FaultPaths
from hlsswarm.errors import HlsSwarmError, UnitError, UsageError
from hlsswarm.origin.nginx_control import CONTROL_SOCKET, RunningNginx

__all__ = [
    "SITE_FILE",
    "apply",
    "check_variant",
    "fault_paths",
    "open_faults",
    "remove",
    "reserved_number",
]

SITE_FILE = "site.json"
"""What nginx serves, for whoever writes its configuration anew."""
_DIRECTORY = "faults"
_LOCK = "faults.lock"
_NUMBER = "faults.number"
_HIDDEN = ".faults"
"""Below the media directory, where nginx's workers can read for sure; nginx serves nothing hidden.
Below the run's own where that is not what is served: nothing is written into other directories."""
_SERVER_TIMEOUT_SECONDS = 10.0
_PLAYLISTS = "*.m3u8"


def open_faults(directory: Path, nginx: Path, site: Site) -> None:
    """Make a run's directory ready for faults; none is in force."""
    (directory / _DIRECTORY).mkdir()
    _hidden(directory, site).mkdir(mode=0o755)
    (directory / SITE_FILE).write_text(json.dumps({"nginx": str(nginx), "site": site.as_json()}))


def fault_paths(directory: Path, site: Site) -> FaultPaths:
    """The sockets of a run's faults."""
    return FaultPaths(directory / CONTROL_SOCKET, _hidden(directory, site) / "server.sock")


def site_of(directory: Path) -> tuple[Path, Site]:
    """The nginx program of a run and what it serves. Raises OSError, ValueError."""
    document = json.loads((directory / SITE_FILE).read_text())
    return Path(document["nginx"]), site_of_json(document["site"])


def check_variant(directory: Path, fault: Fault) -> None:
    """Raise UsageError for a Rendition that the origin in a run's directory does not have."""
    if fault.variant is None:
        return
    _, site = site_of(directory)
    found = sorted(path.parent.name for path in site.document_root.glob(f"[!.]*/{_PLAYLISTS}"))
    if fault.variant not in found:
        raise UsageError(
            f"The stream has no Rendition {fault.variant}.",
            hint=f"It has {', '.join(found)}." if found else "It has but one: leave variant= out.",
        )


def reserved_number(directory: Path) -> int:
    """A number for a new fault of this origin; none is given twice. Raises OSError."""
    with _locked(directory):
        file = directory / _NUMBER
        number = int(file.read_text()) + 1 if file.exists() else 1
        file.write_text(str(number))
        return number


def apply(directory: Path, number: int, words: Sequence[str]) -> None:
    """Put a fault in force. Raises HlsSwarmError, OSError; it is not in force then."""
    fault = faults.parse(words)
    with _locked(directory):
        _, site = site_of(directory)
        if fault.kind == "stale":
            _keep_playlists(site.document_root, _stale_root(directory, site, number))
        if fault.needs_server:
            _wait_for_server(fault_paths(directory, site).server)
        (directory / _DIRECTORY / str(number)).write_text("\n".join(fault.words))
        try:
            if not _renew(directory):
                raise UnitError("The origin's nginx does not run.")
        except HlsSwarmError:
            _forget(directory, site, number)
            # An nginx that starts later must not find it either.
            with contextlib.suppress(HlsSwarmError):
                _renew(directory)
            raise


def remove(directory: Path, number: int) -> None:
    """Take a fault out of force; nothing is to be done where the origin itself is gone.

    Raises HlsSwarmError, OSError.
    """
    if not (directory / _DIRECTORY / str(number)).exists():
        return
    with _locked(directory):
        _, site = site_of(directory)
        _forget(directory, site, number)
        _renew(directory)


def _wait_for_server(path: Path) -> None:
    """Wait until the fault server takes connections. Raises UnitError."""
    deadline = time.monotonic() + _SERVER_TIMEOUT_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(path))
            return
        if time.monotonic() > deadline:
            raise UnitError("The fault server does not listen: see its log.")
        time.sleep(0.02)


def _forget(directory: Path, site: Site, number: int) -> None:
    (directory / _DIRECTORY / str(number)).unlink(missing_ok=True)
    shutil.rmtree(_stale_root(directory, site, number), ignore_errors=True)


def _renew(directory: Path) -> bool:
    """Have nginx serve by the faults that are in force; False when it does not run."""
    nginx, site = site_of(directory)
    generation = time.time_ns()
    text = nginx_configuration(
        site,
        paths=fault_paths(directory, site),
        faults=_active(directory, site),
        generation=generation,
    )
    return RunningNginx(nginx, directory).replace(text, generation=generation)


def _active(directory: Path, site: Site) -> list[ActiveFault]:
    """The faults in force, in the order in which they began."""
    found = []
    for file in (directory / _DIRECTORY).iterdir():
        fault, number = faults.parse(file.read_text().splitlines()), int(file.name)
        stale = _stale_root(directory, site, number) if fault.kind == "stale" else None
        found.append(ActiveFault(number, fault, stale))
    return sorted(found, key=lambda active: active.number)


def _hidden(directory: Path, site: Site) -> Path:
    is_ours = (directory / "media").resolve() == site.document_root.resolve()
    return (site.document_root if is_ours else directory) / _HIDDEN


def _stale_root(directory: Path, site: Site, number: int) -> Path:
    return _hidden(directory, site) / str(number)


def _keep_playlists(root: Path, kept: Path) -> None:
    """Copy all playlists below `root` to the same places below `kept`."""
    for playlist in list(root.rglob(_PLAYLISTS)):
        place = playlist.relative_to(root)
        if place.parts[0] == _HIDDEN:
            continue
        (kept / place).parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # it went while we looked
            shutil.copyfile(playlist, kept / place)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """One at a time: of faults that begin and end together, none forgets another."""
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Apply or remove; 1 and a sentence on stderr when that fails."""
    what, directory, number, *words = arguments
    try:
        if what == "apply":
            apply(Path(directory), int(number), words)
        else:
            remove(Path(directory), int(number))
    except FileNotFoundError:
        if what == "apply":
            print("The origin is gone.", file=sys.stderr)
            return 1
    except HlsSwarmError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
