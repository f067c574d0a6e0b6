"""Logs stay small while they are written, and what they take is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hlsswarm.controller import log_bounds
from hlsswarm.controller.log_bounds import LOG_BYTES_MAX, bound_logs, log_bytes
from tests.support import wait_for

# Writes as a service's stderr is written: opened once, for appending.
NOISY = """
import os, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(10**9):
    os.write(out, b"[warning] line %012d of a noisy service\\n" % number)
"""


def test_a_log_that_is_written_all_the_time_stays_small(tmp_path: Path) -> None:
    (tmp_path / "encoders").mkdir()
    log = tmp_path / "encoders" / "encoder-live.log"
    with subprocess.Popen([sys.executable, "-c", NOISY, str(log)]) as writer:
        try:
            for _ in range(3):
                wait_for("noise", lambda: log.exists() and log.stat().st_size > 3 << 20)
                bound_logs(tmp_path)
                assert log.stat().st_size < 3 << 20
        finally:
            writer.kill()
    bound_logs(tmp_path)
    assert log.stat().st_size <= 1 << 20
    # No hole, no line that is not whole, and none is told twice.
    numbers = [int(line.split()[2]) for line in log.read_text().splitlines()[:-1]]
    assert numbers == sorted(set(numbers))


def test_many_logs_get_less_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_bounds, "_ALL_BYTES", 400_000)
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        for number in range(5):
            (tmp_path / run / f"encoder-{number}.log").write_text("a line\n" * 10_000)
    bound_logs(tmp_path)
    assert log_bytes(tmp_path).keys() == {"one", "two"}
    assert sum(log_bytes(tmp_path).values()) <= 400_000


def test_only_logs_of_ours_are_cut(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    other = tmp_path / "other.log"
    other.write_text("x\n" * (1 << 20))
    (tmp_path / "run" / "link.log").symlink_to(other)
    (tmp_path / "run" / "directory.log").mkdir()
    (tmp_path / "run" / "small.log").write_text("x\n" * (LOG_BYTES_MAX // 2))
    bound_logs(tmp_path)
    bound_logs(tmp_path / "none")
    assert other.stat().st_size == 2 << 20
    assert log_bytes(tmp_path) == {"run": LOG_BYTES_MAX}
