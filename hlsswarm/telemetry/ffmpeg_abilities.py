"""What an ffmpeg was built with: devices, encoders, protocols, by asking it.

Reads ffmpeg's own lists (`-devices`, `-encoders`, `-protocols`), which look the same from 5.1 to 9.
Says what is there, and not what a lack means.
"""

from __future__ import annotations

import re
import subprocess
from functools import cached_property
from pathlib import Path

from hlsswarm.core.commands import parse_protocols
from hlsswarm.errors import PreflightError

_TIMEOUT_SECONDS = 20.0
_RULE = re.compile(r" -+")


def parse_table(text: str, *, flag: str = "") -> frozenset[str]:
    """Names in a list of ffmpeg's that has a column of flags, as `-encoders` or `-devices`.

    The line of dashes above the entries is as wide as the flags are. With `flag`, only entries
    that have this letter among theirs. Further names of an entry come after commas.
    """
    names: set[str] = set()
    width = 0
    for line in text.splitlines():
        if _RULE.fullmatch(line.rstrip()):
            width = len(line.rstrip())
        elif width and len(words := line[width:].split()) > 0 and flag in line[:width]:
            names.update(words[0].split(","))
    return frozenset(names)


class FFmpegAbilities:
    """The lists of one ffmpeg program; each is asked for once, when it is wanted."""

    def __init__(self, ffmpeg: Path) -> None:
        self.ffmpeg = ffmpeg

    @cached_property
    def input_devices(self) -> frozenset[str]:
        """Names of the devices that can be read from. Raises PreflightError, as all here do."""
        return parse_table(self._said("-devices"), flag="D")

    @cached_property
    def encoders(self) -> frozenset[str]:
        """Names of the encoders."""
        return parse_table(self._said("-encoders"))

    @cached_property
    def muxers(self) -> frozenset[str]:
        """Names of the muxers."""
        return parse_table(self._said("-muxers"), flag="E")

    @cached_property
    def input_protocols(self) -> frozenset[str]:
        """Names of the protocols that can be read from."""
        return parse_protocols(self._said("-protocols"))

    def _said(self, option: str) -> str:
        hint = "Name another with --ffmpeg PATH."
        try:
            answer = subprocess.run(
                [self.ffmpeg, "-hide_banner", option],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except OSError as error:
            raise PreflightError(
                f"{self.ffmpeg} cannot be run: {error.strerror}.", hint=hint
            ) from None
        except subprocess.TimeoutExpired:
            raise PreflightError(f"{self.ffmpeg} does not answer `{option}`.", hint=hint) from None
        return answer.stdout.decode(errors="replace")
