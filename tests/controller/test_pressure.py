"""Readings of this machine, from files as the kernel writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.controller.pressure import PressureGauge


def _proc(directory: Path, *, busy: int, idle: int, swapped: int, waited: int | None) -> None:
    (directory / "stat").write_text(f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n")
    (directory / "vmstat").write_text(f"nr_free_pages 1\npswpin {swapped}\npswpout 0\n")
    (directory / "pressure").mkdir(exist_ok=True)
    if waited is not None:
        text = f"some avg10=0.00 avg60=0.00 avg300=0.00 total={waited}\nfull avg10=0 total=0\n"
        (directory / "pressure/memory").write_text(text)


def test_differences_between_two_readings(tmp_path: Path) -> None:
    _proc(tmp_path, busy=100, idle=900, swapped=5, waited=0)
    gauge = PressureGauge(tmp_path)
    _proc(tmp_path, busy=175, idle=925, swapped=9, waited=10**12)
    pressure = gauge.read(own_cpu_share=0.25, dropped_bytes=7)
    assert pressure.cpu_busy_share == pytest.approx(0.75)
    assert pressure.swapped_pages == 4
    assert pressure.memory_waiting_share is not None
    assert pressure.memory_waiting_share > 1
    assert (pressure.own_cpu_share, pressure.dropped_bytes) == (0.25, 7)


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    pressure = PressureGauge(tmp_path).read(own_cpu_share=0.0, dropped_bytes=0)
    assert pressure.cpu_busy_share is None
    assert pressure.memory_waiting_share is None
    assert pressure.problem() is None


def test_this_machine_is_read() -> None:
    gauge = PressureGauge()
    total = sum(range(3_000_000))
    pressure = gauge.read(own_cpu_share=0.0, dropped_bytes=0)
    assert total
    assert pressure.cpu_busy_share is not None
    assert 0 < pressure.cpu_busy_share <= 1
