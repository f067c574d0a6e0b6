"""What holds for all tests: no property test fails because this machine was busy for a moment."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("hlsswarm", deadline=None)
settings.load_profile("hlsswarm")
