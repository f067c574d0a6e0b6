"""Fixtures: one web server for a test file, and a real manager."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client_options.web import Web, web
from tests.units.live import a_run, live

__all__ = ("a_run", "live", "origin")


@pytest.fixture(scope="package")
def origin() -> Iterator[Web]:
    """The server with small streams."""
    with web() as made:
        yield made
