"""What an encoder can read: from the word after `--input` to ffmpeg's input arguments.

    lavfi:GRAPH         ffmpeg's own sources              paced to real time
    PATH, file:PATH     a file, again and again           paced to real time
    SCHEME://…          rtsp, rtmp, http, srt, udp        with time-outs, so that a dead one ends
    DEVICE:ADDRESS      v4l2, deltacast, decklink, alsa…  as the device gives it

Knows ffmpeg's options and nothing of this machine: whether a file, a device node or a format is
there is for the caller to see (`path`, `device_format`, `protocol` say what is needed).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hlsswarm.core.headers import redact
from hlsswarm.errors import UsageError

__all__ = ["CAPTURE_DEVICES", "INPUT_HINT", "NETWORK_SCHEMES", "CaptureDevice", "Input",
           "parse_input"]  # fmt: skip

_TIMEOUT_MICROSECONDS: Final = "10000000"
_RW_TIMEOUT: Final = ("-rw_timeout", _TIMEOUT_MICROSECONDS)


@dataclass(frozen=True)
class CaptureDevice:
    """A kind of capture device (ffmpeg-devices(1), or the maker's own patch of ffmpeg).

    `format` is ffmpeg's name of it, `url` has {} where the address goes, `has_node`: the address
    is a file below /dev.
    """

    format: str
    example: str
    url: str = "{}"
    options: tuple[str, ...] = ()
    has_node: bool = False


# A queue for each, as a capture card does not wait for the encoder.
_QUEUE: Final = ("-thread_queue_size", "512")

CAPTURE_DEVICES: Final[Mapping[str, CaptureDevice]] = {
    "v4l2": CaptureDevice("v4l2", "v4l2:/dev/video0", options=_QUEUE, has_node=True),
    "deltacast": CaptureDevice(
        "deltacast", "deltacast:0", url="deltacast://{}", options=_QUEUE
    ),
    "decklink": CaptureDevice("decklink", "decklink:DeckLink Mini Recorder", options=_QUEUE),
    "alsa": CaptureDevice("alsa", "alsa:hw:0", options=_QUEUE),
    "pulse": CaptureDevice("pulse", "pulse:default", options=_QUEUE),
    "jack": CaptureDevice("jack", "jack:ffmpeg", options=_QUEUE),
    "x11grab": CaptureDevice("x11grab", "x11grab::0.0", options=("-framerate", "25", *_QUEUE)),
    "fbdev": CaptureDevice("fbdev", "fbdev:/dev/fb0", options=_QUEUE, has_node=True),
    "ndi": CaptureDevice("libndi_newtek", "ndi:STUDIO (CAM 1)", options=_QUEUE),
}  # fmt: skip
"""By the word before the colon. A further device is one more row."""

_HTTP: Final = (
    "-re",  # what lies finished on a server would come as fast as the line is
    *("-reconnect", "1", "-reconnect_streamed", "1", "-reconnect_on_network_error", "1"),
    *("-reconnect_delay_max", "5"),
    *_RW_TIMEOUT,
)
# UDP over a lossy or slow path gets a larger queue (packets of 188 bytes), and goes on after loss.
_UDP: Final = ("-fifo_size", "100000", "-overrun_nonfatal", "1", "-timeout", _TIMEOUT_MICROSECONDS)
_RTSP: Final = ("-rtsp_transport", "tcp", "-timeout", _TIMEOUT_MICROSECONDS)
_SRT: Final = ("-connect_timeout", "5000", "-timeout", _TIMEOUT_MICROSECONDS)

# Scheme -> options, and ffmpeg's protocol that it needs (ffmpeg-protocols(1)).
NETWORK_SCHEMES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "rtsp": (_RTSP, "tcp"),
    "rtsps": (_RTSP, "tls"),
    "rtmp": (_RW_TIMEOUT, "rtmp"),
    "rtmps": (_RW_TIMEOUT, "rtmps"),
    "http": (_HTTP, "http"),
    "https": (_HTTP, "https"),
    "srt": (_SRT, "srt"),
    "udp": (_UDP, "udp"),
}
"""What is read over the network, by the URL's scheme."""

INPUT_HINT: Final = (
    "Give lavfi:GRAPH, a file, a URL ("
    + ", ".join(NETWORK_SCHEMES)
    + ") or a device ("
    + ", ".join(CAPTURE_DEVICES)
    + ")."
)
"""What an input can be, in a sentence."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)


@dataclass(frozen=True)
class Input:
    """An input: ffmpeg's `arguments`, `-i` included, and what this machine has to have for it."""

    spec: str
    arguments: tuple[str, ...]
    path: Path | None = None
    """A file or device node that must be there."""
    device_format: str | None = None
    """A device that this ffmpeg must have been built with (`ffmpeg -devices`)."""
    protocol: str | None = None
    """A protocol that this ffmpeg must have been built with (`ffmpeg -protocols`)."""


def parse_input(spec: str, *, directory: Path) -> Input:
    """What `spec` means; a path is taken from `directory`, which is absolute.

    Raises UsageError for what can be no input.
    """
    if not spec or any(ord(character) < 32 for character in spec):
        what = "holds a control character" if spec else "is empty"
        raise UsageError(f"The input {what}.", hint=INPUT_HINT)
    match = _SCHEME.fullmatch(spec)
    if match is None:
        return _file(spec, directory / spec)
    scheme, rest = match[1].lower(), match[2]
    if scheme in {"lavfi", "file", *CAPTURE_DEVICES} and not rest:
        raise UsageError(f"After {scheme}: there is nothing in the input.", hint=INPUT_HINT)
    if scheme == "lavfi":
        return Input(spec, ("-re", "-f", "lavfi", "-i", rest), device_format="lavfi")
    if scheme == "file":
        return _file(spec, directory / rest.removeprefix("//"))
    if scheme in CAPTURE_DEVICES:
        return _device(spec, CAPTURE_DEVICES[scheme], rest)
    if scheme in NETWORK_SCHEMES:
        return _network(spec, scheme, rest)
    raise UsageError(f"{redact(spec)!r} is no input that can be read here.", hint=INPUT_HINT)


def _file(spec: str, path: Path) -> Input:
    """A file, looped; a playlist goes on by itself, and is read as it comes."""
    loop = () if path.suffix == ".m3u8" else ("-stream_loop", "-1")
    return Input(spec, ("-re", *loop, "-i", f"file:{path}"), path=path)


def _device(spec: str, device: CaptureDevice, address: str) -> Input:
    url = device.url.format(address)
    return Input(
        spec,
        (*device.options, "-f", device.format, "-i", url),
        path=Path(address) if device.has_node else None,
        device_format=device.format,
    )


def _network(spec: str, scheme: str, rest: str) -> Input:
    host = re.match(r"//([^/?#]+)", rest)
    if host is None:
        raise UsageError(f"The input {redact(spec)!r} names no host.", hint=INPUT_HINT)
    options, protocol = NETWORK_SCHEMES[scheme]
    return Input(spec, (*options, "-i", f"{scheme}:{rest}"), protocol=protocol)
