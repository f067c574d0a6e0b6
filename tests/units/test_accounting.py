"""What the kernel's files tell of a cgroup: v1 and v2, from samples of its own documentation.

Real cgroup v1 and the pressure of a hybrid set-up: tests/controller/test_limits.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hlsswarm.core.cgroup_text import Stall
from hlsswarm.core.limits import LIMIT_KINDS, LimitKind
from hlsswarm.core.usage import Usage
from hlsswarm.units.accounting import Accounting, machine_stalls

PRESSURE = "some avg10={}.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 total=0"


def kind(name: str) -> LimitKind:
    return next(one for one in LIMIT_KINDS if one.name == name)


def files(directory: Path, **texts: str) -> Path:
    directory.mkdir(parents=True)
    for name, text in texts.items():
        (directory / name.replace("__", ".")).write_text(text + "\n")
    return directory


def test_usage_of_v1(tmp_path: Path) -> None:
    files(tmp_path / "acct/a", cpuacct__usage="2500000000")
    files(
        tmp_path / "mem/a",
        memory__max_usage_in_bytes="4096",
        memory__usage_in_bytes="1024",
        memory__limit_in_bytes="9223372036854771712",
    )
    files(tmp_path / "pids/a", pids__current="7")
    accounting = Accounting(
        (
            ("cpu,cpuacct", tmp_path / "acct"),
            ("memory", tmp_path / "mem"),
            ("pids", tmp_path / "pids"),
        )
    )
    assert accounting.usage("/a") == Usage(2.5, 4096, 1024, 7)
    text = accounting.limit("/a", "memory", "memory.limit_in_bytes", "memory.max")
    assert text == "9223372036854771712"
    assert accounting.usage("/nobody") == Usage()


def test_usage_of_v2_and_what_an_older_kernel_does_not_tell(tmp_path: Path) -> None:
    files(
        tmp_path / "a",
        cpu__stat="usage_usec 1500000\nuser_usec 1",
        memory__current="10",
        pids__current="3",
        memory__max="max",
    )
    accounting = Accounting((("", tmp_path),))
    assert accounting.usage("/a") == Usage(1.5, None, 10, 3)
    assert accounting.limit("/a", "memory", "memory.limit_in_bytes", "memory.max") == "max"
    assert accounting.limit("/a", "cpu", "cpu.cfs_quota_us", "cpu.max") is None


def test_a_memory_limit_is_told_where_one_is_set(tmp_path: Path) -> None:
    files(tmp_path / "v2/a", memory__max="4096")
    assert Accounting((("", tmp_path / "v2"),)).usage("/a").memory_limit_bytes == 4096
    files(tmp_path / "v1/a", memory__limit_in_bytes="8192")
    assert Accounting((("memory", tmp_path / "v1"),)).usage("/a").memory_limit_bytes == 8192


def test_nonsense_in_a_file_is_not_accounted(tmp_path: Path) -> None:
    files(tmp_path / "a", cpu__stat="usage_usec x", memory__current="", pids__current="max")
    assert Accounting((("", tmp_path),)).usage("/a") == Usage()


def test_all_that_v2_tells(tmp_path: Path) -> None:
    files(
        tmp_path / "a",
        cpu__stat="usage_usec 1500000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 9",
        memory__peak="20",
        memory__current="10",
        pids__current="3",
        io__stat="8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=0 dios=0",
        cpu__pressure=PRESSURE.format(5),
        memory__pressure=PRESSURE.format(1),
        io__pressure=PRESSURE.format(0),
    )
    assert Accounting((("", tmp_path),)).usage("/a") == Usage(
        cpu_seconds=1.5,
        memory_peak_bytes=20,
        memory_bytes=10,
        tasks=3,
        read_bytes=90430464,
        written_bytes=299008000,
        throttled=4,
        stalls={
            "cpu": Stall(0.05, 1.0, 0.0, 0.0),
            "memory": Stall(0.01, 1.0, 0.0, 0.0),
            "io": Stall(0.0, 1.0, 0.0, 0.0),
        },
    )


def test_io_and_throttling_of_v1_with_the_pressure_of_a_hybrid(tmp_path: Path) -> None:
    blkio = "254:0 Read 4096\n254:0 Write 8192\n254:0 Total 12288\nTotal 12288"
    files(tmp_path / "io/a", blkio__throttle__io_service_bytes_recursive=blkio)
    files(tmp_path / "cpu/a", cpu__stat="nr_periods 9\nnr_throttled 8\nthrottled_time 7")
    files(tmp_path / "v2/a", memory__pressure=PRESSURE.format(2), cpu__stat="usage_usec 1000000")
    bases = (("blkio", tmp_path / "io"), ("cpu", tmp_path / "cpu"), ("", tmp_path / "v2"))
    assert Accounting(bases).usage("/a") == Usage(
        cpu_seconds=1.0,
        read_bytes=4096,
        written_bytes=8192,
        throttled=8,
        stalls={"memory": Stall(0.02, 1.0, 0.0, 0.0)},
    )


def test_limits_of_v2(tmp_path: Path) -> None:
    files(
        tmp_path / "a",
        memory__max="67108864",
        memory__high="max",
        cpu__max="20000 100000",
        cpu__weight="50",
        pids__max="9",
        io__weight="default 20",
        io__max="",
        cgroup__controllers="cpu io memory pids",
    )
    accounting = Accounting((("", tmp_path),))
    expected = {
        "memory-max": 64 << 20,
        "memory-high": None,
        "cpu-quota": 0.2,
        "cpu-weight": 50,
        "tasks-max": 9,
        "io-weight": 20,
        "io-read-max": None,
    }
    for name, value in expected.items():
        found = accounting.limit_of("/a", kind(name))
        assert found is not None
        assert found.value == value
        assert accounting.can_hold(kind(name))
    assert accounting.is_v2("memory", "/a")
    assert not accounting.is_v2("cpuset", "/a")


def test_limits_of_v1(tmp_path: Path) -> None:
    files(tmp_path / "cpu/a", cpu__cfs_quota_us="20000", cpu__cfs_period_us="100000")
    files(tmp_path / "mem/a", memory__limit_in_bytes="9223372036854771712")
    files(tmp_path / "v2/a", cgroup__controllers="hugetlb")
    bases = (("cpu", tmp_path / "cpu"), ("memory", tmp_path / "mem"), ("", tmp_path / "v2"))
    accounting = Accounting(bases)
    quota = accounting.limit_of("/a", kind("cpu-quota"))
    assert quota is not None
    assert quota.value == pytest.approx(0.2)
    assert [path.name for path in quota.files] == ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    memory = accounting.limit_of("/a", kind("memory-max"))
    assert memory is not None
    assert memory.value is None
    assert accounting.limit_of("/a", kind("memory-high")) is None
    assert not accounting.can_hold(kind("memory-high"))
    assert accounting.limit_of("/a", kind("tasks-max")) is None
    assert accounting.limit_of("/nobody", kind("memory-max")) is None
    assert not accounting.is_v2("memory", "/a")


def test_pressure_of_the_machine_and_of_one_that_does_not_tell_it(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text(PRESSURE.format(7))
    assert machine_stalls(tmp_path) == {"cpu": Stall(0.07, 1.0, 0.0, 0.0)}
    assert machine_stalls(tmp_path / "none") == {}
