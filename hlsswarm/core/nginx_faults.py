"""Faults in nginx's words: which request a fault meets, as maps and regular expressions.

Knows `split_clients`, `map` and nginx's regular expressions (PCRE). Must not know where the text
stands in a configuration (nginx.conf.j2), nor how a fault comes into force.

    $fault_3        1 for a request that fault 3 meets: by its path, and by chance where it has a
                    share. $request_id is drawn once for each request; the fault's own number
                    after it makes the faults' chances independent.
    $fault          the number of the first fault that meets the request; 0 for none
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.core.faults import Fault

__all__ = [
    "CUT",
    "PASSED_ON",
    "SERVED",
    "ActiveFault",
    "FaultPaths",
    "delay_of",
    "first_that_matches",
    "server_word_of",
    "uri_pattern",
]

PASSED_ON: Final = "/.hlsswarm-fault"
"""Requests for the fault server: `/.hlsswarm-fault/WORD/path`."""
CUT: Final = "cut"
DELAY: Final = "delay-"
_DELAY: Final = re.compile(r"[0-9]{1,4}\.[0-9]{3}")
SERVED: Final = "/.hlsswarm-served"
"""Where the fault server sends nginx for a file that is to be served after all."""


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault in force. Numbers grow: of two that meet a request, the lower one has it."""

    number: int
    fault: Fault
    stale_root: Path | None = None
    """Where the playlists are as they were when a stale fault began."""

    def __post_init__(self) -> None:
        """Raise ValueError for a number that cannot name a variable, or playlists nowhere."""
        if self.number < 1:
            raise ValueError(f"a fault's number is at least 1, not {self.number}")
        if (self.fault.kind == "stale") != (self.stale_root is not None):
            raise ValueError("a stale fault, and no other, has playlists of its own")

    @property
    def share_percent(self) -> str | None:
        """The share for `split_clients`; None where every request is met."""
        share = self.fault.share
        return None if share >= 1 else f"{share * 100:.2f}%"

    @property
    def server_word(self) -> str:
        """What the fault server is to do, as a part of a path."""
        return CUT if self.fault.kind == "cut-body" else f"{DELAY}{self.fault.delay_seconds:.3f}"


@dataclass(frozen=True, slots=True)
class FaultPaths:
    """Sockets that faults need."""

    control: Path
    """nginx tells there which configuration it serves by; it is there even in an outage."""
    server: Path
    """The fault server, for what nginx cannot do."""


def server_word_of(target: str) -> tuple[str, str] | None:
    """The word and the path in a target that nginx passed on; None for any other target."""
    word, slash, path = target.removeprefix(f"{PASSED_ON}/").partition("/")
    if not slash or not target.startswith(f"{PASSED_ON}/"):
        return None
    return word, f"/{path}"


def delay_of(word: str) -> float | None:
    """Seconds that a word asks for; None for a word that asks for no delay."""
    number = word.removeprefix(DELAY)
    if not word.startswith(DELAY) or not _DELAY.fullmatch(number):
        return None
    return float(number)


def uri_pattern(fault: Fault, *, segments: Sequence[str], playlist: str, key: str) -> str:
    """A regular expression for the paths that a fault meets; arguments are file extensions."""
    extensions = {"segments": segments, "playlists": [playlist], "all": [*segments, playlist, key]}
    below = f"/{re.escape(fault.variant)}/" if fault.variant is not None else "/"
    return rf"{below}.*\.(?:{'|'.join(extensions[fault.on])})$"


def first_that_matches(faults: Sequence[ActiveFault]) -> list[tuple[str, int]]:
    """Patterns over the faults' answers in a row (`0010…`), each with the number it stands for."""
    return [(f"^{'0' * index}1", active.number) for index, active in enumerate(faults)]
