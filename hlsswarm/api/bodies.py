"""Bodies of requests: from bytes to a JSON object, and single values of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from hlsswarm.api.errors import ApiError, Problem

BODY_BYTES_MAX = 64 * 1024


def read_body(data: bytes) -> Mapping[str, Any]:
    """The JSON object that `data` is; nothing is an empty one. Raises ApiError 400."""
    if not data.strip():
        return {}
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_no_constant)
        # Half of a surrogate pair is JSON, but no text that could be written anywhere.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "The body is not text in UTF-8.") from None
    except RecursionError:
        raise ApiError(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.") from None
    except ValueError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST, f"The body is no JSON: {str(error)[:100]}."
        ) from None
    if not isinstance(document, dict):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "The body is no JSON object.", 'Such as {"clients": 50}.'
        )
    _check_texts(document)
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_texts(value: Any) -> None:
    """Raises ApiError for a character that no path, header or unit can have."""
    if isinstance(value, dict):
        for key, each in value.items():
            _check_texts(key)
            _check_texts(each)
    elif isinstance(value, list):
        for each in value:
            _check_texts(each)
    elif isinstance(value, str) and "\0" in value:
        raise ApiError(HTTPStatus.BAD_REQUEST, "A text has the character U+0000 in it.")


def texts(
    body: Mapping[str, Any], *needed: str, defaults: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Values that are texts, all that are needed and none besides. Raises ApiError 400."""
    known = {**dict.fromkeys(needed), **(defaults or {})}
    problems = [
        Problem(key, "There is no such key.", f"There is: {', '.join(known)}.")
        for key in body
        if key not in known
    ]
    problems += [Problem(key, "It is missing.") for key in needed if key not in body]
    problems += [
        Problem(key, "This is no text.")
        for key, value in body.items()
        if key in known and not isinstance(value, str)
    ]
    if problems:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            f"{problems[0].where[:60]}: {problems[0].sentence}",
            problems[0].hint or None,
            problems=tuple(problems),
        )
    return {**(defaults or {}), **body}
