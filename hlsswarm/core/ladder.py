"""An ABR ladder: its rungs, and what has to be started and stopped so that each source has them.

    wanted rungs x sources x tracks ──► keys ──► reconcile ──► starts, stops
                                          └── one transcoder unit for each key, and never two

Knows names and counts. Must not know ffmpeg (transcoders), files, or systemd, which holds the
truth of what runs: a unit's name says which key it is, so whoever comes later can tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from hlsswarm.core import names
from hlsswarm.errors import UsageError

__all__ = [
    "AUDIO",
    "DEFAULT_LADDER",
    "PRESETS",
    "VIDEO",
    "Changes",
    "Key",
    "Rung",
    "Source",
    "WantedRung",
    "added",
    "is_output",
    "key_of_unit",
    "parse_rung",
    "parse_rungs",
    "picture_size",
    "reconcile",
    "removed",
    "source_problem",
    "unit_of",
]

Track = Literal["video", "audio"]
VIDEO: Final = "video"
AUDIO: Final = "audio"
_TRACKS: Final[dict[str, Track]] = {"video": VIDEO, "audio": AUDIO}

_NAME: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_NAME_MAX: Final = 24
_RUNG: Final = re.compile(r"(?P<name>[^=]+)=(?P<w>\d{1,5})x(?P<h>\d{1,5})@(?P<k>\d{1,6})k?")
_WANTED: Final = "Give a preset or NAME=WIDTHxHEIGHT@KBPS, such as 540p=960x540@1200."
_SIDE_MAX: Final = 16_384
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]")
_MEMBER_MAX: Final = 180
"""systemd's names have at most 255 characters; and ours are names of files as well."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One Rendition of a ladder: its name, the largest picture in pixels, and rates in kbit/s.

    A rung without a picture (`width` 0) is sound alone.
    """

    name: str
    width: int
    height: int
    video_kbps: int
    audio_kbps: int = 128

    @property
    def maxrate_kbps(self) -> int:
        """What the rate control lets through for a short time (ffmpeg's `-maxrate`)."""
        return round(self.video_kbps * 1.1)

    @property
    def bufsize_kbit(self) -> int:
        """The VBV buffer in kbit: half a second, so that no Media Segment goes far beyond."""
        return max(1, self.maxrate_kbps // 2)


PRESETS: Final[dict[str, Rung]] = {
    rung.name: rung
    for rung in (
        Rung("1080p", 1920, 1080, 5000, 192),
        Rung("720p", 1280, 720, 2500, 128),
        Rung("480p", 854, 480, 1200, 96),
        Rung("360p", 640, 360, 700, 96),
        Rung("240p", 426, 240, 400, 64),
        Rung("audio", 0, 0, 0, 96),
    )
}
"""Rungs by name."""
DEFAULT_LADDER: Final = tuple(PRESETS[name] for name in ("720p", "480p", "240p"))
"""What a ladder has unless told otherwise."""


def parse_rung(text: str) -> Rung:
    """A preset's name, or NAME=WIDTHxHEIGHT@KBPS. Raises UsageError."""
    if text in PRESETS:
        return PRESETS[text]
    match = _RUNG.fullmatch(text)
    if match is None:
        raise UsageError(
            f"There is no rendition {text!r}.", hint=f"{_WANTED} Presets: {', '.join(PRESETS)}."
        )
    name, width, height, rate = match["name"], *(int(match[key]) for key in "whk")
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        raise UsageError(
            f"A rendition cannot be named {name!r}.", hint="Use a-z, 0-9 and single dashes."
        )
    if width < 16 or height < 16 or max(width, height) > _SIDE_MAX or width % 2 or height % 2:
        raise UsageError(
            f"A picture of {width}x{height} cannot be made.",
            hint="Both sides are even, 16 to 16384.",
        )
    if rate < 1:
        raise UsageError(f"The rendition {name} has no bitrate.", hint=_WANTED)
    return Rung(name, width, height, rate)


def parse_rungs(text: str) -> tuple[Rung, ...]:
    """Several of them, with commas between. Raises UsageError, also for a name given twice."""
    rungs = tuple(parse_rung(word.strip()) for word in text.split(",") if word.strip())
    twice = {rung.name for rung in rungs if [r.name for r in rungs].count(rung.name) > 1}
    if twice:
        raise UsageError(f"The rendition {min(twice)} is given twice.", hint=_WANTED)
    return rungs


def picture_size(rung: Rung, width: int, height: int) -> tuple[int, int]:
    """The largest picture within the rung's that has the source's shape; both sides even.

    A source whose size is not known is taken to have the rung's shape.
    """
    if width < 1 or height < 1:
        return rung.width, rung.height
    share = min(rung.width / width, rung.height / height)
    return max(2, round(width * share / 2) * 2), max(2, round(height * share / 2) * 2)


# --- what is wanted -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WantedRung:
    """A rung that every source is to have, made by a factory, into a directory of this name."""

    factory: str
    rung: Rung
    directory: str


def added(wanted: tuple[WantedRung, ...], factory: str, rung: Rung) -> tuple[WantedRung, ...]:
    """The ladder with one more. Raises UsageError for a (factory, rendition) that it has.

    A second factory for a rendition writes beside the first one, not over it.
    """
    if any(item.factory == factory and item.rung.name == rung.name for item in wanted):
        raise UsageError(
            f"The ladder has {rung.name} by {factory} already.",
            hint="`hlsswarm ladder list` shows it; another --factory may make the same rendition.",
        )
    taken = {item.directory for item in wanted}
    plain, further = rung.name, f"{rung.name}-{factory}"
    # A rung `720p-x264` could have been named so by hand.
    directory = next(
        name
        for name in (plain, further, *(f"{further}-{n}" for n in range(2, len(wanted) + 4)))
        if name not in taken
    )
    return (*wanted, WantedRung(factory, rung, directory))


def removed(wanted: tuple[WantedRung, ...], rendition: str) -> tuple[WantedRung, ...]:
    """The ladder without a rendition, whoever makes it. Raises UsageError when it has none."""
    left = tuple(item for item in wanted if item.rung.name != rendition)
    if len(left) == len(wanted):
        there = ", ".join(sorted({item.rung.name for item in wanted}))
        raise UsageError(
            f"The ladder has no {rendition}.", hint=f"It has {there}." if there else "It is empty."
        )
    return left


# --- keys and units -------------------------------------------------------------------------------


class Key(NamedTuple):
    """What one transcoder is for: at most one unit has it."""

    factory: str
    rendition: str
    source: str
    track: str


@dataclass(frozen=True, slots=True)
class Source:
    """A presentation that comes in: its name (`live/x`) and the tracks that it has."""

    name: str
    tracks: tuple[Track, ...] = (VIDEO,)


def source_problem(name: str) -> str | None:
    """Why a directory cannot be a source; None when it can."""
    if not name or any(not word or word in {".", ".."} for word in name.split("/")):
        return "its name is no path below the media root"
    if len(_escaped(name)) > _MEMBER_MAX - 2 * _NAME_MAX - 10:
        return "its name is too long for a unit's"
    return None


def unit_of(run: str, key: Key) -> str:
    """The unit of a key; key_of_unit() turns it back.

    `hlsswarm-RUN-transcoder-x264.720p.video.live.x.service`: what cannot stand in a unit's name
    is written as `_` and two hexadecimal digits for each of its bytes.
    """
    words = (key.factory, key.rendition, key.track, _escaped(key.source))
    return names.service_unit(run, "transcoder", ".".join(words))


def key_of_unit(name: str) -> Key | None:
    """The key of a transcoder's unit; None for all other units."""
    parsed = names.parse_unit(name)
    if parsed is None or parsed.role != "transcoder":
        return None
    words = parsed.member.split(".", 3)
    if len(words) < 4:
        return None
    factory, rendition, track, source = words
    return Key(factory, rendition, _unescaped(source), track)


def _escaped(source: str) -> str:
    return "".join(
        "."
        if letter == "/"
        else letter
        if _PLAIN.fullmatch(letter)
        else "".join(f"_{byte:02x}" for byte in letter.encode(errors="surrogateescape"))
        for letter in source
    )


def _unescaped(text: str) -> str:
    raw = text.replace(".", "/").encode()
    plain = re.sub(rb"_([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), raw)
    return plain.decode(errors="surrogateescape")


# --- reconcile ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to happen, each in the order of the keys."""

    starts: tuple[Key, ...] = ()
    stops: tuple[Key, ...] = field(default=())


def is_output(source: str, wanted: Iterable[WantedRung]) -> bool:
    """Whether a name is that of a rung's output: its last word is a rendition of any factory."""
    last = source.rpartition("/")[2]
    return any(last in {item.rung.name, item.directory} for item in wanted)


def reconcile(
    wanted: Iterable[WantedRung],
    sources: Iterable[Source],
    running: Collection[Key],
    failed: Collection[Key] = (),
    *,
    restart: bool = True,
    takes: Callable[[WantedRung, Source, str], bool] = lambda *_: True,
) -> Changes:
    """What to start and to stop, so that each source has each rung that a factory makes of it.

    `running` are keys whose units systemd keeps going, `failed` those whose units have ended for
    good; with `restart` these are made anew, else they are left as they are. `takes` says whether
    a factory takes a track. The order of what comes in does not matter; what is started is not
    running, what is stopped is; and where nothing has changed, nothing is done.
    """
    ladder = tuple(wanted)
    desired = {
        Key(item.factory, item.rung.name, source.name, track)
        for source in sources
        if not is_output(source.name, ladder)
        for track in source.tracks
        for item in ladder
        if takes(item, source, track)
    }
    there = set(running) | set(failed)
    starts = desired - there
    if restart:
        starts |= desired & set(failed) - set(running)
    return Changes(tuple(sorted(starts)), tuple(sorted(there - desired)))


def tracks_of(kinds: Iterable[str]) -> tuple[Track, ...]:
    """The tracks of a presentation whose streams are of these kinds (ffprobe's codec_type)."""
    there = set(kinds)
    return tuple(track for name, track in _TRACKS.items() if name in there)
