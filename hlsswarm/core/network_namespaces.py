"""`--network-namespace`: clients spread over network namespaces, and so over source addresses.

A connection takes one of some 28,000 ephemeral ports of its source address; where they run out,
clients need further addresses. ffmpeg's hls demuxer hands no address to bind to on to what a
playlist leads to (tcp's `local_addr` came after 5.1, and hls.c's list of options is without it, up
to 9.0), so each group of clients gets a network namespace that the administrator has made, with
an address, routes and ports of its own (NetworkNamespacePath=, systemd.exec(5)). Opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from hlsswarm.core.kinds import Kind, reads
from hlsswarm.core.unit_specs import Property

DIRECTORY = PurePosixPath("/run/netns")
"""Where `ip netns add NAME` puts them (ip-netns(8))."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.+-]*"


@reads(Kind("network namespace", pattern=rf"{_NAME}|/[^\u0000]+", example="clients1"))
def parse_namespace(text: str) -> str:
    """The path of a namespace, by its name or its path. Raises ValueError."""
    if re.fullmatch(_NAME, text):
        return str(DIRECTORY / text)
    if not text.startswith("/") or "\0" in text:
        raise ValueError(f"{text!r} is neither a name nor a path")
    return text


def namespace_of(place: int, namespaces: Sequence[str]) -> str | None:
    """The namespace of the client that stands at `place` (from 0) of its machine's: in turn."""
    return namespaces[place % len(namespaces)] if namespaces else None


def properties(path: str | None) -> tuple[Property, ...]:
    """What a client's unit has for it."""
    return () if path is None else (Property("NetworkNamespacePath", "s", path),)


def sentence(namespaces: Sequence[str]) -> str:
    """How clients are spread."""
    names = (path.removeprefix(f"{DIRECTORY}/") for path in namespaces)
    return f"Clients are in turn in the network namespaces {', '.join(names)}."
