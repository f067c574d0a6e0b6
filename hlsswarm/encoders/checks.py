"""Whether this machine and its ffmpeg have what an encoder needs: said before anything starts."""

from __future__ import annotations

from hlsswarm.core.encoder_settings import CODECS, COPY
from hlsswarm.core.inputs import Input
from hlsswarm.errors import PreflightError
from hlsswarm.telemetry.ffmpeg_abilities import FFmpegAbilities

_OTHER_FFMPEG = "Name another with --ffmpeg PATH."


def check_input(source: Input, abilities: FFmpegAbilities) -> None:
    """Raises PreflightError for a file that is missing, and for what this ffmpeg cannot read."""
    if source.device_format is not None and source.device_format not in abilities.input_devices:
        raise PreflightError(
            f"{abilities.ffmpeg} was built without the input device {source.device_format}.",
            hint=f"It has {', '.join(sorted(abilities.input_devices))}. {_OTHER_FFMPEG}",
        )
    if source.protocol is not None and source.protocol not in abilities.input_protocols:
        raise PreflightError(
            f"{abilities.ffmpeg} was built without the protocol {source.protocol}.",
            hint=_OTHER_FFMPEG,
        )
    if source.path is None:
        return
    what = "device" if source.device_format is not None else "file"
    if not source.path.exists():
        raise PreflightError(
            f"There is no {what} {source.path}.",
            hint=f"A relative path is taken from here. The input was {source.spec!r}.",
        )
    if source.path.is_dir():
        raise PreflightError(f"{source.path} is a directory.", hint="Give a file in it.")


def check_codec(name: str, abilities: FFmpegAbilities) -> None:
    """Raises PreflightError for an encoder or a device of it that is not there."""
    if name != COPY and name not in abilities.encoders:
        known = ", ".join(codec for codec in CODECS if codec in {COPY, *abilities.encoders})
        raise PreflightError(
            f"{abilities.ffmpeg} was built without the encoder {name}.",
            hint=f"Of ours it has {known}. {_OTHER_FFMPEG}",
        )
    node = CODECS[name].node
    if node is not None and not node.exists():
        raise PreflightError(
            f"{name} needs the device {node}, which is not there.",
            hint="Use --codec libx264, or give this machine (or container) the device.",
        )
