"""The OpenAPI document (3.1), made of the table of operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import hlsswarm
from hlsswarm.api.routes import JSON, Operation
from hlsswarm.api.schemas import components, named

_DESCRIPTION = """\
Steers a rig that `hlsswarm serve` keeps. On the unix socket whoever may open it may call it; over \
TCP every request needs the token, but for those that say so.
"""


def openapi(operations: tuple[Operation, ...]) -> dict[str, Any]:
    """The document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "hlsswarm",
            "version": hlsswarm.__version__,
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": each} for each in dict.fromkeys(each.section for each in operations)],
        "paths": paths,
        "components": {
            "schemas": components(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.help,
        "tags": [operation.section],
        "responses": _responses(operation),
    }
    if operation.parameters:
        described["parameters"] = [
            {
                "name": each.name,
                "in": each.where,
                "required": each.where == "path",
                "description": each.help,
                "schema": each.schema,
            }
            for each in operation.parameters
        ]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": operation.body}}}
    if operation.open:
        described["security"] = [{}]
    return described


def _responses(operation: Operation) -> dict[str, Any]:
    answer = operation.answer
    content = {answer.content_type: {} if answer.schema is None else {"schema": answer.schema}}
    described: dict[str, Any] = {
        str(answer.status.value): {"description": answer.help, "content": content}
    }
    for status in errors_of(operation):
        described[str(status.value)] = {
            "description": status.phrase,
            "content": {JSON: {"schema": named("Error")}},
        }
    return described


def errors_of(operation: Operation) -> list[HTTPStatus]:
    """Every refusal that an operation may give."""
    found = {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, *operation.errors}
    if not operation.open:
        found.add(HTTPStatus.UNAUTHORIZED)
    if any(each.where == "path" for each in operation.parameters):
        found.add(HTTPStatus.NOT_FOUND)
    if operation.method in {"POST", "PATCH"}:
        found |= {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return sorted(found - {operation.answer.status})
