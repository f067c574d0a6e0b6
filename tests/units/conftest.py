"""Fixtures of a real manager."""

from tests.units.live import a_run, live

__all__ = ("a_run", "live")
