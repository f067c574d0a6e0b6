"""The directory in which hlsswarm keeps sockets and configurations while something runs.

`/run/hlsswarm` for root, `$XDG_RUNTIME_DIR/hlsswarm` for others, `$HLSSWARM_RUNTIME_DIR` before
both. It is made when needed and removed when the last thing in it is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from hlsswarm.core.quantities import format_size
from hlsswarm.errors import PreflightError
from hlsswarm.units.outputs import remove_outputs

ENVIRONMENT = "HLSSWARM_RUNTIME_DIR"
EMBEDDED_DIRECTORY = "embedded"
"""The embedded manager's own, among those of the runs."""
_KIND_FILE = "manager"
_MEDIA_LINK = "media"
_MEDIA_PREFIX = "hlsswarm-"
_SHARED_MEMORY = Path("/dev/shm")
_SOCKET_PATH_MAX = 107  # unix(7): sun_path


def runtime_directory() -> Path:
    """Path of the runtime directory; it may not exist yet.

    Raises PreflightError when there is no place for one, or its path is too long for sockets.
    """
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        path = Path(chosen)
        if not path.is_absolute():
            raise PreflightError(f"{ENVIRONMENT}={chosen} is not an absolute path.")
    elif os.geteuid() == 0:
        path = Path("/run/hlsswarm")
    elif os.environ.get("XDG_RUNTIME_DIR"):
        path = Path(os.environ["XDG_RUNTIME_DIR"]) / "hlsswarm"
    else:
        raise PreflightError(
            "There is no runtime directory for this user: XDG_RUNTIME_DIR is not set.",
            hint=f"Log in through a session manager, or set {ENVIRONMENT} to a directory of yours.",
        )
    longest = path / EMBEDDED_DIRECTORY / "systemd/private"
    if len(os.fsencode(longest)) > _SOCKET_PATH_MAX or len(os.fsencode(path)) > 70:
        raise PreflightError(f"The runtime directory's path is too long for sockets: {path}")
    return path


def api_socket() -> Path:
    """Where a rig's daemon listens, unless its configuration says another place."""
    return runtime_directory() / "api.sock"


@contextlib.contextmanager
def locked() -> Iterator[Path]:
    """The runtime directory, made if needed, under an exclusive lock; removed if left empty.

    The lock is on the directory itself, so that nothing else has to be left behind. What a
    command that was killed under it has left half made is removed.
    """
    path = runtime_directory()
    while True:
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                break
        os.close(descriptor)  # another process removed it while we waited
    try:
        _remove_half_made(path)
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()
        os.close(descriptor)


def _remove_half_made(parent: Path) -> None:
    """Remove run directories whose marker was not written; under the lock nobody is at it."""
    for path in parent.iterdir():
        marker = path / _KIND_FILE
        if path.name != EMBEDDED_DIRECTORY and not (marker.exists() and marker.stat().st_size):
            _remove(path)


def fresh_run_directory(parent: Path, run: str, *, kind: str) -> Path:
    """A new directory for a run of this name on a manager of this kind.

    What a dead run of that name left is removed. The caller holds the lock. Raises
    PreflightError for the one name that is taken.
    """
    if run == EMBEDDED_DIRECTORY:
        raise PreflightError(f"A run cannot be named {run}.", hint="Choose another --run-id.")
    path = parent / run
    _remove(path)
    path.mkdir(mode=0o755)
    (path / _KIND_FILE).write_text(kind)
    return path


def media_directory(run_directory: Path, *, needed_bytes: int) -> Path:
    """A directory in memory for a run's segments, found again through a link in the run's own.

    The run's directory itself where that lies in memory, else the shared memory's file system.
    Raises PreflightError when there is not enough room.
    """
    link = run_directory / _MEDIA_LINK
    fits = _is_in_memory(run_directory) and _is_open_to_servers(run_directory)
    if fits or not _is_in_memory(_SHARED_MEMORY):
        link.mkdir(mode=0o755)
        place = link
    else:
        place = _SHARED_MEMORY / f"{_MEDIA_PREFIX}{run_directory.name}-{secrets.token_hex(4)}"
        # The link first: whoever is killed between the two leaves nothing that is not found.
        link.symlink_to(place)
        place.mkdir(mode=0o755)
    free = shutil.disk_usage(place).free
    if free < needed_bytes:
        raise PreflightError(
            f"The segments need {format_size(needed_bytes)} in memory at {place}, "
            f"and {format_size(free)} are free."
        )
    return place


def _is_open_to_servers(directory: Path) -> bool:
    """Whether a web server that root starts can read below a directory: it gives up being root."""
    if os.geteuid() != 0:
        return True
    return all(path.stat().st_mode & 0o001 for path in (directory, *directory.parents))


def _is_in_memory(path: Path) -> bool:
    """Whether a directory is on a tmpfs (proc_pid_mountinfo(5): the longest mount point wins)."""
    mounts = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        mount = Path(left.split(" ")[4])
        if path.is_relative_to(mount):
            mounts.append((len(mount.parts), right.split(" ")[0]))
    return bool(mounts) and max(mounts)[1] in {"tmpfs", "ramfs"}


def _remove(path: Path) -> None:
    """Remove a run's directory, and what lies elsewhere and belongs to it."""
    remove_outputs(path)
    link = path / _MEDIA_LINK
    if link.is_symlink():
        target = link.readlink()
        # The link is ours, but it is followed by root: only to a place that we make.
        if target.parent == _SHARED_MEMORY and target.name.startswith(_MEDIA_PREFIX):
            shutil.rmtree(target, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)


def remove_run_directory(path: Path) -> None:
    """Remove a run's directory and, if that was the last one, the runtime directory."""
    _remove(path)
    with contextlib.suppress(OSError):
        path.parent.rmdir()


def remove_runs_of(parent: Path, kind: str) -> None:
    """Remove the directories of all runs of a manager that is gone."""
    for marker in parent.glob(f"*/{_KIND_FILE}"):
        with contextlib.suppress(OSError):
            if marker.read_text() == kind:
                remove_run_directory(marker.parent)
