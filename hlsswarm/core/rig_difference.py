"""What a reload has to do: the difference between the rig that is and the rig that is wanted.

    old  a  b  c  d            a  is not disturbed
    new  a  b' c'    e         b  is changed while it runs, c  is started again
                               d  is ended, e  is started

What is disabled does not run, so to enable is to start, and to disable is to end. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_sections import BY_NAME, SINGLE


@dataclass(frozen=True)
class Change:
    """An item that is different now. `live` are names of settings that what runs can be given;
    `restart` those for which it has to be started again.
    """

    old: Item[Any]
    new: Item[Any]
    live: tuple[str, ...]
    restart: tuple[str, ...]

    @property
    def is_live(self) -> bool:
        """Whether it can go on running."""
        return not self.restart


@dataclass(frozen=True)
class Difference:
    """Items by what becomes of them. `tables` are names of the other tables (and `manager`) that
    changed.
    """

    added: tuple[Item[Any], ...] = ()
    removed: tuple[Item[Any], ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: tuple[Item[Any], ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.added or self.removed or self.changed or self.tables)

    def lines(self) -> Iterator[str]:
        """What there is to do, a line each."""
        yield from (f"end {item}" for item in self.removed)
        for change in self.changed:
            names = ", ".join((*change.restart, *change.live))
            how = "change" if change.is_live else "start again"
            yield f"{how} {change.new}: {names}"
        yield from (f"start {item}" for item in self.added)
        yield from (f"change {table}" for table in self.tables)


def difference(old: RigConfig, new: RigConfig) -> Difference:
    """What makes the `new` rig of the `old` one."""
    before = {(item.section, item.name): item for item in old.items() if item.enabled}
    after = {(item.section, item.name): item for item in new.items() if item.enabled}
    both = [(before[key], item) for key, item in after.items() if key in before]
    changes = [_change(one, other) for one, other in both if one != other]
    tables = ("manager", *(section.name for section in SINGLE))
    return Difference(
        added=tuple(item for key, item in after.items() if key not in before),
        removed=tuple(item for key, item in before.items() if key not in after),
        changed=tuple(changes),
        unchanged=tuple(other for one, other in both if one == other),
        tables=tuple(name for name in tables if getattr(old, name) != getattr(new, name)),
    )


def _change(old: Item[Any], new: Item[Any]) -> Change:
    rows = BY_NAME[new.section].settings
    other = [row for row in rows if old.values[row.key] != new.values[row.key]]
    return Change(
        old,
        new,
        live=tuple(row.name for row in other if row.live),
        restart=tuple(row.name for row in other if not row.live),
    )
