"""The parts of the bench: each measures one thing and gives a document for the results.

A part can be run alone, and needs no other. What all of them are given is `Work`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.place import Place
from bench.sizes import Sizes

Document = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """Another load generator's program; `name` says how it is called (parts/peers.py)."""

    name: str
    path: Path


@dataclass(frozen=True)
class Work:
    """What a part is given."""

    place: Place
    sizes: Sizes
    say: Callable[[str], None]
    peers: Sequence[Peer] = ()
    peer_ffmpeg: str | None = None
    chosen: Mapping[str, str] = field(default_factory=dict)
