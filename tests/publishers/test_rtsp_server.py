"""The server's unit: what it runs, with MediaMTX and without. MediaMTX itself is not run here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hlsswarm.core.mediamtx import mediamtx_configuration
from hlsswarm.core.service_specs import service_spec
from hlsswarm.core.unit_specs import Abilities
from hlsswarm.publishers.rtsp_server import RtspOptions, rtsp_service


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("127.0.0.1", "rtsp://127.0.0.1:8554/"),
        ("0.0.0.0", "rtsp://127.0.0.1:8554/"),
        ("::1", "rtsp://[::1]:8554/"),
    ],
)
def test_where_it_serves(listen: str, url: str) -> None:
    assert RtspOptions(listen=listen).url == url


def test_mediamtx_gets_a_configuration_of_its_own(tmp_path: Path) -> None:
    options = RtspOptions(port=8555)
    service = rtsp_service(options, Path("/opt/mediamtx"), options.run, tmp_path)
    configuration = tmp_path / "mediamtx.yml"
    assert service.command == ["/opt/mediamtx", str(configuration)]
    assert configuration.read_text() == mediamtx_configuration("127.0.0.1", 8555)
    assert service.name == "hlsswarm-rtsp8555-rtsp.service"
    assert service_spec(service, Abilities(252)).name == service.name


def test_without_it_the_relay_serves(tmp_path: Path) -> None:
    service = rtsp_service(RtspOptions(listen="::1"), None, "rtsp8554", tmp_path)
    assert list(service.command) == [
        sys.executable, "-m", "hlsswarm.publishers.rtsp_relay", "::1", "8554",
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []
