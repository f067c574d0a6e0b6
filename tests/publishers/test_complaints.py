"""The last complaint of a log, whoever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hlsswarm.publishers.complaints import last_complaint


@pytest.mark.parametrize(
    ("log", "complaint"),
    [
        ("", "it left no message"),
        ("[info] Input #0\n", "it left no message"),
        ("[warning] slow\n[info] bye\n", "slow"),
        ("[rtsp @ 0x55aa] [error] method ANNOUNCE failed: 403 x\n[warning] w\n",
         "method ANNOUNCE failed: 403 x"),
        ("[out#0/rtsp @ 0x1] [error] Could not write\n[fatal] Error opening output files: no\n",
         "Could not write"),
        ("127.0.0.1:1: Permission denied\n", "127.0.0.1:1: Permission denied"),
        ("red \x1b[31m\n", "red [31m"),
    ],
)  # fmt: skip
def test_last_complaint(tmp_path: Path, log: str, complaint: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(log)
    assert last_complaint(path) == complaint


def test_no_log_is_no_message(tmp_path: Path) -> None:
    assert last_complaint(tmp_path / "none") == "it left no message"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40_000))
def test_whatever_is_in_the_log_it_is_a_short_line(tmp_path: Path, log: bytes) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(log)
    found = last_complaint(path)
    assert len(found) <= 300
    assert found.isprintable()
