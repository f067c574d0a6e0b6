"""MediaMTX's configuration: RTSP over TCP on one address, and nothing else.

The words are those of mediamtx.yml from version 1.10 on. Nothing of it has been run here: MediaMTX
is no package of Debian's.
"""

from __future__ import annotations

import json


def mediamtx_configuration(address: str, port: int) -> str:
    """The file's text. Whoever publishes first on a path has it: a second one is refused."""
    host = f"[{address}]" if ":" in address else address
    # A JSON string is a YAML string (YAML 1.2, chapter 1.3).
    return "\n".join(
        (
            "logLevel: info",
            "logDestinations: [stdout]",
            "api: no",
            "metrics: no",
            "rtsp: yes",
            "rtspTransports: [tcp]",
            'rtspEncryption: "no"',
            f"rtspAddress: {json.dumps(f'{host}:{port}')}",
            "rtmp: no",
            "hls: no",
            "webrtc: no",
            "srt: no",
            "paths:",
            "  all_others:",
            "    source: publisher",
            "    overridePublisher: no",
            "",
        )
    )
