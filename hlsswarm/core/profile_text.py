"""Profiles as text: TOML documents, and single fields by `--set`.

    description = "our own ladder"            720p.video_bitrate_kbps=1000     (--set)
    based_on = "default"                      segment_seconds=1
    segment_seconds = 4                       2160p=off
    [renditions.720p]
    video_bitrate_kbps = 3000
    [audio.english]
    …

A document is laid over the profile that it is based on, field by field; a rendition that is `false`
is taken away. Where a picture's bitrate is given and its maxrate and buffer are not, these follow:
a tenth more, and one second. Everything that is wrong is told at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, Final

from hlsswarm.core.presentation import avc_profile_and_level
from hlsswarm.core.profiles import (
    AudioTrack,
    Container,
    Encryption,
    OriginProfile,
    PlaylistType,
    Rendition,
)
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.errors import ConfigurationError

__all__ = ["document_of", "profile_of", "with_settings"]

_TABLES: Final[Mapping[str, type[Rendition] | type[AudioTrack]]] = {
    "renditions": Rendition,
    "audio": AudioTrack,
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "description": "a profile of its own",
    "segment_seconds": 2,
    "playlist_segments": 10,
}
_FOLLOW: Final = ("maxrate_kbps", "bufsize_kbit")
"""Fields that follow the bitrate where they are not given."""
_SWITCH: Final = {"on": True, "true": True, "off": False, "false": False}

Document = dict[str, Any]


def document_of(profile: OriginProfile) -> Document:
    """A profile as a document, complete and in TOML's and JSON's types."""
    document: Document = {
        field.name: getattr(profile, field.name)
        for field in dataclasses.fields(profile)
        if field.name not in {"name", *_TABLES}
    }
    for table in _TABLES:
        parts = {part.name: dataclasses.asdict(part) for part in getattr(profile, table)}
        document[table] = {name: _without_name(part) for name, part in parts.items()}
    return document


def profile_of(name: str, document: Mapping[str, Any], *, where: str) -> OriginProfile:
    """The profile that a user's document means. `where` names it in messages.

    Raises ConfigurationError with everything that is wrong in it.
    """
    wrong: list[str] = []
    layer = dict(document)
    based_on = layer.pop("based_on", None)
    base: Document = dict(_DEFAULTS)
    if based_on is not None:
        if isinstance(based_on, str) and based_on in PROFILES:
            base = document_of(PROFILES[based_on])
        else:
            wrong.append(f"based_on: there is no profile {based_on!r}.{_meant(based_on, PROFILES)}")
    merged = _laid_over(base, layer, wrong)
    return _built(name, merged, wrong, where)


def with_settings(profile: OriginProfile, settings: Sequence[str]) -> OriginProfile:
    """A profile with fields changed by texts `FIELD=VALUE` or `RENDITION.FIELD=VALUE`.

    Raises ConfigurationError with everything that is wrong in them.
    """
    if not settings:
        return profile
    base, wrong = document_of(profile), []
    layer: Document = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or not key:
            wrong.append(f"{text!r} is not FIELD=VALUE.")
            continue
        _put(layer, base, key.strip(), value.strip(), wrong)
    return _built(profile.name, _laid_over(base, layer, wrong), wrong, "--set")


def _put(layer: Document, base: Document, key: str, value: str, wrong: list[str]) -> None:
    """Put one `--set` into a layer; a rendition may be named with its table or without."""
    first, _, rest = key.partition(".")
    if first in _TABLES:
        first, _, rest = rest.partition(".")
    tables = [table for table in _TABLES if first in base.get(table, {})]
    if tables:
        parts = layer.setdefault(tables[0], {})
        if not rest:
            parts[first] = _SWITCH.get(value, value)
        elif isinstance(parts.setdefault(first, {}), dict):
            parts[first][rest] = _Text(value)
    elif rest or key.startswith(tuple(f"{table}." for table in _TABLES)):
        parts = [name for table in _TABLES for name in base.get(table, {})]
        wrong.append(f"{key}: there is no rendition {first!r}.{_meant(first, parts)}")
    else:
        layer[key] = _Text(value)


class _Text(str):
    """A value as it was typed, which is read as the field's type demands."""

    __slots__ = ()


def _laid_over(base: Document, layer: Document, wrong: list[str]) -> Document:
    merged = dict(base)
    for key, value in layer.items():
        if key in _TABLES:
            merged[key] = _parts_laid_over(key, base.get(key, {}), value, wrong)
            continue
        if key not in _READERS:
            wrong.append(f"There is no field {key!r}.{_meant(key, [*_READERS, *_TABLES])}")
        else:
            _read(merged, key, _READERS, value, wrong)
    return merged


