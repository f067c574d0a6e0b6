"""Fixtures: a place of our own, and the minimal ffmpeg built there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY, Place, place

CACHE = REPOSITORY / ".cache" / "hlsswarm"


@pytest.fixture(scope="package")
def here() -> Iterator[Place]:
    """A place whose runs take the minimal ffmpeg."""
    with place() as made:
        environment = {**made.environment}
        del environment["HLSSWARM_FFMPEG_MINIMAL"]
        yield dataclasses.replace(made, environment=environment)


@pytest.fixture(scope="package")
def program(here: Place) -> Path:
    """Built once, and kept in the cache for the next time."""
    here.done("ffmpeg", "build", timeout_seconds=900)
    return CACHE / "ffmpeg-minimal" / "current" / "ffmpeg"
