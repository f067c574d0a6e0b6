"""Settings as environment variables: `HLSSWARM_RAMP_RATE` is `--ramp-rate`, by the same tables.

Values are read as the flag's text would be; a list has one item a line; what takes no value is
`true` or `false`; an empty variable is as good as none. Knows all variables there are, and gets the
environment from its caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hlsswarm.core.headers import ENVIRONMENT as HEADERS
from hlsswarm.core.kinds import BOOLEAN, INTEGER, NUMBER
from hlsswarm.core.origin_settings import ORIGIN_SETTINGS
from hlsswarm.core.setting import Setting
from hlsswarm.core.setting_values import WrongValueError, read_value, wanted
from hlsswarm.core.settings import RUN_SETTINGS, http_url
from hlsswarm.errors import ConfigurationError

PREFIX = "HLSSWARM_"
_OF_TESTS = "HLSSWARM_TEST_"

URL = Setting("url", "stream", "the playlist's URL", http_url, None, "URL", "an http or https URL")
CONFIG = Setting("config", "modes", "TOML with any of a run's settings", Path, None, "FILE")

OTHERS: Mapping[str, str] = {
    HEADERS: "secret headers of the clients, one a line: in no command line, log or report",
    "HLSSWARM_SERVICE_SANDBOX": "how encoders and servers are walled in: strict, basic or off",
    "HLSSWARM_RUNTIME_DIR": "sockets, and the configurations of what runs",
    "HLSSWARM_CACHE_DIR": "what is made once: encoded loops, the minimal ffmpeg",
    "HLSSWARM_STATE_DIR": "what a rig remembers",
    "HLSSWARM_MEDIA_DIR": "where encoders and ladders write streams",
    "HLSSWARM_FFMPEG_MINIMAL": "the ffmpeg that clients take by themselves",
    "HLSSWARM_SYSTEMD": "another systemd program for the embedded manager",
}
"""Variables without a flag, and what each is."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,9})?")
_WORDS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


def variable(setting: Setting) -> str:
    """The setting's variable."""
    return PREFIX + setting.key.upper()


def _rows() -> Iterator[Setting]:
    yield from (URL, CONFIG)
    # Headers have a variable of their own, which keeps them secret.
    yield from (row for row in (*RUN_SETTINGS, *ORIGIN_SETTINGS) if row.name != "header")


SETTINGS: Mapping[str, Setting] = {variable(row): row for row in _rows()}
"""Every setting that has a variable, by the variable."""


@dataclass(frozen=True)
class Given:
    """What an environment says: values by setting's key, and the variable that each is from."""

    values: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def read(environment: Mapping[str, str], keys: Collection[str]) -> Given:
    """The values of these settings. Raises ConfigurationError, which names the first variable that
    cannot be read, and shows no value that may be secret.
    """
    values: dict[str, Any] = {}
    variables: dict[str, str] = {}
    for name, row in SETTINGS.items():
        text = environment.get(name, "")
        if row.key in keys and text.strip():
            values[row.key] = _read(name, row, text)
            variables[row.key] = name
    return Given(values, variables)


def _read(name: str, row: Setting, text: str) -> Any:
    if not row.repeat:
        return _one(name, row, text)
    # argparse appends to what it finds, and can do so to lists alone.
    return [_one(name, row, line.strip()) for line in text.splitlines() if line.strip()]


def _one(name: str, row: Setting, text: str) -> Any:
    try:
        return read_value(row, _as_toml_has_it(row, text))
    except WrongValueError as error:
        # `0 is too little.` begins with the value, `variant 'x' is none …` with the flag.
        sentence = str(error).removeprefix(f"{row.name} ")
        told = sentence.startswith((text.strip(), repr(text)))
        begins = f"{name}={sentence}" if told else f"{name}: {sentence}"
        hint = error.hint or f"Give {wanted(row)}."
        raise ConfigurationError(begins, hint=hint) from None


def _as_toml_has_it(row: Setting, text: str) -> str | int | float | bool:
    """Numbers and words for yes and no as what they are, so that their bounds are looked at."""
    if BOOLEAN in row.kind.types and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _NUMBER.fullmatch(text) and (NUMBER in row.kind.types or INTEGER in row.kind.types):
        is_whole = "." not in text
        return int(text) if is_whole else float(text) if NUMBER in row.kind.types else text
    return text


def unknown(environment: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like ours and is none."""
    known = {*SETTINGS, *OTHERS}
    return [
        f"{name} is no variable of hlsswarm" + _near(name, known)
        for name in sorted(environment)
        if name.startswith(PREFIX) and not name.startswith(_OF_TESTS) and name not in known
    ]


def _near(name: str, known: Collection[str]) -> str:
    # Without what all of them begin with, which would make all of them alike.
    words = sorted(each.removeprefix(PREFIX) for each in known)
    near = get_close_matches(name.removeprefix(PREFIX), words, 1, cutoff=0.7)
    return f"; is {PREFIX}{near[0]} meant?" if near else "; `hlsswarm options` lists them."


def place_of(message: str, given: Given, used: Collection[str]) -> str | None:
    """Where the flag that a message is about was set, if it is one of those `used` from here."""
    for key in used:
        name = given.variables[key]
        flag = f"--{SETTINGS[name].name}"
        if re.search(rf"{flag}(?![\w-])", message):
            return f"{flag} is set by {name}."
    return None


def meanings() -> Iterator[tuple[str, str]]:
    """Every variable, and what it means, for people."""
    for name, row in SETTINGS.items():
        yield name, row.help.replace("%%", "%").replace("may be repeated", "one a line")
    yield from OTHERS.items()


def markdown() -> str:
    """A table of all variables."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    yield from ("| Variable | Flag | Meaning |", "|---|---|---|")
    for name, meaning in meanings():
        row = SETTINGS.get(name)
        flag = "" if row is None else "the URL" if row is URL else f"`--{row.name}`"
        yield f"| `{name}` | {flag} | {meaning.replace('|', chr(92) + '|')} |"
