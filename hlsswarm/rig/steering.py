"""Steering a rig that runs: start, stop, change; what was steered outlives the daemon.

Everything that changes which items there are, or how large they are, goes through here, one
change after the other: orders of people, and a reload of the file.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_checks import contradictions
from hlsswarm.core.rig_difference import Difference, difference
from hlsswarm.core.rig_items import read_item
from hlsswarm.core.rig_sections import BY_NAME, ITEMS
from hlsswarm.core.rig_steered import Key, Steered, by_key, steered, table_of, with_steered
from hlsswarm.core.setting_values import Wrong
from hlsswarm.errors import ConfigurationError, UsageError
from hlsswarm.rig.configured import add, apply
from hlsswarm.rig.rig import Rig

SECTIONS = tuple(section.name for section in ITEMS)
_ENDED = frozenset({"stopped", "finished"})
_AT_START = frozenset({"manager", "metrics", "api"})
"""What a daemon looks at when it begins, and never again."""


class NotThereError(UsageError):
    """What is to be steered is not there."""


class NotNowError(UsageError):
    """It cannot be done in the state that the rig is in."""


class WrongTableError(UsageError):
    """A table that cannot be meant; `wrong` is everything that is wrong with it."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        super().__init__(wrong[0].sentence, hint=wrong[0].hint or None)
        self.wrong = tuple(wrong)


