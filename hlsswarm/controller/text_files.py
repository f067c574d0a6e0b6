"""Small text files of the user's: configurations, and files with secret headers.

A device or a film in the place of one is refused, before it fills the memory.
"""

from __future__ import annotations

from pathlib import Path

from hlsswarm.core.headers import Header, parse_header_file
from hlsswarm.errors import ConfigurationError, HlsSwarmError, UsageError

_BYTES_MAX = 4 << 20


def read_text(path: Path, *, what: str, hint: str, error: type[HlsSwarmError]) -> str:
    """The text of a file; `what` names it in the sentence of the `error` that is raised."""
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
        if len(content) <= _BYTES_MAX:
            return content.decode()
        reason = "it is too long"
    except OSError as failure:
        reason = failure.strerror or "it is no file"
    except UnicodeDecodeError:
        reason = "it is no text"
    raise error(f"{what} cannot be read: {reason}.", hint=hint)


def read_configuration(path: Path) -> str:
    """A configuration's text. Raises ConfigurationError."""
    return read_text(path, what=str(path), hint="Give a file of TOML.", error=ConfigurationError)


def read_headers(path: Path) -> tuple[Header, ...]:
    """The secret headers of a `--header-file`. Raises UsageError."""
    where = f"--header-file {path}"
    hint = "Give a file with a line 'Name: value'."
    return parse_header_file(read_text(path, what=where, hint=hint, error=UsageError), where=where)
