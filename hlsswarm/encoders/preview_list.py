"""Preview encoders that run: what systemd says of each, and what it has written.

Asks systemd, and reads playlists, logs, and what `encoder start` has noted in the run's directory.
Starts and stops nothing: that is encoders/preview.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hlsswarm.controller.log_tail import last_lines
from hlsswarm.core import names
from hlsswarm.core.encoder_options import RUN
from hlsswarm.core.preview import check_name, member_of_name, name_of_member
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.errors import UsageError
from hlsswarm.telemetry.pace import TOO_SLOW, presentation_speed, written_segments
from hlsswarm.units.connect import running_managers
from hlsswarm.units.manager import SystemdManager
from hlsswarm.units.runtime_directory import runtime_directory
from hlsswarm.units.states import UnitStatus


def notes_file(run_directory: Path, member: str) -> Path:
    """Where it is noted what an encoder was started with."""
    return run_directory / f"encoder-{member}.json"


@dataclass(frozen=True)
class EncoderStatus:
    """An encoder that systemd has: `state` and `sub_state` are systemd's words."""

    name: str
    unit: str
    manager: str
    state: str
    sub_state: str
    since: float | None
    restarts: int
    input: str
    playlist: Path
    segments: int
    speed: float | None
    last_log_line: str

    @property
    def is_too_slow(self) -> bool:
        """Whether the machine, or the input, cannot keep up with real time."""
        return self.speed is not None and self.speed < TOO_SLOW


@dataclass(frozen=True)
class _Found:
    """A unit of an encoder."""

    name: str
    status: UnitStatus


def _units(kind: str) -> Iterator[tuple[_Found, SystemdManager]]:
    """The units of all preview encoders, while their manager is open."""
    for manager in running_managers(kind):
        try:
            for status in manager.list_units(names.run_pattern(RUN)):
                parsed = names.parse_unit(status.name)
                if parsed is not None and parsed.role == "encoder" and status.active != "inactive":
                    yield _Found(name_of_member(parsed.member), status), manager
        finally:
            manager.close()


def encoders(kind: str) -> list[EncoderStatus]:
    """All preview encoders that systemd has, by their names."""
    found = [_status(unit, manager) for unit, manager in _units(kind)]
    return sorted(found, key=lambda status: status.name)


def _status(found: _Found, manager: SystemdManager) -> EncoderStatus:
    history = manager.service_history(found.status.name)
    directory = runtime_directory() / RUN
    noted = _noted(notes_file(directory, member_of_name(found.name)))
    playlist = Path(noted.get("directory", "/nonexistent")) / STREAM_PLAYLIST
    said = last_lines(directory / names.log_file(found.status.name), 1)
    return EncoderStatus(
        name=found.name,
        unit=found.status.name,
        manager=manager.kind,
        state=found.status.active,
        sub_state=found.status.sub,
        since=history.since,
        restarts=history.restarts,
        input=noted.get("input", ""),
        playlist=playlist,
        segments=len(written_segments(playlist)),
        speed=presentation_speed(playlist) if found.status.sub == "running" else None,
        last_log_line=said[0] if said else "",
    )


def _noted(path: Path) -> dict[str, str]:
    """What was noted about an encoder; nothing where that is gone."""
    try:
        noted = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in noted.items()}


def playlist_of(kind: str, name: str) -> Path:
    """The playlist of an encoder that runs. Raises UsageError when none of this name does."""
    there = encoders(kind)
    for status in there:
        if status.name == check_name(name):
            return status.playlist
    known = ", ".join(status.name for status in there)
    raise UsageError(
        f"No encoder {name} runs.",
        hint=f"There is {known}." if known else "`hlsswarm encoder start NAME --input SPEC`",
    )


def document(found: list[EncoderStatus]) -> list[dict[str, object]]:
    """The same for JSON."""
    return [{**dataclasses.asdict(one), "playlist": str(one.playlist)} for one in found]
