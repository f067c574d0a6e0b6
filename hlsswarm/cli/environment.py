"""Which commands take settings from the environment, and which of them; what they are told of it.

    flags  before  environment  before  --config's file  before  defaults

Knows the process's environment; what variables there are, and how they are read: core.environment.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection

from hlsswarm.core import environment
from hlsswarm.core.environment import Given
from hlsswarm.errors import HlsSwarmError

_ALL = ("run", "doctor", "demo", "origin")
"""Commands whose every setting may come from a variable."""
_MANAGER = ("status", "stop", "logs", "set-limit", "fault")
"""Commands about what others have started: by the same manager, and a fault on the same port."""


def given_to(command: str | None, keys: Collection[str]) -> Given:
    """What the environment gives a command that takes these settings. Raises ConfigurationError."""
    if command in _ALL:
        return environment.read(os.environ, keys)
    if command in _MANAGER:
        shared = {"manager", "port"} if command == "fault" else {"manager"}
        return environment.read(os.environ, shared & set(keys))
    return Given()


def warn_of_unknown(command: str | None) -> None:
    """Say on standard error which variables look like ours and are none."""
    for sentence in environment.unknown(os.environ) if command in _ALL else ():
        print(f"hlsswarm: {sentence}", file=sys.stderr)


def explain(error: HlsSwarmError, arguments: argparse.Namespace) -> None:
    """Put the variable into the error's hint when the flag that it speaks of came from one."""
    given: Given = arguments.from_environment
    here = vars(arguments)
    used = {key for key, value in given.values.items() if here.get(key) == value}
    place = environment.place_of(error.message, given, used)
    if place is not None:
        error.hint = f"{place} {error.hint}" if error.hint else place
