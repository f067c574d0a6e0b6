"""The sandbox of a service, made of what its own commands name.

    service = walled(Service(command=…), "encoder", writable=[directory])

A command line is the list of what a program needs: its words that are paths in a directory which
the profile hides are shown to it, to be read; those below /dev it may use. What it writes has to be
said. Knows symbolic links; what profiles are made of: core.sandbox.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from hlsswarm.core.sandbox import LEVELS, Level, Profile, Sandbox, hidden_below, shown_for_program
from hlsswarm.core.service_specs import Service
from hlsswarm.errors import PreflightError

ENVIRONMENT = "HLSSWARM_SERVICE_SANDBOX"
"""Environment variable with the level for encoders and servers; strict without it."""

_OWN_DEVICES = re.compile(r"nvenc|nvdec|cuda|cuvid|qsv|vulkan|opencl|_amf|decklink|deltacast")
_OWN_SOCKETS = re.compile(r"(alsa|pulse|jack|x11grab|libndi_newtek)")
_NO_DEVICES = ("/dev/null", "/dev/zero", "/dev/shm", "/dev/stdin", "/dev/stdout", "/dev/stderr")


def walled(
    service: Service,
    profile: Profile,
    *,
    writable: Iterable[Path] = (),
    readable: Iterable[Path] = (),
) -> Service:
    """The service in the sandbox of a profile; directories that it writes to are made.

    Raises PreflightError for an unknown level, or where a directory cannot be made.
    """
    words = list(_words(service))
    written = tuple(dict.fromkeys(writable))
    for directory in written:
        _make(directory)
    shown = [
        path for path in (*_shown(words), *readable) if not any(map(path.is_relative_to, written))
    ]
    devices = tuple(dict.fromkeys(Path(word) for word in words if _is_device(word)))
    return replace(
        service,
        sandbox=Sandbox(
            profile=profile,
            level=_level(service.command),
            readable=tuple(dict.fromkeys(shown)),
            writable=written,
            devices=devices,
            reads_others=any(_shown(service.command[1:])),
        ),
    )


def _make(directory: Path) -> None:
    # What is not there when the unit starts cannot be shown to it later.
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PreflightError(f"{directory} cannot be made: {error.strerror}.") from None


def _words(service: Service) -> Iterator[str]:
    """All that the service's commands name, and this Python: commands may be added later."""
    yield sys.executable
    for command in (service.command, *service.before, *service.after):
        yield from command
    for setting in service.environment:
        yield from setting.partition("=")[2].split(":")


def _shown(words: Iterable[str]) -> Iterator[Path]:
    for word in words:
        path = Path(word.removeprefix("file:"))
        if not path.is_absolute():
            continue
        for place in (path, path.resolve()):  # a program may be a link to where it was installed
            if hidden_below(place) is None:
                continue
            if place.is_file() and os.access(place, os.X_OK):
                yield from shown_for_program(place)
            elif place.exists():
                yield place
        # A virtual environment's Python finds its modules by the place of the link.
        if (path.parent.parent / "pyvenv.cfg").is_file() and hidden_below(path) is not None:
            yield path.parent.parent


def _is_device(word: str) -> bool:
    return word.startswith("/dev/") and not word.startswith(_NO_DEVICES)


def _level(command: Iterable[str]) -> Level:
    """As asked for; but what talks to a device or a desktop by ways of its own sees the machine."""
    asked = os.environ.get(ENVIRONMENT) or "strict"
    level = next((known for known in LEVELS if known == asked), None)
    if level is None:
        raise PreflightError(
            f"{ENVIRONMENT}={asked} is no level of sandbox.", hint=f"Give {', '.join(LEVELS)}."
        )
    if level == "strict" and any(
        _OWN_DEVICES.search(word) or _OWN_SOCKETS.fullmatch(word) for word in command
    ):
        return "basic"
    return level
