"""What lies below a media root: sources that are live, outputs of ladders, and their leftovers.

A source is a directory whose `stream.m3u8` keeps changing and has no EXT-X-ENDLIST. A ladder marks
each directory that it writes with a file, and its Multivariant Playlists with a comment: what is
so marked is never a source, whoever made it, and may be removed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from hlsswarm.core.ladder import Key, source_problem
from hlsswarm.core.ladder_media import MediaPlaylist, parse_media_playlist, stale_seconds
from hlsswarm.core.profiles import STREAM_PLAYLIST
from hlsswarm.core.transcoders import HLS_INPUT, SourceMedia
from hlsswarm.encoders.ladder_state import write_whole
from hlsswarm.telemetry.media_probe import Media, probe_media

MASTER: Final = "master.m3u8"
"""The Multivariant Playlist of a source and its rungs."""
MARK: Final = "ladder.json"
_COMMENT: Final = "# hlsswarm ladder "


@dataclass(frozen=True)
class Output:
    """A directory that a ladder writes: which ladder's run, for which key, and the Media Sequence
    Number that its first Media Segment has had.
    """

    directory: Path
    run: str
    key: Key
    first_number: int


@dataclass
class Tree:
    """What was found: Media Playlists that are live, by name; outputs; Multivariant Playlists with
    the run of the ladder that made them; and why some directory cannot be a source.
    """

    live: dict[str, MediaPlaylist] = field(default_factory=dict)
    outputs: list[Output] = field(default_factory=list)
    masters: list[tuple[Path, str]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


def _entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a directory; nothing where it is gone."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        yield from entries


def look(media: Path, *, now_seconds: float) -> Tree:
    """Everything below a media root. Reads only; what vanishes meanwhile is not there."""
    tree = Tree()
    _look(media, "", tree, now_seconds)
    return tree


def _look(directory: Path, name: str, tree: Tree, now_seconds: float) -> None:
    entries = {entry.name: entry for entry in _entries(directory)}
    if MARK in entries and (output := read_mark(directory)) is not None:
        tree.outputs.append(output)
        return
    if MASTER in entries and (run := run_of_master(directory / MASTER)) is not None:
        tree.masters.append((directory / MASTER, run))
    if STREAM_PLAYLIST in entries:
        playlist = live_playlist(directory / STREAM_PLAYLIST, now_seconds=now_seconds)
        if playlist is not None:
            problem = source_problem(name)
            if problem is None:
                tree.live[name] = playlist
            else:
                tree.problems[name] = problem
    for entry in entries.values():
        if entry.is_dir(follow_symlinks=False):
            below = f"{name}/{entry.name}" if name else entry.name
            _look(directory / entry.name, below, tree, now_seconds)


def live_playlist(path: Path, *, now_seconds: float) -> MediaPlaylist | None:
    """A Media Playlist whose maker is at work; None for all others."""
    try:
        age = now_seconds - path.stat().st_mtime
        playlist = parse_media_playlist(path.read_text(errors="replace"))
    except OSError:
        return None
    if playlist is None or playlist.ended or not playlist.segments:
        return None
    return playlist if age <= stale_seconds(playlist) else None


# --- marks ----------------------------------------------------------------------------------------


def mark(output: Output) -> None:
    """Make an output's directory, with its mark. Raises OSError."""
    output.directory.mkdir(parents=True, exist_ok=True)
    document = {"run": output.run, "key": list(output.key), "first_number": output.first_number}
    write_whole(output.directory / MARK, json.dumps(document))


def read_mark(directory: Path) -> Output | None:
    """Whose output a directory is; None when it has no mark of ours."""
    try:
        document = json.loads((directory / MARK).read_text())
        key = Key(*document["key"])
        return Output(directory, document["run"], key, int(document["first_number"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_master(path: Path, run: str, text: str) -> bool:
    """Write a Multivariant Playlist whole; False when somebody else's is there."""
    marked = text.replace("#EXTM3U\n", f"#EXTM3U\n{_COMMENT}{run}\n", 1)
    try:
        before = path.read_text(errors="replace")
    except OSError:
        before = ""
    if before and run_of_master(path) is None:
        return False
    if before != marked:
        write_whole(path, marked)
    return True


def run_of_master(path: Path) -> str | None:
    """The run of the ladder that wrote a Multivariant Playlist; None for other people's."""
    try:
        lines = path.read_text(errors="replace").splitlines()[:2]
    except OSError:
        return None
    return lines[1].removeprefix(_COMMENT) if lines[1:] and lines[1].startswith(_COMMENT) else None


def remove_outputs(media: Path, run: str) -> None:
    """Remove everything that a ladder has written below a media root; sources stay."""
    tree = look(media, now_seconds=0.0)
    for output in tree.outputs:
        if output.run == run:
            shutil.rmtree(output.directory, ignore_errors=True)
            remove_empty(output.directory.parent, media)
    for master, owner in tree.masters:
        if owner == run:
            master.unlink(missing_ok=True)
            remove_empty(master.parent, media)


def remove_empty(directory: Path, media: Path) -> None:
    """Remove a directory below the media root, and those above it, as far as they are empty."""
    with contextlib.suppress(OSError):
        while directory != media and directory.is_relative_to(media):
            directory.rmdir()
            directory = directory.parent


# --- probes ---------------------------------------------------------------------------------------


def segment_input(directory: Path, playlist: MediaPlaylist) -> tuple[str, ...]:
    """ffprobe's arguments for the newest Media Segment of a playlist."""
    newest = f"{directory / playlist.segments[-1].uri}"
    if playlist.map_uri is not None:  # of fMP4 the Media Segment alone says nothing
        return ("-i", f"concat:{directory / playlist.map_uri}|{newest}")
    return ("-i", f"file:{newest}")


def first_bytes(directory: Path, playlist: MediaPlaylist) -> bytes:
    """Bytes in which the description of the picture stands; none when they are gone."""
    name = playlist.map_uri or playlist.segments[-1].uri
    with contextlib.suppress(OSError), (directory / name).open("rb") as file:
        return file.read(256 << 10)
    return b""


def local_source(
    ffprobe: Path, directory: Path, name: str, playlist: MediaPlaylist
) -> SourceMedia | None:
    """A source below the media root as transcoders read it; None when ffprobe finds nothing."""
    media = probe_media(ffprobe, segment_input(directory, playlist))
    if media is None:
        return None
    # Always the newest Media Segment: what is made again after a failure was made before.
    place = f"file:{directory / STREAM_PLAYLIST}"
    arguments = (*HLS_INPUT, "-live_start_index", "-1", "-i", place)
    return _source_media(name, arguments, media, playlist.segment_seconds)


def remote_source(ffprobe: Path, name: str, arguments: tuple[str, ...]) -> SourceMedia | None:
    """A source that is elsewhere; None when ffprobe cannot read it now."""
    media = probe_media(ffprobe, tuple(word for word in arguments if word != "-re"), packets=40)
    if media is None:
        return None
    is_hls = urlsplit(arguments[-1]).path.endswith(".m3u8")
    return _source_media(name, (*HLS_INPUT, *arguments) if is_hls else arguments, media, 2.0)


def _source_media(
    name: str, arguments: tuple[str, ...], media: Media, segment_seconds: float
) -> SourceMedia:
    return SourceMedia(
        name=name,
        input=arguments,
        width=media.width,
        height=media.height,
        frame_rate=media.frame_rate,
        video_codec=media.video_codec,
        audio_codec=media.audio_codec,
        segment_seconds=segment_seconds,
        one_key_frame=media.key_frames == 1,
    )
