"""Which factories of transcoders there are: built-in ones, and those of other Python packages.

An own factory is an entry point of the group `hlsswarm.transcoders`: a function of a
core.transcoders.Job. In the pyproject.toml of the package that has it:

    [project.entry-points."hlsswarm.transcoders"]
    tiny = "my_package:tiny"
"""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from hlsswarm.core.transcoders import BUILT_IN, HARDWARE, Factory
from hlsswarm.errors import PreflightError, UsageError
from hlsswarm.telemetry.ffmpeg_abilities import FFmpegAbilities

GROUP = "hlsswarm.transcoders"
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


def _own() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP) if _NAME.fullmatch(point.name)}


def factory_names() -> tuple[str, ...]:
    """All factories; one that is built in comes before an own one of its name."""
    return tuple(dict.fromkeys((*BUILT_IN, *sorted(_own()))))


def find_factory(name: str) -> Factory:
    """A factory. Raises UsageError when there is none, PreflightError when it cannot be loaded."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    point = _own().get(name)
    if point is None:
        raise UsageError(
            f"There is no factory {name!r}.", hint=f"There is: {', '.join(factory_names())}."
        )
    try:
        found = point.load()
    except Exception as error:  # whatever somebody else's module does while it is imported
        raise PreflightError(
            f"The factory {name} ({point.value}) cannot be loaded: {error}."
        ) from None
    if not callable(found):
        raise PreflightError(f"The factory {name} ({point.value}) is no function.")
    factory: Factory = found
    return factory


def check_factory(name: str, ffmpeg: Path) -> None:
    """Raises UsageError or PreflightError for a factory that cannot work on this machine."""
    find_factory(name)
    encoder = HARDWARE[name].encoder if name in HARDWARE else "libx264" if name == "x264" else None
    if encoder is not None and encoder not in FFmpegAbilities(ffmpeg).encoders:
        raise PreflightError(
            f"{ffmpeg} has no encoder {encoder}, which {name} needs.",
            hint="Name another with --ffmpeg PATH, or another --factory.",
        )
    if name in HARDWARE and not HARDWARE[name].node.exists():
        raise PreflightError(
            f"This machine has no {HARDWARE[name].node}, which {name} needs.",
            hint="--factory x264 encodes on the processor.",
        )
