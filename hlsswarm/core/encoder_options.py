"""What is asked of one preview encoder, made of the values of its settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hlsswarm.core import names
from hlsswarm.core.encoder_settings import EncoderSettings
from hlsswarm.core.limit_settings import SERVICE_KINDS, limits_of
from hlsswarm.core.preview import check_name, member_of_name
from hlsswarm.core.unit_specs import UNLIMITED, Limits
from hlsswarm.errors import UsageError

RUN = "encoders"
"""The run of all preview encoders."""


def unit_of(name: str) -> str:
    """The unit of the encoder of this name."""
    return names.service_unit(RUN, "encoder", member_of_name(name))


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """What is asked of one encoder. `media`: where it writes, if not in the media root."""

    name: str
    input: str
    settings: EncoderSettings = field(default_factory=EncoderSettings)
    manager: str = "auto"
    ffmpeg: str | None = None
    media: Path | None = None
    limits: Limits = UNLIMITED
    wait: bool = True

    @property
    def unit(self) -> str:
        """Its unit."""
        return unit_of(self.name)


def encoder_options(name: str, values: Mapping[str, Any], *, wait: bool) -> EncoderOptions:
    """The options that the values of ENCODER_SETTINGS, `input`, `media` and the programs' mean.

    Raises UsageError for a name that cannot be one, and for no input.
    """
    if values["input"] is None:
        raise UsageError(
            "--input is missing.", hint="Say what to encode, such as --input lavfi:testsrc2."
        )
    return EncoderOptions(
        name=check_name(name),
        input=values["input"],
        settings=EncoderSettings(
            codec=values["codec"],
            size=values["size"],
            bitrate_kbps=values["bitrate"],
            preset=values["preset"],
            tune=values["tune"],
            fps=values["fps"],
            gop=values["gop"],
            audio_bitrate_kbps=values["audio_bitrate"],
            audio=not values["no_audio"],
            segment_seconds=values["segment_seconds"],
            playlist_segments=values["playlist_segments"],
        ),
        manager=values["manager"],
        ffmpeg=values["ffmpeg"],
        media=values["media"],
        limits=limits_of(values, SERVICE_KINDS),
        wait=wait,
    )
