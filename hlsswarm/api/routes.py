"""What an operation is, and how a request finds its own. Pure: no HTTP library is known here.

One table of operations (`table`) is the router and the OpenAPI document, so neither can have what
the other has not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

from hlsswarm.api.errors import ApiError
from hlsswarm.rig.daemon import Controls

_T = TypeVar("_T")
JSON = "application/json"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """An answer. A `body` that is no bytes is written as JSON."""

    body: Any = None
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = JSON


@dataclass(frozen=True)
class Stream:
    """An answer without an end."""

    parts: AsyncIterator[bytes]
    content_type: str


@dataclass(frozen=True)
class Call:
    """One request, taken apart: path and query as their schemas say, the body as JSON."""

    controls: Controls
    threads: Executor
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    async def in_thread(self, function: Callable[[], _T]) -> _T:
        """Have something done that blocks."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, function)


Handler = Callable[[Call], Awaitable[Reply | Stream]]


@dataclass(frozen=True)
class Parameter:
    """A part of the path, or of the query, or a header; `schema` says integer, number or string."""

    name: str
    help: str
    schema: Schema
    where: Literal["path", "query", "header"] = "path"

    def read(self, text: str) -> Any:
        """The value. Raises ValueError."""
        kind = self.schema["type"]
        if kind == "string":
            if "\0" in text or text not in self.schema.get("enum", (text,)):
                raise ValueError(text)
            return text
        if not re.fullmatch(r"-?\d{1,18}(\.\d{1,9})?", text, re.ASCII):
            raise ValueError(text)
        value = int(text) if kind == "integer" else float(text)
        least, most = self.schema.get("minimum", value), self.schema.get("maximum", value)
        if not least <= value <= most:
            raise ValueError(text)
        return value


@dataclass(frozen=True)
class Answer:
    """What comes back when all is well: a schema of JSON, or text of another type."""

    help: str
    schema: Schema | None = None
    content_type: str = JSON
    status: HTTPStatus = HTTPStatus.OK


@dataclass(frozen=True)
class Operation:
    """One method of one path. `errors` are statuses besides those that every operation may give."""

    method: str
    path: str
    name: str
    help: str
    handler: Handler
    answer: Answer
    parameters: Sequence[Parameter] = ()
    body: Schema | None = None
    errors: Sequence[HTTPStatus] = ()
    open: bool = False
    """Whether it answers without a token."""
    section: str = field(default="rig")
    """Under which documents list it."""


@dataclass(frozen=True)
class Match:
    """An operation, and what the path says."""

    operation: Operation
    path: Mapping[str, Any]


class Router:
    """Finds operations by method and path."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = [(_words(each.path), each) for each in operations]

    def find(self, method: str, raw_path: str) -> Match:
        """The operation; a path is still percent-encoded. Raises ApiError 404 and 405."""
        words = _words(raw_path)
        there = [each for pattern, each in self._operations if _fits(pattern, words)]
        if not there:
            raise ApiError(
                HTTPStatus.NOT_FOUND, "There is no such path.", "/v1/openapi.json has all of them."
            )
        wanted = "GET" if method == "HEAD" else method
        for operation in there:
            if operation.method == wanted:
                return Match(operation, _path_values(operation, words))
        methods = ", ".join(sorted({each.method for each in there}))
        raise ApiError(
            HTTPStatus.METHOD_NOT_ALLOWED, f"This path cannot be {method[:20]}.", f"Use {methods}."
        )

    def methods(self, raw_path: str) -> list[str]:
        """What a path can be asked with."""
        words = _words(raw_path)
        return sorted({each.method for pattern, each in self._operations if _fits(pattern, words)})


def _words(path: str) -> list[str]:
    return path.split("/")


def _fits(pattern: Sequence[str], words: Sequence[str]) -> bool:
    return len(pattern) == len(words) and all(
        bool(word) if want.startswith("{") else want == word
        for want, word in zip(pattern, words, strict=True)
    )


def _path_values(operation: Operation, words: Sequence[str]) -> dict[str, Any]:
    rows = {each.name: each for each in operation.parameters if each.where == "path"}
    values = {}
    for want, word in zip(_words(operation.path), words, strict=True):
        if want.startswith("{"):
            name = want[1:-1]
            try:
                values[name] = rows[name].read(unquote(word, errors="strict"))
            except ValueError:
                raise ApiError(
                    HTTPStatus.NOT_FOUND, f"This can be no {name}: {word[:80]}."
                ) from None
    return values


def query_values(operation: Operation, given: Mapping[str, str]) -> dict[str, Any]:
    """The query's values. Raises ApiError 400."""
    rows = {each.name: each for each in operation.parameters if each.where == "query"}
    values = {}
    for name, text in given.items():
        if name not in rows:
            there = ", ".join(rows) or "none"
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                f"There is no parameter {name[:40]!r} here.",
                f"There is: {there}.",
            )
        try:
            values[name] = rows[name].read(text)
        except ValueError:
            raise ApiError(
                HTTPStatus.BAD_REQUEST, f"{name}={text[:40]} cannot be read.", rows[name].help
            ) from None
    return values
