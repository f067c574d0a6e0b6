"""What the daemon knows and systemd does not, on disk: written as a whole, or not at all.

Two places, of which the newest whole document counts: the state directory (survives the machine's
restart) and, when that is full or broken, the runtime directory (survives the daemon's).

    line 1  {"schema": …, "sequence": 17, "sha256": …}      line 2  the document as JSON
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA = "hlsswarm.rig-state/1"
FILE = "rig-state.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """What tells one start of this machine from another (random(4))."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class StateStore:
    """Saves a document again and again; the places are tried in their order."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._files = [directory / FILE for directory in directories]
        self._sequence = 0
        self.failures = 0
        """Times that no place took the document."""
        self.trouble: str | None = None
        """Why the first place did not take the last document."""

    def load(self) -> dict[str, Any] | None:
        """The newest document that is whole; None when there is none."""
        newest: dict[str, Any] | None = None
        for file in self._files:
            found = _read(file)
            if found is not None and found[0] > self._sequence:
                self._sequence, newest = found
        return newest

    def save(self, document: Mapping[str, Any]) -> bool:
        """Write the document; False when no place takes it, which stops nothing."""
        self._sequence += 1
        body = json.dumps(document, separators=(",", ":"))
        header = {"schema": SCHEMA, "sequence": self._sequence, "sha256": _digest(body)}
        text = f"{json.dumps(header)}\n{body}\n"
        self.trouble = None
        for file in self._files:
            try:
                _write(file, text)
            except OSError as error:
                self.trouble = self.trouble or f"{file}: {error.strerror or error}"
            else:
                return True
        self.failures += 1
        return False

    def forget(self) -> None:
        """Remove the documents: the rig was ended."""
        for file in self._files:
            file.unlink(missing_ok=True)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _write(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.new")
    try:
        fresh.write_text(text)
        fresh.chmod(0o600)
        os.replace(fresh, file)  # noqa: PTH105
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _read(file: Path) -> tuple[int, dict[str, Any]] | None:
    """Sequence and document; None for what is torn, of another schema, or not there."""
    try:
        first, _, body = file.read_text().partition("\n")
        header = json.loads(first)
        body = body.removesuffix("\n")
        if header["schema"] != SCHEMA or header["sha256"] != _digest(body):
            return None
        return int(header["sequence"]), json.loads(body)
    except (OSError, ValueError, KeyError, TypeError):
        return None
