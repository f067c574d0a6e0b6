"""Faults of a test origin, as words: which requests they meet, and what happens to those.

    fault = WORD…
    WORD  = on=segments|playlists|all     which requests (default segments; stale: playlists)
          | share=20%                     how many of them, by chance (default 100 %)
          | variant=720p                  only those below that Rendition's directory
          | for=30s                       how long (default: until it is stopped)
          | at=10s                        in plans: when, from the start of the run (default 0)
          | KIND                          exactly one:
    KIND  = status=503                    the answer is this error
          | delay=2s                      the answer's first byte comes so much later
          | cut=headers                   the connection is closed without an answer
          | cut=body                      the answer breaks off in the middle of its body
          | rate=200k                     the body comes at so many bytes a second (k is 1024)
          | stale                         playlists stay as they were when the fault began
          | outage                        nothing listens on the origin's port

Knows the words and what they mean. Must not know who carries it out, nor what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from hlsswarm.core.quantities import format_duration, parse_duration, parse_size
from hlsswarm.errors import UsageError

__all__ = ["Fault", "Kind", "Target", "parse", "parse_planned"]

Kind = Literal["status", "delay", "cut-headers", "cut-body", "rate", "stale", "outage"]
"""What happens to a request that a fault meets."""
Target = Literal["segments", "playlists", "all"]
"""Which requests a fault meets."""

_EXAMPLE: Final = "Say, for example, `on=segments share=20% status=503 for=30s`."
_WORDS: Final = (
    "on= share= variant= for= at=, and one of status= delay= cut= rate= stale outage: "
    "`hlsswarm fault --help` says what they mean."
)
_KINDS: Final = ("status", "delay", "cut", "rate", "stale", "outage")
_PLAIN: Final = ("stale", "outage")
_OTHERS: Final = ("on", "share", "variant", "for", "at")
_VARIANT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%?")
_DELAY_MAX_SECONDS: Final = 600.0
_TIME_MAX_SECONDS: Final = 3650 * 86400.0
_RATE_MAX: Final = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. What a kind does not need is None; `share` is a fraction of 1, in 1/10000.

    `for_seconds` None lasts until it is stopped. `at_seconds` is from the start of a run.
    """

    kind: Kind
    on: Target = "segments"
    share: float = 1.0
    variant: str | None = None
    status: int | None = None
    delay_seconds: float | None = None
    rate_bytes: int | None = None
    """Bytes per second."""
    for_seconds: float | None = None
    at_seconds: float = 0.0

    @property
    def needs_server(self) -> bool:
        """Whether nginx cannot do this by itself."""
        return self.kind in {"delay", "cut-body"}

    @property
    def words(self) -> tuple[str, ...]:
        """The words that make this fault, without `at=`: `parse` gives the same one back."""
        return (*self._what(), *self._which(), *self._how_long())

    def __str__(self) -> str:
        """The words in one line."""
        return " ".join(self.words)

    def _what(self) -> tuple[str]:
        if self.kind == "status":
            return (f"status={self.status}",)
        if self.kind == "delay":
            return (f"delay={_seconds(self.delay_seconds or 0.0)}",)
        if self.kind == "rate":
            return (f"rate={_size(self.rate_bytes or 0)}",)
        return (self.kind.replace("-", "="),)

    def _which(self) -> list[str]:
        if self.kind == "outage":
            return []
        found = [f"on={self.on}"]
        if self.share < 1:
            found.append(f"share={self.share * 100:.2f}".rstrip("0").rstrip(".") + "%")
        if self.variant is not None:
            found.append(f"variant={self.variant}")
        return found

    def _how_long(self) -> list[str]:
        return [] if self.for_seconds is None else [f"for={_seconds(self.for_seconds)}"]


def parse(words: Iterable[str]) -> Fault:
    """The fault that these words make. Raises UsageError with what is wrong.

    `at=` is for plans alone.
    """
    fault = _parsed(words)
    if fault.at_seconds:
        raise UsageError("at= is for the faults of a plan (`run --fault`).", hint="Leave it out.")
    return fault


def parse_planned(text: str) -> Fault:
    """The fault that a plan names in one line. Raises UsageError with what is wrong."""
    return _parsed(text.split())


