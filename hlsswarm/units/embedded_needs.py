"""What an embedded manager cannot do without, each in one sentence: root, leave to mount, cgroups.

In a container the flags of its engine decide on this (docs/containers.md). Looks, and changes
nothing; what only a try shows, such as a mount that AppArmor refuses, the keeper tells.
"""

from __future__ import annotations

import os
from pathlib import Path

from hlsswarm.errors import ManagerError
from hlsswarm.units import cgroups

STATUS = Path("/proc/self/status")
_CAPABILITIES = {  # linux/capability.h
    21: "the capability SYS_ADMIN (to make namespaces and mounts)",
    # systemd writes the map of a unit's users into a /proc in which others are hidden.
    19: "the capability SYS_PTRACE (to give units users of their own)",
}
_FLAGS = (
    "In a container: --cap-add=SYS_ADMIN,SYS_PTRACE, and the image's own entrypoint"
    " (docs/containers.md)."
)


def check_possible() -> None:
    """Raise ManagerError with what is missing when no embedded manager can be made here."""
    if os.geteuid() != 0:
        raise ManagerError(
            "The embedded manager needs root, to make cgroups and namespaces.",
            hint="Run as root, or use --manager user in a session with systemd --user.",
        )
    if lacking := _capabilities_lacking():
        raise ManagerError(
            f"The embedded manager lacks {' and '.join(lacking)}.",
            hint=_FLAGS,
        )
    trees = cgroups.hierarchies()
    if not trees:
        raise ManagerError(
            "No cgroup tree is mounted here.",
            hint="In a container, give it a writable cgroup tree of its own.",
        )
    if not all(tree.is_v2 for tree in trees) and not any(
        tree.controllers == "name=systemd" for tree in trees
    ):
        raise ManagerError(
            "This machine's cgroup v1 has no name=systemd tree, which systemd needs.",
            hint="Mount one, or use a machine with cgroup v2.",
        )
    for directory in cgroups.child_directories("."):
        if not os.access(directory, os.W_OK):  # root may write anything that is not read-only
            raise ManagerError(
                f"The embedded manager needs cgroups of its own, and {directory} is read-only.",
                hint=_FLAGS,
            )


def _capabilities_lacking() -> list[str]:
    """What this process may not do (capabilities(7), proc_pid_status(5))."""
    for line in STATUS.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return [words for bit, words in _CAPABILITIES.items() if not int(value, 16) >> bit & 1]
    return []
