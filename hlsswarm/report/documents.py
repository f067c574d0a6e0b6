"""Frozen dataclasses to plain documents (TOML, JSON) and back, by their annotations. Pure.

For the records of core that have no reader of their own: Plan, Summary, Evidence. A field that a
document lacks takes the dataclass's default, or raises KeyError; one that the dataclass lacks is
left out, so that reports read what a later version has written as far as they understand it.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from hlsswarm.core.headers import Header, redact
from hlsswarm.core.plan import Plan
from hlsswarm.core.thresholds import Threshold

PLAN_SCHEMA = "hlsswarm.plan/1"
_T = TypeVar("_T")


def plan_document(plan: Plan) -> dict[str, Any]:
    """A plan as TOML can have it, without the secrets in headers and URLs."""
    document: dict[str, Any] = _plain(plan)
    return {"schema": PLAN_SCHEMA, **document}


def _plain(value: Any) -> Any:
    """Tables, lists, numbers and text; None, which TOML does not know, falls out of tables."""
    if isinstance(value, Header):
        return value.shown
    if isinstance(value, Threshold):
        return str(value)
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value if item is not None]
    return _scalar(value)


def _scalar(value: Any) -> bool | int | float | str:
    if isinstance(value, enum.Enum):
        value = value.value
    return value if isinstance(value, (bool, int, float)) else redact(str(value))


def made_of(kind: type[_T], document: Mapping[str, Any]) -> _T:
    """A dataclass of its document. Raises KeyError, TypeError, ValueError for what does not fit."""
    hints = typing.get_type_hints(kind)
    given: dict[str, Any] = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in document:
            given[field.name] = _typed(hints[field.name], document[field.name])
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise KeyError(field.name)
    return kind(**given)


def _typed(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {types.UnionType, typing.Union}:
        known = [kind for kind in arguments if kind is not type(None)]
        return None if value is None else _typed(known[0], value)
    if origin is tuple:
        return tuple(_typed(arguments[0], item) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        key, item = arguments
        return {_typed(key, name): _typed(item, one) for name, one in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return made_of(hint, value)
    return hint(value) if hint in {int, float, str, bool} else value
