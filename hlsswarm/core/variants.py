"""Which Variant Stream a client plays: chosen once, from the text of the Multivariant Playlist.

Knows RFC 8216bis and what ffmpeg does with it; fetches nothing. ffmpeg opens every Variant Stream
of a Multivariant Playlist before a `-map` can refuse one (3 segments of each on 5.1, 7.1 and 9.0),
so a chosen one is given to it as its Media Playlist, and the Multivariant Playlist itself as an
input of plain data: each client still fetches it once, as a player does, and nothing of the others.

Given up by that: URLs that the origin makes anew for each fetch of the Multivariant Playlist (a
session in its URIs) are those that we were given. Subtitles are not fetched: old ffmpeg cannot,
and a player does so only when they are switched on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

from m3u8 import parser

from hlsswarm.core.selection import (
    ProbeFailure,
    Rendition,
    Selection,
    Variant,
    VariantWish,
    rate_text,
)
from hlsswarm.errors import PreflightError

_DEFINE = re.compile(r"#EXT-X-DEFINE:(.*)")
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^,]*))')
_REFERENCE = re.compile(r"\{\$([A-Za-z0-9_-]+)\}")
_RESOLUTION = re.compile(r"(\d+)x(\d+)")


def variants_of(text: str, url: str) -> tuple[Variant, ...]:
    """The Variant Streams of a Multivariant Playlist that `url` (after redirects) answered.

    Empty for a Media Playlist. EXT-X-I-FRAME-STREAM-INF is no Variant Stream to play. Raises
    ValueError when it is not a playlist, or has an attribute that cannot be read.
    """
    if not text.lstrip("\ufeff").startswith("#EXTM3U"):
        raise ValueError("it does not begin with #EXTM3U")
    try:
        parsed = parser.parse(_without_variables(text.lstrip("\ufeff"), url))
        media = [entry for entry in parsed["media"] if entry.get("type") == "AUDIO"]
        return tuple(
            _variant(number, entry, media, url)
            for number, entry in enumerate(parsed["playlists"], 1)
        )
    except (KeyError, IndexError, AttributeError, TypeError) as error:
        # Whatever the library's reading of a broken line comes to.
        raise ValueError(f"{type(error).__name__} {error}") from None


def _variant(
    number: int, entry: Mapping[str, Any], media: Sequence[Mapping[str, Any]], url: str
) -> Variant:
    info = entry["stream_info"]
    size = _RESOLUTION.fullmatch(info.get("resolution") or "")
    own_url = urljoin(url, entry["uri"])
    bandwidth = info.get("bandwidth")
    return Variant(
        number=number,
        url=own_url,
        bandwidth=bandwidth if bandwidth and bandwidth > 0 else None,
        resolution=(int(size[1]), int(size[2])) if size else None,
        codecs=info.get("codecs"),
        audio=_audio(info.get("audio"), media, own_url, url),
    )


def _audio(
    group: str | None, media: Sequence[Mapping[str, Any]], variant_url: str, url: str
) -> Rendition | None:
    """The Rendition that is played unless the user chooses another: DEFAULT, else AUTOSELECT."""
    renditions = [entry for entry in media if group is not None and entry.get("group_id") == group]
    if not renditions:
        return None
    chosen = max(
        renditions, key=lambda e: (e.get("default") == "YES", e.get("autoselect") == "YES")
    )
    uri = chosen.get("uri")
    # Without a URI it is in the Variant Stream itself; an audio-only one may name its own.
    if not uri or (found := urljoin(url, uri)) == variant_url:
        return None
    return Rendition(found, chosen.get("name") or "", chosen.get("language"))


def _without_variables(text: str, url: str) -> str:
    """The playlist with its variables put in (EXT-X-DEFINE, RFC 8216bis, 4.3 and 4.4.2.3).

    ffmpeg does not know them: a Media Playlist that uses them is one it cannot play.
    """
    if "#EXT-X-DEFINE" not in text:
        return text
    query = parse_qs(urlsplit(url).query, keep_blank_values=True)
    values: dict[str, str] = {}
    lines = []
    for line in text.splitlines():
        if match := _DEFINE.match(line):
            given = {name: a or b for name, a, b in _ATTRIBUTE.findall(match[1])}
            if "NAME" in given:
                values.setdefault(given["NAME"], given.get("VALUE", ""))
            elif (name := given.get("QUERYPARAM", "")) in query:
                values.setdefault(name, query[name][0])
            continue
        # One that was not defined stays as it is, so that the failing URL shows it.
        lines.append(_REFERENCE.sub(lambda found: values.get(found[1], found[0]), line))
    return "\n".join(lines) + "\n"


def select(text: str, url: str, wish: VariantWish, *, on_failure: ProbeFailure) -> Selection:
    """What to play of the playlist that `url` answered. Raises PreflightError if told to fail."""
    if wish == "all":
        return Selection(wish, "Everything behind the URL, every Variant Stream at once.")
    try:
        variants = variants_of(text, url)
    except ValueError as error:
        return unread(wish, f"the playlist cannot be read: {error}", on_failure=on_failure)
    if not variants and "#EXT-X-STREAM-INF" in text:
        return unread(wish, "it names no Variant Stream", on_failure=on_failure)
    if not variants:
        return Selection(wish, "The URL is a Media Playlist, so there is nothing to choose.")
    chosen = _chosen(wish, variants, lambda variant: variant.bandwidth, _pixels)
    return Selection(
        wish, f"{_of(wish, chosen.number, variants, 'Variant Stream')}: {chosen}.", chosen
    )


def unread(wish: VariantWish, reason: str, *, on_failure: ProbeFailure) -> Selection:
    """What to do when there is nothing to choose by. Raises PreflightError if told to fail."""
    if on_failure == "fail":
        raise PreflightError(
            f"--variant {wish} cannot be met: {reason}.",
            hint="Use --variant all, or --probe-failure fallback to play everything instead.",
        )
    return Selection(
        wish,
        f"Everything behind the URL instead of --variant {wish}: {reason}.",
        fell_back=True,
    )


def _chosen(
    wish: VariantWish,
    those: Sequence[Any],
    bandwidth: Callable[[Any], int | None],
    pixels: Callable[[Any], int],
) -> Any:
    """The one that is meant; of equals the first listed. Unknown bandwidths are never chosen."""
    known = [one for one in those if bandwidth(one) is not None]
    if wish == "first" or not known:
        return those[0]
    # max and min both give the first of equals.
    pick = max if wish == "highest" else min
    return pick(known, key=lambda one: (bandwidth(one), pixels(one)))


def _pixels(variant: Variant) -> int:
    width, height = variant.resolution or (0, 0)
    return width * height


def _of(wish: str, number: int, those: Sequence[object], what: str) -> str:
    return f"{wish[0].upper()}{wish[1:]}, which is {what} {number} of {len(those)}"


# --- what is no HLS, but has programs that ffprobe finds ------------------------------------------


def ffprobe_command(
    ffprobe: Path, url: str, *, timeout_seconds: float, user_agent: str
) -> tuple[str, ...]:
    """The command whose output select_program() reads (ffprobe(1))."""
    return (
        *(str(ffprobe), "-hide_banner", "-loglevel", "error"),
        *("-rw_timeout", str(round(timeout_seconds * 1_000_000)), "-user_agent", user_agent),
        *("-print_format", "json", "-show_programs", url),
    )


def select_program(output: str, wish: VariantWish, *, on_failure: ProbeFailure) -> Selection:
    """What to play by what ffprobe found. Raises PreflightError if told to fail."""
    try:
        document = json.loads(output)
        programs = [(int(p["program_id"]), _programrate_text(p)) for p in document["programs"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return unread(wish, f"ffprobe's answer cannot be read: {error}", on_failure=on_failure)
    if not programs:
        return unread(wish, "ffprobe finds no programs in it", on_failure=on_failure)
    chosen = _chosen(wish, programs, lambda program: program[1], lambda _: 0)
    rate = "of unknown bandwidth" if chosen[1] is None else rate_text(chosen[1])
    number = programs.index(chosen) + 1
    return Selection(
        wish,
        f"{_of(wish, number, programs, 'program')}: {rate}. The others are probed at each start.",
        program=chosen[0],
    )


def _programrate_text(program: Mapping[str, Any]) -> int | None:
    text = str(program.get("tags", {}).get("variant_bitrate", ""))
    return int(text) if text.isdecimal() and int(text) > 0 else None