def _parsed(words: Iterable[str]) -> Fault:
    given: dict[str, str] = {}
    for word in words:
        name, value = _split(word)
        if name in given:
            raise UsageError(f"{name} is there twice.", hint=_EXAMPLE)
        given[name] = value
    kinds = [name for name in given if name in _KINDS]
    if len(kinds) != 1:
        told = f"{' and '.join(kinds)} exclude each other" if kinds else "What is to go wrong?"
        raise UsageError(
            f"{told}." if kinds else told,
            hint=f"Give exactly one of {', '.join(_KINDS)}. {_EXAMPLE}",
        )
    (kind,) = kinds
    _check_meaning(kind, given)
    return Fault(
        kind=_kind(kind, given),
        on=_target(given.get("on"), kind),
        share=_share(given["share"]) if "share" in given else 1.0,
        variant=_variant(given["variant"]) if "variant" in given else None,
        status=_status(given[kind]) if kind == "status" else None,
        delay_seconds=_delay(given[kind]) if kind == "delay" else None,
        rate_bytes=_rate(given[kind]) if kind == "rate" else None,
        for_seconds=_time("for", given["for"], least=0.001) if "for" in given else None,
        at_seconds=_time("at", given["at"], least=0.0) if "at" in given else 0.0,
    )


def _split(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if name not in (*_KINDS, *_OTHERS) or bool(equals) == (name in _PLAIN):
        raise UsageError(f"{word!r} is no word of a fault.", hint=f"There are {_WORDS}")
    return name, value


def _check_meaning(kind: str, given: dict[str, str]) -> None:
    """Raise UsageError for words that say nothing with this kind."""
    useless = [name for name in ("on", "share", "variant") if name in given]
    if kind == "outage" and useless:
        raise UsageError(
            f"outage closes the port for everybody: {useless[0]}= says nothing with it.",
            hint="Leave it out, or use cut=headers, which closes single connections.",
        )
    if kind == "stale" and given.get("on", "playlists") != "playlists":
        raise UsageError("stale is for playlists alone.", hint="Leave on= out.")


def _kind(name: str, given: dict[str, str]) -> Kind:
    found = f"cut-{given['cut']}" if name == "cut" else name
    for kind in get_args(Kind):
        if kind == found:
            return kind  # type: ignore[no-any-return]
    raise UsageError(f"cut={given['cut']} cannot be read.", hint="Give cut=headers or cut=body.")


def _target(text: str | None, kind: str) -> Target:
    if text is None:
        return "playlists" if kind == "stale" else "segments"
    for target in get_args(Target):
        if target == text:
            return target  # type: ignore[no-any-return]
    raise UsageError(
        f"on={text} cannot be read.", hint=f"Give one of {', '.join(get_args(Target))}."
    )


def _share(text: str) -> float:
    match = _SHARE.fullmatch(text)
    share = float(match[1]) if match else 0.0
    if not 0 < share <= 100:
        raise UsageError(
            f"share={text} cannot be read.",
            hint="Give a share above 0 % and at most 100 %, to the hundredth, such as share=20%.",
        )
    return share / 100


def _variant(text: str) -> str:
    if not _VARIANT.fullmatch(text) or ".." in text:
        raise UsageError(
            f"variant={text} cannot name a Rendition.",
            hint="Give the name of its directory, such as variant=720p.",
        )
    return text


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 400 <= int(text) <= 599):
        raise UsageError(
            f"status={text} is no error that an origin answers.",
            hint="Give a number from 400 to 599, such as status=503.",
        )
    return int(text)


def _delay(text: str) -> float:
    seconds = _time("delay", text, least=0.001)
    if seconds > _DELAY_MAX_SECONDS:
        raise UsageError(
            f"delay={text} is longer than any client waits.",
            hint=f"Give at most {format_duration(_DELAY_MAX_SECONDS)}.",
        )
    return seconds


def _rate(text: str) -> int:
    try:
        rate = parse_size(text)
    except ValueError:
        rate = 0
    if not 0 < rate <= _RATE_MAX:
        raise UsageError(
            f"rate={text} cannot be read.",
            hint="Give bytes per second, such as rate=200k (k is 1024).",
        )
    return rate


def _time(name: str, text: str, *, least: float) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = -1.0
    if not least <= seconds <= _TIME_MAX_SECONDS:
        more = " above 0" if least else ""
        raise UsageError(
            f"{name}={text} cannot be read.", hint=f"Give a time{more} such as {name}=30s."
        )
    return round(seconds, 3)


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _size(size_bytes: int) -> str:
    return f"{size_bytes >> 10}k" if size_bytes % 1024 == 0 else str(size_bytes)
