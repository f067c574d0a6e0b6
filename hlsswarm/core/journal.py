"""What the journal is told: the kinds of messages with their fixed ids, and how fields are written.

Ids: systemd.journal-fields(7), MESSAGE_ID=; systemd/hlsswarm.catalog explains each (`journalctl
-x`). Bytes: "Native Journal Protocol", systemd.io/JOURNAL_NATIVE_PROTOCOL. Knows no socket.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

IDENTIFIER = "hlsswarm"
MESSAGE_BYTES_MAX = 4096
"""Of a message that is longer, the rest is left out: a datagram has to take the record."""
_FIELD = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True)
class MessageKind:
    """A kind of message: `priority` as in syslog(3), `message_id` 128 random bits in hex."""

    name: str
    message_id: str
    priority: int
    subject: str
    """What has happened, as the catalog says it."""


MESSAGE_KINDS = (
    MessageKind("running", "ac4e157dcf074af4874a1204906446e8", 6, "A part of the rig runs"),
    MessageKind(
        "waiting", "f7d53afd02ee481fb03bd6a51c6b2a4a", 4, "A part of the rig cannot run now"
    ),
    MessageKind("stopped", "b9e4737af0264ac3883594e928e680cb", 5, "A part of the rig was stopped"),
    MessageKind(
        "failure",
        "d6cc541ae6fa438191bb58d4b2dc9992",
        4,
        "A client's process has ended before it should",
    ),
    MessageKind(
        "over-limit",
        "6208e8c0bfe3485a99071f7cd9957834",
        4,
        "A client was killed because it ran out of memory",
    ),
    MessageKind("stall", "83562047838c480f8ba6c6dc68790b89", 4, "Playback has stalled"),
    MessageKind(
        "stopped-by-hand", "3408a1bf3ba54d0ca1194f5fc78fbe12", 5, "Somebody has stopped clients"
    ),
    MessageKind(
        "threshold-failed", "1189fc379ef74282a2a4f0e5725631a3", 4, "A threshold is not met"
    ),
    MessageKind("threshold-met", "32b4dc5051544b179808d444db76aa9d", 5, "A threshold is met again"),
    MessageKind(
        "verdict", "67746bfaa1a24a5994091ebb788693db", 5, "A swarm has ended, with a verdict"
    ),
    MessageKind("resized", "5d6582f9561b405fa42f1173ab7f825c", 5, "A swarm has another size"),
    MessageKind("paused", "8088367b9ad34aa1a68178f1fc6429da", 5, "A swarm's ramp stands still"),
    MessageKind("added", "88bec9f516424ed3aaf77fe1e61b860d", 5, "A part was added to the rig"),
    MessageKind(
        "removed", "97d4b546aa7343c7891ee8b1d9e46152", 5, "A part was removed from the rig"
    ),
    MessageKind(
        "reloaded", "39fbf57548dd49fd8ad06ce6e819c754", 5, "The configuration was read again"
    ),
    MessageKind(
        "refused", "f181944ea4594469a9e85ef53fab3e61", 3, "An item of the rig cannot be kept"
    ),
    MessageKind(
        "reload-refused", "fa7d6bfe4b404c1eab03def7730eca43", 3, "The configuration cannot be meant"
    ),
    MessageKind(
        "as-in-file",
        "b209884d61bc4fe9a03e44119ee8bdd6",
        5,
        "What was steered by hand is as the file has it again",
    ),
    MessageKind("systemd-lost", "dc18c49bd6d64e478780cc39c82a83a7", 4, "systemd does not answer"),
    MessageKind("systemd-back", "fa6eb6a3a1054a66a1cc4b46c4173972", 5, "systemd answers again"),
    MessageKind(
        "not-saved",
        "6e70a7872009454491fc32578481d3b2",
        3,
        "What is known of the rig cannot be saved",
    ),
    MessageKind(
        "saved-again",
        "2b533f8181004bc8aabb878edc234b98",
        5,
        "What is known of the rig is saved again",
    ),
    MessageKind("left-out", "d2656261ed84483c8c0a1d64c4f60570", 4, "Messages were left out"),
)
_PLAIN = MessageKind("", "", 6, "")
_BY_NAME: Mapping[str, MessageKind] = MappingProxyType({kind.name: kind for kind in MESSAGE_KINDS})


def message_kind(name: str) -> MessageKind:
    """The kind of this name; one without an id for a name that is not in the table."""
    return _BY_NAME.get(name, _PLAIN)


def encoded(fields: Iterable[tuple[str, str]]) -> bytes:
    """A record in journald's native protocol; fields with an empty value are left out.

    A value of one line is written as text, any other with its length, so that no value can end
    its field, or begin another record. Raises ValueError for what is no name of a field.
    """
    return b"".join(_field(name, value) for name, value in fields if value)


def _field(name: str, value: str) -> bytes:
    if not _FIELD.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a journal field")
    data = value.encode(errors="replace")
    if len(data) > MESSAGE_BYTES_MAX:
        data = data[:MESSAGE_BYTES_MAX].decode(errors="ignore").encode() + "…".encode()
    if b"\n" in data:
        return name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
    return name.encode() + b"=" + data + b"\n"
