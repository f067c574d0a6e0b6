"""The directory in which hlsswarm keeps sockets and configurations while something runs.

`/run/hlsswarm` for root, `$XDG_RUNTIME_DIR/hlsswarm` for others, `$HLSSWARM_RUNTIME_DIR` before
both. It is made when needed and removed when the last thing in it is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from hlsswarm.errors import PreflightError

ENVIRONMENT = "HLSSWARM_RUNTIME_DIR"
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
    longest = path / "embedded/systemd/private"
    if len(os.fsencode(longest)) > _SOCKET_PATH_MAX or len(os.fsencode(path)) > 70:
        raise PreflightError(f"The runtime directory's path is too long for sockets: {path}")
    return path


@contextlib.contextmanager
def locked() -> Iterator[Path]:
    """The runtime directory, made if needed, under an exclusive lock; removed if left empty.

    The lock is on the directory itself, so that nothing else has to be left behind.
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
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()
        os.close(descriptor)


def remove_run_directory(path: Path) -> None:
    """Remove a run's directory and, if that was the last one, the runtime directory."""
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        path.parent.rmdir()
