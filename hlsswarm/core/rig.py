"""A rig: all that one machine is to run for good.

    text ──rig_reading──► RigConfig ──rig_text──► text
                              └── rig_difference: what a reload has to do

An item keeps what was given in the file's own words (`given`), so that it can be written again,
every setting's value (`values`), and what its command works with (`options`). Two items with the
same values are equal, however they were written. Pure, as all rig_… here: no file is
opened, and no systemd asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from hlsswarm.core.encoder_options import EncoderOptions
from hlsswarm.core.origin_options import OriginOptions
from hlsswarm.core.plan import Plan
from hlsswarm.core.rig_sections import BY_NAME, ITEMS, Values

_Options_co = TypeVar("_Options_co", covariant=True)


@dataclass(frozen=True)
class Item(Generic[_Options_co]):
    """One thing of a rig. `section` is its table's name: origin, encoder, …

    `options` is what its command works with: a Plan, OriginOptions, EncoderOptions, or `values`.
    None for a disabled item that lacks what it needs. Headers in files are not in a Plan yet.
    """

    section: str
    name: str
    enabled: bool
    values: Values
    options: _Options_co | None = field(compare=False)
    given: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def run(self) -> str:
        """The run that it is, by which systemd's slices are named."""
        return BY_NAME[self.section].run_of(self.name, self.values)

    def __str__(self) -> str:
        """As messages name it: `swarm "evening"`."""
        return f'{self.section} "{self.name}"'


@dataclass(frozen=True)
class RigConfig:
    """What is to run. `metrics`, `api` and `limits` are values by setting's key."""

    manager: str = "auto"
    metrics: Values = field(default_factory=lambda: defaults("metrics"))
    api: Values = field(default_factory=lambda: defaults("api"))
    limits: Values = field(default_factory=lambda: defaults("limits"))
    origins: tuple[Item[OriginOptions], ...] = ()
    encoders: tuple[Item[EncoderOptions], ...] = ()
    ladders: tuple[Item[Values], ...] = ()
    publishers: tuple[Item[Values], ...] = ()
    swarms: tuple[Item[Plan], ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What the file says besides items, in its own words."""

    def items(self) -> Iterator[Item[Any]]:
        """Every item, in the order in which they are started."""
        for section in ITEMS:
            yield from getattr(self, f"{section.name}s")

    def with_item(self, item: Item[Any]) -> RigConfig:
        """This rig with an item added, or in the place of the one of its section and name."""
        field_name = f"{item.section}s"
        there: tuple[Item[Any], ...] = getattr(self, field_name)
        known = any(each.name == item.name for each in there)
        kept = tuple(item if each.name == item.name else each for each in there)
        changes: dict[str, Any] = {field_name: kept if known else (*there, item)}
        return replace(self, **changes)

    def without(self, section: str, name: str) -> RigConfig:
        """This rig without an item."""
        kept = tuple(each for each in getattr(self, f"{section}s") if each.name != name)
        changes: dict[str, Any] = {f"{section}s": kept}
        return replace(self, **changes)


def defaults(section: str) -> Values:
    """The values of a table that says nothing."""
    return {row.key: row.default_value for row in BY_NAME[section].settings}