class Steering:
    """The rig with what it is meant to be: its file, and what was steered since."""

    def __init__(self, rig: Rig, file: RigConfig, read_config: Callable[[], RigConfig]) -> None:
        self.rig = rig
        self.config = file
        self._file = file
        self._read_config = read_config
        self._one_after_the_other = asyncio.Lock()

    async def begin(self) -> None:
        """Begin to keep what is configured, as it was steered before."""
        self.config = self._as_steered(self._file, _steered_of(self.rig))
        await apply(self.rig, RigConfig(), self.config)
        self.rig.begun()
        self._note()

    async def reload(self) -> list[str]:
        """Read the file again, and do what has changed in it; that, a line each.

        What was steered stays, unless the file says something else there now. Raises
        ConfigurationError for a file that cannot be meant, and nothing is changed then.
        """
        async with self._steered():
            file = await asyncio.to_thread(self._read_config)
            new = self._as_steered(file, steered(self._file, self.config))
            lines = list(_told(difference(self.config, new)))
            await apply(self.rig, self.config, new)
            self._file, self.config = file, new
        return lines

    def _as_steered(self, file: RigConfig, changes: Sequence[Steered]) -> RigConfig:
        config, dropped = with_steered(file, changes)
        for change in dropped:
            self.rig.events.add(
                "as-in-file", change.name, "it is again as the file has it", role=change.section
            )
        return config

    @contextlib.asynccontextmanager
    async def _steered(self) -> AsyncIterator[None]:
        async with self._one_after_the_other:
            yield
            self._note()
            self.rig.save()  # what was ordered and done must outlive us from now on

    def _note(self) -> None:
        self.rig.steered = [each.as_dict() for each in steered(self._file, self.config)]

    # --- orders ------------------------------------------------------------------------------

    def item(self, section: str, name: str) -> Item[Any]:
        """The item of this section and name, running or not. Raises NotThereError."""
        found = by_key(self.config).get((section, name))
        if found is None:
            there = [item.name for item in self.config.items() if item.section == section]
            raise NotThereError(
                f"There is no {section} {name!r}.", hint=f"There is: {', '.join(there) or 'none'}."
            )
        return found

    async def add(self, section: str, table: Mapping[str, Any]) -> Item[Any]:
        """Start what a `[[section]]` table describes. Raises WrongTableError, NotNowError."""
        async with self._steered():
            item = self._read(section, table)
            if (section, item.name) in by_key(self.config):
                raise NotNowError(
                    f"There is a {section} {item.name!r} already.",
                    hint="Change or remove it, or choose another name.",
                )
            self.config = self._begun(item)
            self._tell("added", section, item.name)
            return item

    async def start(self, section: str, name: str) -> None:
        """Start an item that does not run. Raises NotThereError, NotNowError."""
        async with self._steered():
            item = self.item(section, name)
            if self._runs((section, name)):
                raise NotNowError(f"The {section} {name!r} runs already.")
            table = {**table_of(item), "enabled": True}
            self.config = self._begun(self._read(section, table, beside=name))

    async def stop(self, section: str, name: str) -> None:
        """End an item; it is still known, and can be started again. Raises NotThereError."""
        async with self._steered():
            item = self.item(section, name)
            table = {**table_of(item), "enabled": False}
            self.config = self.config.with_item(self._read(section, table, beside=name))
            await self._end((section, name), forget=section != "swarm")
            self._tell("stopped", section, name)

    async def remove(self, section: str, name: str) -> None:
        """End an item and forget it. Raises NotThereError."""
        async with self._steered():
            self.item(section, name)
            self.config = self.config.without(section, name)
            await self._end((section, name), forget=True)
            self._tell("removed", section, name)

    async def change(self, section: str, name: str, changes: Mapping[str, Any]) -> None:
        """Change settings of an item; of one that runs, those that it can be given as it runs.

        Raises NotThereError, WrongTableError, NotNowError, UnitError.
        """
        async with self._steered():
            item = self.item(section, name)
            if changes.keys() & {"name", "enabled"}:
                raise UsageError("These are no settings: name, enabled.", hint="Start or stop it.")
            made = self._read(section, {**table_of(item), **changes}, beside=name)
            new = self.config.with_item(made)
            for change in difference(self.config, new).changed:
                if not change.is_live and self._runs((section, name)):
                    fixed = ", ".join(change.restart)
                    raise NotNowError(
                        f"The {section} {name!r} runs: {fixed} cannot be changed now.",
                        hint="Stop it, change it, start it.",
                    )
            if self._runs((section, name)):
                await apply(self.rig, self.config, new)
            self.config = new

    # --- within an order ---------------------------------------------------------------------

    def _read(
        self, section: str, table: Mapping[str, Any], *, beside: str | None = None
    ) -> Item[Any]:
        """The item of a table. Raises WrongTableError, also for what contradicts the rig."""
        item, wrong = read_item(BY_NAME[section], table)
        if not wrong:
            known = self.config if beside is None else self.config.without(section, beside)
            before = {each.sentence for each in contradictions(known)}
            wrong = [
                Wrong(each.path[2:], each.sentence, each.hint)
                for each in contradictions(known.with_item(item))
                if each.sentence not in before
            ]
        if wrong:
            raise WrongTableError(wrong)
        return item

    def _tell(self, kind: str, section: str, name: str) -> None:
        label = name if section == "swarm" else f"{section} {name}"
        self.rig.events.add(kind, label, "by order", role=section)

    def _begun(self, item: Item[Any]) -> RigConfig:
        if item.enabled:
            add(self.rig, item)
        return self.config.with_item(item)

    def _runs(self, key: Key) -> bool:
        if key[0] != "swarm":
            return key in self.rig.items
        swarm = self.rig.swarms.get(key[1])
        return swarm is not None and swarm.state not in _ENDED

    async def _end(self, key: Key, *, forget: bool) -> None:
        section, name = key
        if section != "swarm":
            if key in self.rig.items:
                await self.rig.remove_item(section, name)
        elif name in self.rig.swarms:
            await (self.rig.remove_swarm(name) if forget else self.rig.stop_swarm(name))


def _told(change: Difference) -> Iterator[str]:
    """What a reload does, a line each, and what it cannot do."""
    late = {f"change {table}" for table in change.tables if table in _AT_START}
    yield from (line for line in change.lines() if line not in late)
    yield from (f"{line}: when the daemon is started again" for line in sorted(late))


def _steered_of(rig: Rig) -> list[Steered]:
    """What the daemon before has left; what cannot be read is left out."""
    found = []
    for document in rig.steered:
        with contextlib.suppress(KeyError, ValueError, TypeError, ConfigurationError):
            found.append(Steered.from_dict(document))
    return found
