"""Mounts and members of cgroups: v1, hybrid, v2, containers; from samples and for real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.units import cgroups
from hlsswarm.units.cgroups import Hierarchy, hierarchies
from tests.units.live import gone

V2 = """\
22 27 0:20 / /proc rw,nosuid - proc proc rw
31 30 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
32 30 0:27 / /sys/fs/bpf rw - bpf bpf rw,mode=700
"""  # noqa: E501
HYBRID = """\
31 25 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,size=4096k,mode=755
32 31 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
33 31 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
34 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:12 - cgroup cgroup rw,cpu,cpuacct
35 31 0:30 / /sys/fs/cgroup/memory rw,nosuid shared:13 - cgroup cgroup rw,memory
36 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,seclabel,cpuset,cpuset_v2_mode,clone_children
37 31 0:32 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids,release_agent=/run/agent
38 31 0:32 / /mnt/again rw - cgroup cgroup rw,pids
"""  # noqa: E501
CONTAINER_V1 = """\
600 590 0:28 /docker/f00 /sys/fs/cgroup/systemd ro master:11 - cgroup cgroup rw,xattr,name=systemd
601 590 0:30 /docker/f00 /sys/fs/cgroup/memory ro master:13 - cgroup cgroup rw,memory
"""
WITHIN_A_MANAGER = """\
908 906 0:30 /.. /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
916 906 0:38 /.. /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
926 924 0:30 / /sys/fs/cgroup/cpuacct rw,nosuid - cgroup cgroup rw,cpuacct
933 924 0:38 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
"""
ODD = r"""
36 35 98:0 / /mnt/with\040blank rw - ext4 /dev/sda1 rw,errors=continue
50 35 0:30 / /cg rw - cgroup cgroup rw,none,name=odd
"""


def by_controllers(text: str) -> dict[str, Hierarchy]:
    return {tree.controllers: tree for tree in hierarchies(text)}


def test_pure_v2_is_one_tree() -> None:
    [tree] = hierarchies(V2)
    assert tree == Hierarchy("", Path("/sys/fs/cgroup"), "/")
    assert tree.is_v2


def test_hybrid_has_v1_trees_named_as_proc_names_them_and_a_v2_one() -> None:
    trees = by_controllers(HYBRID)
    assert set(trees) == {"", "name=systemd", "cpu,cpuacct", "memory", "cpuset", "pids"}
    assert [tree for tree in trees.values() if tree.is_v2] == [trees[""]]
    assert trees["pids"].mount == Path("/sys/fs/cgroup/pids")


def test_in_a_container_paths_start_below_what_is_mounted() -> None:
    memory = by_controllers(CONTAINER_V1)["memory"]
    assert memory.directory("/docker/f00") == Path("/sys/fs/cgroup/memory")
    assert memory.directory("/docker/f00/a/b") == Path("/sys/fs/cgroup/memory/a/b")


def test_what_is_mounted_over_another_is_what_shows() -> None:
    trees = by_controllers(WITHIN_A_MANAGER)
    assert trees["cpuacct"].directory("/a") == Path("/sys/fs/cgroup/cpuacct/a")
    assert trees[""].directory("/a") == Path("/sys/fs/cgroup/unified/a")


@pytest.mark.parametrize("cgroup", ["/", "/docker", "/docker/f", "/docker/f00x", "/../other"])
def test_a_cgroup_that_does_not_show_is_refused(cgroup: str) -> None:
    with pytest.raises(OSError, match="not to be seen below"):
        by_controllers(CONTAINER_V1)["memory"].directory(cgroup)


def test_other_file_systems_and_empty_lines_are_no_trees() -> None:
    assert by_controllers("\n" + ODD) == {"name=odd": Hierarchy("name=odd", Path("/cg"), "/")}
    assert hierarchies("") == ()


@given(st.lists(st.sampled_from(["cpu", "cpuacct", "memory", "pids", "blkio"]), unique=True))
def test_flags_never_become_controllers(controllers: list[str]) -> None:
    options = ",".join(["rw", "seclabel", "xattr", *controllers, "clone_children"])
    line = f"1 2 0:3 / /c rw - cgroup cgroup {options}"
    assert hierarchies(line)[0].controllers == ",".join(controllers)


def test_the_machines_own_trees_show_this_process() -> None:
    ours = cgroups.membership()
    for tree in hierarchies():
        members = (tree.directory(ours[tree.controllers]) / "cgroup.procs").read_text().split()
        assert str(Path("/proc/self").readlink()) in members


def test_a_sweep_kills_and_removes_what_is_below_and_nothing_else() -> None:
    directories = cgroups.child_directories("hlst-sweep")
    enter = 'for g; do mkdir -p "$g/x/y"; for c in cpus mems; do for d in "$g" "$g/x" "$g/x/y"; do '
    enter += 'f="$d/cpuset.$c"; [ ! -e "$f" ] || cat "$d/../cpuset.$c" >"$f"; done; done; '
    enter += 'echo $$ >"$g/x/y/cgroup.procs"; done; echo in; exec sleep 3600'
    bystander = subprocess.Popen(["sleep", "3600"])
    inside = subprocess.Popen(
        ["sh", "-c", enter, "sh", *map(str, directories)], stdout=subprocess.PIPE
    )
    try:
        assert inside.stdout
        assert inside.stdout.readline() == b"in\n"
        assert cgroups.members(directories) == {inside.pid}
        assert cgroups.sweep(directories)
        assert inside.wait(10) == -9
        assert not any(directory.exists() for directory in directories)
        assert bystander.poll() is None
        assert cgroups.sweep(directories)
    finally:
        for process in (inside, bystander):
            process.kill()
            process.wait()
        cgroups.sweep(directories)
    assert gone(inside.pid)


@pytest.mark.parametrize(
    ("own", "there"),
    [
        ("/", "/sys/fs/cgroup/mine"),
        ("/system.slice/x.service", "/sys/fs/cgroup/system.slice/x.service/mine"),
        # An image's entrypoint has put the container's own processes out of the way.
        ("/hlsswarm-container", "/sys/fs/cgroup/mine"),
    ],
)
def test_cgroups_of_ones_own_are_below_or_beside_a_leaf(
    own: str, there: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mountinfo").write_text(V2)
    monkeypatch.setattr(cgroups, "MOUNTINFO", tmp_path / "mountinfo")
    monkeypatch.setattr(cgroups, "membership", lambda: {"": own})
    assert cgroups.child_directories("mine") == (Path(there),)


def test_the_entrypoint_knows_the_name_of_that_leaf() -> None:
    entrypoint = Path(__file__).parents[2] / "containers" / "entrypoint"
    assert f"$top/{cgroups.CONTAINER_LEAF}/cgroup.procs" in entrypoint.read_text()
