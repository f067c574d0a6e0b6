"""MediaMTX's configuration: the address in it, and RTSP alone."""

from __future__ import annotations

import pytest

from hlsswarm.core.mediamtx import mediamtx_configuration


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("127.0.0.1", 'rtspAddress: "127.0.0.1:8554"'),
        ("::1", 'rtspAddress: "[::1]:8554"'),
    ],
)
def test_the_address(address: str, line: str) -> None:
    lines = mediamtx_configuration(address, 8554).splitlines()
    assert line in lines
    assert "rtspTransports: [tcp]" in lines
    for other in ("rtmp", "hls", "webrtc", "srt", "api", "metrics"):
        assert f"{other}: no" in lines
    assert lines[-3:] == ["  all_others:", "    source: publisher", "    overridePublisher: no"]
