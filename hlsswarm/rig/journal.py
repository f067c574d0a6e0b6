"""Where what happens in a rig is written down: the journal, with fields, or plain lines.

    journalctl HLSSWARM_SWARM=evening          journalctl -x -t hlsswarm        (explained)
    journalctl -u hlsswarm-evening-client-0007.service       (OBJECT_SYSTEMD_UNIT=)

Only where stderr is the journal's already: what a person started tells him, on his terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from hlsswarm.core import names
from hlsswarm.core.journal import IDENTIFIER, encoded, message_kind
from hlsswarm.rig.events import Event
from hlsswarm.units.journal import JournalSocket, is_journal

Say = Callable[[str], None]
_SWARM = "swarm"


def writer(say: Say) -> Callable[[Event], None]:
    """Who writes events down in this process; `say` takes a line."""
    if is_journal(sys.stderr.fileno()):
        journal = JournalSocket()
        return lambda event: _write(journal, event, say)
    return lambda event: say(line(event))


def _write(journal: JournalSocket, event: Event, say: Say) -> None:
    if not journal.send(encoded(fields(event))):
        # sd-daemon(3): the journal takes such a number at a line's beginning for its priority.
        say(f"<{message_kind(event.kind).priority}>{line(event)}")


def line(event: Event) -> str:
    """An event as one line of text."""
    words = f"{event.item} {event.kind}" + (f": {event.message}" if event.message else "")
    return " ".join(words.splitlines())


def fields(event: Event) -> Iterator[tuple[str, str]]:
    """An event as the journal's fields (systemd.journal-fields(7)); those of ours:

    HLSSWARM_EVENT the kind, HLSSWARM_ROLE what it is about (a section of the configuration,
    `client`, or `rig`), HLSSWARM_ITEM its name; of swarms HLSSWARM_SWARM, HLSSWARM_RUN and
    HLSSWARM_CLIENT.
    """
    kind = message_kind(event.kind)
    yield "MESSAGE", line(event)
    yield "MESSAGE_ID", kind.message_id
    yield "PRIORITY", str(kind.priority)
    yield "SYSLOG_IDENTIFIER", IDENTIFIER
    yield "HLSSWARM_EVENT", event.kind
    yield "HLSSWARM_ROLE", event.role if event.client is None else "client"
    yield "HLSSWARM_ITEM", event.item
    if event.message:
        yield "HLSSWARM_MESSAGE", event.message
    if event.role != _SWARM:
        return
    yield "HLSSWARM_SWARM", event.item
    yield "HLSSWARM_RUN", event.item
    unit = names.run_slice(event.item)
    if event.client is not None:
        yield "HLSSWARM_CLIENT", str(event.client)
        unit = names.client_unit(event.item, event.client)
    yield "OBJECT_SYSTEMD_UNIT", unit
