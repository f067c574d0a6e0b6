"""Where files lie that outlive a command: what was encoded once, and what encoders write.

Both directories are made by who first needs them. The runtime directory, with sockets and
configurations of what runs, is the units' (units/runtime_directory).
"""

from __future__ import annotations

import os
from pathlib import Path

from hlsswarm.errors import PreflightError

CACHE_ENVIRONMENT = "HLSSWARM_CACHE_DIR"
STATE_ENVIRONMENT = "HLSSWARM_STATE_DIR"
MEDIA_ENVIRONMENT = "HLSSWARM_MEDIA_DIR"
MINIMAL_FFMPEG_ENVIRONMENT = "HLSSWARM_FFMPEG_MINIMAL"
_SHARED_MEMORY = Path("/dev/shm")


def _chosen(variable: str) -> Path | None:
    text = os.environ.get(variable)
    if not text:
        return None
    path = Path(text)
    if not path.is_absolute():
        raise PreflightError(f"{variable}={text} is not an absolute path.")
    return path


def cache_directory() -> Path:
    """Where what was made once is kept: `$HLSSWARM_CACHE_DIR`, /var/cache/hlsswarm for root,
    `$XDG_CACHE_HOME/hlsswarm` for others. It may not exist yet. Raises PreflightError.
    """
    chosen = _chosen(CACHE_ENVIRONMENT)
    if chosen is not None:
        return chosen
    if os.geteuid() == 0:
        return Path("/var/cache/hlsswarm")
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "hlsswarm"


def state_directory() -> Path:
    """Where the rig's daemon keeps what systemd does not know: `$HLSSWARM_STATE_DIR`, systemd's
    `$STATE_DIRECTORY`, /var/lib/hlsswarm for root, `$XDG_STATE_HOME/hlsswarm` for others. It may
    not exist yet. Raises PreflightError.
    """
    chosen = _chosen(STATE_ENVIRONMENT) or _chosen("STATE_DIRECTORY")
    if chosen is not None:
        return chosen
    if os.geteuid() == 0:
        return Path("/var/lib/hlsswarm")
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "hlsswarm"


def minimal_ffmpeg() -> Path:
    """Where an ffmpeg for clients alone is, once it was built: `$HLSSWARM_FFMPEG_MINIMAL`, or in
    the cache. Raises PreflightError.
    """
    chosen = _chosen(MINIMAL_FFMPEG_ENVIRONMENT)
    return chosen or cache_directory() / "ffmpeg-minimal" / "current" / "ffmpeg"


def media_root() -> Path:
    """Where preview encoders and ladders write their presentations unless told another place:
    `$HLSSWARM_MEDIA_DIR`, or a directory of this user in shared memory. It may not exist yet.
    Raises PreflightError.
    """
    chosen = _chosen(MEDIA_ENVIRONMENT)
    return chosen if chosen is not None else _SHARED_MEMORY / f"hlsswarm-media-{os.geteuid()}"