def _parts_laid_over(table: str, base: Document, layer: Any, wrong: list[str]) -> Document:
    merged = {name: dict(part) for name, part in base.items()}
    if not isinstance(layer, dict):
        wrong.append(f"{table} is a table of tables, like [{table}.NAME].")
        return merged
    readers = _PART_READERS[table]
    for name, fields in layer.items():
        where = f"{table}.{name}"
        if fields is False:
            if merged.pop(name, None) is None:
                wrong.append(f"{where}: there is none to take away.")
            continue
        if not isinstance(fields, dict):
            wrong.append(f"{where} is a table, or false (off) to take it away.")
            continue
        part = merged.setdefault(name, {})
        if "video_bitrate_kbps" in fields:
            for follower in _FOLLOW:
                part.pop(follower, None)
        for key, value in fields.items():
            if key not in readers:
                wrong.append(f"There is no field {where}.{key}.{_meant(key, readers)}")
            else:
                _read(part, f"{where}.{key}", readers, value, wrong)
    return merged


def _built(name: str, document: Document, wrong: list[str], where: str) -> OriginProfile:
    """The profile of a merged document. Raises ConfigurationError when anything was wrong."""
    parts: dict[str, Any] = {}
    for table, kind in _TABLES.items():
        made = [
            _part(kind, part_name, fields, f"{table}.{part_name}", wrong)
            for part_name, fields in document.get(table, {}).items()
        ]
        parts[table] = tuple(part for part in made if part is not None)
    fields = {key: value for key, value in document.items() if key not in _TABLES}
    if not wrong:
        try:
            profile = OriginProfile(name=name, **fields, **parts)
            for rendition in profile.renditions:
                avc_profile_and_level(profile, rendition)
        except ValueError as error:
            wrong.append(f"{_sentence(error)}")
        else:
            return profile
    raise ConfigurationError(
        f"{where}: {' '.join(wrong)}", hint="`hlsswarm origin profiles --json` shows all fields."
    )


def _part(kind: type[Any], name: str, given: Document, where: str, wrong: list[str]) -> Any:
    """One Rendition; None for one that cannot be."""
    fields = dict(given)
    if kind is Rendition and isinstance(bitrate := fields.get("video_bitrate_kbps"), int):
        fields.setdefault("maxrate_kbps", bitrate * 11 // 10)
        fields.setdefault("bufsize_kbit", bitrate)
    missing = [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.name not in {"name", *_FOLLOW, *fields}
    ]
    if missing:
        wrong.append(f"{where} lacks {', '.join(missing)}.")
        return None
    try:
        return kind(name=name, **fields)
    except ValueError as error:
        wrong.append(f"{where}: {_sentence(error)}")
    return None


def _read(
    into: Document,
    where: str,
    readers: Mapping[str, Callable[[Any], Any]],
    value: Any,
    wrong: list[str],
) -> None:
    """Read the field at the end of the path `where`."""
    key = where.rpartition(".")[2]
    try:
        into[key] = readers[key](value)
    except ValueError as error:
        wrong.append(f"{where}: {value!r} is not {error}.")


def _whole_number(value: Any) -> int:
    if isinstance(value, _Text) and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return value
    raise ValueError("a whole number")


def _words(value: Any) -> str:
    if isinstance(value, str) and value.isprintable():
        return str(value)
    raise ValueError("text on one line")


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, _Text) and value in _SWITCH:
        return _SWITCH[value]
    raise ValueError("on or off" if isinstance(value, _Text) else "true or false")


def _one_of(kind: type[StrEnum]) -> Callable[[Any], StrEnum]:
    def read(value: Any) -> StrEnum:
        if isinstance(value, str) and value in list(kind):
            return kind(value)
        raise ValueError(f"one of {', '.join(kind)}")

    return read


_BY_TYPE: Final[Mapping[str, Callable[[Any], Any]]] = {
    "int": _whole_number,
    "str": _words,
    "bool": _switch,
    **{kind.__name__: _one_of(kind) for kind in (PlaylistType, Container, Encryption)},
}


def _readers(kind: type[Any]) -> dict[str, Callable[[Any], Any]]:
    return {
        field.name: _BY_TYPE[str(field.type)]
        for field in dataclasses.fields(kind)
        if field.name not in {"name", *_TABLES}
    }


_READERS: Final = _readers(OriginProfile)
_PART_READERS: Final = {table: _readers(kind) for table, kind in _TABLES.items()}


def _meant(name: object, known: Sequence[str] | Mapping[str, Any]) -> str:
    names = list(known)
    near = get_close_matches(str(name), names, 1)
    return f" Is {near[0]} meant?" if near else f" There is: {', '.join(names)}."


def _without_name(part: Document) -> Document:
    return {key: value for key, value in part.items() if key != "name"}


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."
