"""What goes wrong with a request, as every answer tells it: one shape of JSON, with its status.

    {"error": sentence, "hint": sentence or null, "problems": [{"where", "sentence", "hint"}]}

`problems` has everything that is wrong with a body, in the words of `hlsswarm check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from hlsswarm.core.rig_reading import path_text
from hlsswarm.core.setting_values import Wrong
from hlsswarm.errors import (
    ConfigurationError,
    HlsSwarmError,
    ManagerError,
    PreflightError,
    UsageError,
)
from hlsswarm.rig.steering import NotNowError, NotThereError, WrongTableError

_STATUS: tuple[tuple[type[HlsSwarmError], HTTPStatus], ...] = (
    (NotThereError, HTTPStatus.NOT_FOUND),
    (NotNowError, HTTPStatus.CONFLICT),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (ConfigurationError, HTTPStatus.BAD_REQUEST),
    (ManagerError, HTTPStatus.SERVICE_UNAVAILABLE),
    (PreflightError, HTTPStatus.CONFLICT),
    (HlsSwarmError, HTTPStatus.SERVICE_UNAVAILABLE),
)
"""The first that fits. What systemd refuses or does not answer is 503: it may work later."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a body."""

    where: str
    sentence: str
    hint: str = ""


class ApiError(Exception):
    """An answer that is a refusal."""

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        hint: str | None = None,
        *,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.hint = hint
        self.problems = problems

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "error": self.error,
            "hint": self.hint,
            "problems": [vars(problem) for problem in self.problems],
        }


def api_error(error: HlsSwarmError) -> ApiError:
    """What a part of hlsswarm refuses, as an answer."""
    status = next(status for kind, status in _STATUS if isinstance(error, kind))
    wrong = error.wrong if isinstance(error, WrongTableError) else ()
    return ApiError(status, error.message, error.hint, problems=problems_of(wrong))


def problems_of(wrong: tuple[Wrong, ...]) -> tuple[Problem, ...]:
    """What is wrong with a table, by the paths of its keys."""
    return tuple(Problem(path_text(each.path), each.sentence, each.hint) for each in wrong)
