"""Another systemd beside the machine's own: a later Debian's packages, unpacked, not installed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.lab.apt_tree import CACHE, unpacked

SUITE = "bookworm-backports"
"""Has systemd 254: the first with restart steps, and still for cgroup v1."""
_PACKAGES = ("systemd", "libsystemd-shared")


@dataclass(frozen=True)
class OtherSystemd:
    """A systemd below `root` that runs with its own libraries."""

    root: Path

    @property
    def program(self) -> Path:
        """The manager's program."""
        return self.root / "lib/systemd/systemd"

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes the embedded manager use it."""
        libraries = ":".join(str(path.parent) for path in self.root.rglob("libsystemd-shared-*.so"))
        return {"HLSSWARM_SYSTEMD": str(self.program), "LD_LIBRARY_PATH": libraries}


def later_systemd(cache: Path = CACHE / "systemd") -> OtherSystemd:
    """The systemd of SUITE, fetched once. Raises NotFetchedError."""
    return OtherSystemd(unpacked(SUITE, _PACKAGES, dependencies=False, cache=cache))
