"""What cannot be in a rig as a whole, though each of its tables can be meant.

Works on what could be read: a value that is None is wrong by itself and was told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hlsswarm.core.plan import Address
from hlsswarm.core.rig import Item, RigConfig
from hlsswarm.core.rig_sections import ITEMS
from hlsswarm.core.setting_values import Path, Wrong

_ANYWHERE = {"0.0.0.0", "::", ""}
_LOOPBACK = {"localhost": "127.0.0.1"}
_WRITTEN = ("access-log",)
"""Settings that name what an item writes, and nobody else can."""


def contradictions(config: RigConfig) -> Iterator[Wrong]:
    """Everything in the rig that contradicts something else in it; lines are not known here."""
    yield from _names(config)
    yield from _addresses(config)
    yield from _files(config)
    yield from _api(config)


def _placed(config: RigConfig) -> Iterator[tuple[Path, Item[Any]]]:
    """Every item, with its place in the file."""
    for section in ITEMS:
        for number, item in enumerate(getattr(config, f"{section.name}s")):
            yield (section.name, number), item


def _names(config: RigConfig) -> Iterator[Wrong]:
    seen: dict[tuple[str, str], Item[Any]] = {}
    runs: dict[str, Item[Any]] = {}
    for place, item in _placed(config):
        if not item.name:
            continue
        if (item.section, item.name) in seen:
            yield Wrong(
                (*place, "name"), f"There are two of the name {item.name!r}.",
                f"Give each {item.section} a name of its own.",
            )  # fmt: skip
        seen[item.section, item.name] = item
        other = runs.setdefault(item.run, item)
        if other.section != item.section:
            yield Wrong(
                (*place, "name"), f"{other} has the same run, {item.run}, in systemd.",
                "Give one of them another name.",
            )  # fmt: skip


def _addresses(config: RigConfig) -> Iterator[Wrong]:
    taken: dict[int, list[tuple[str, Address]]] = {}
    for place, who, address in _listeners(config):
        clash = next(
            (other for other, there in taken.get(address.port, ()) if _overlap(address, there)),
            None,
        )
        if address.port == 0:
            continue
        if clash is not None:
            yield Wrong(place, f"Port {address.port} is taken by {clash}.", "Choose another port.")
        taken.setdefault(address.port, []).append((who, address))


def _listeners(config: RigConfig) -> Iterator[tuple[Path, str, Address]]:
    for section, values in (("metrics", config.metrics), ("api", config.api)):
        if values.get("listen") is not None:
            yield (section, "listen"), f"[{section}]", values["listen"]
    for place, item in _placed(config):
        if not item.enabled:
            continue
        port, listen = item.values.get("port"), item.values.get("listen")
        if port is not None and listen is not None:
            yield (*place, "port"), str(item), Address(listen, port)
        if isinstance(item.values.get("metrics"), Address):
            yield (*place, "metrics"), f"the metrics of {item}", item.values["metrics"]


def _overlap(one: Address, other: Address) -> bool:
    hosts = {_LOOPBACK.get(address.host, address.host) for address in (one, other)}
    return len(hosts) == 1 or bool(hosts & _ANYWHERE)


def _files(config: RigConfig) -> Iterator[Wrong]:
    taken: dict[Any, Item[Any]] = {}
    for place, item in _placed(config):
        for name in _WRITTEN:
            path = item.values.get(name.replace("-", "_"))
            if path is None or not item.enabled:
                continue
            other = taken.setdefault(path, item)
            if other is not item:
                yield Wrong((*place, name), f"{other} writes {path} too.", "Choose another.")


def _api(config: RigConfig) -> Iterator[Wrong]:
    api, given = config.api, config.given.get("api", {})
    if api.get("listen") is not None and "token-file" not in given:
        yield Wrong(
            ("api", "listen"), "Over TCP anybody could steer the rig.",
            'Give token-file = "/etc/hlsswarm/token", or listen = "off".',
        )  # fmt: skip
    for one, other in (("tls-cert", "tls-key"), ("tls-key", "tls-cert")):
        if one in given and other not in given:
            yield Wrong(("api", one), f"It is of no use without {other}.", f"Give {other}.")
