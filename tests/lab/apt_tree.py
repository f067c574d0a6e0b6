"""Programs of another Debian suite, unpacked into a folder and not installed.

By the ordinary apt client with a configuration of its own, so that the machine's sources, lists
and packages stay as they are. The mirror is the one that the machine itself uses.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hlsswarm.ffmpeg_minimal.debian import PrivateApt, machines_mirror

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"


def unpacked(
    suite: str,
    packages: Sequence[str],
    *,
    dependencies: bool,
    cache: Path,
    mirror: str | None = None,
) -> Path:
    """The tree of packages of a suite, fetched once into `cache`. Raises NotFetchedError.

    With `dependencies` everything that they need is in the tree too, the C library included.
    """
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / suite
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            words = ["install", "-y", "--download-only"] if dependencies else ["download"]
            _fetch(cache, suite, [*words, *packages], machines_mirror())
    return root


def _fetch(cache: Path, suite: str, words: Sequence[str], mirror: str) -> None:
    """Download and unpack; the tree is there as a whole or not at all."""
    apt = PrivateApt(cache / "apt", f"{mirror} {suite} main")
    fresh = cache / f"{suite}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    apt("update")
    apt(*words)
    archives = apt.directory / "archives"
    for package in (*apt.downloads.glob("*.deb"), *archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(fresh)], check=True, timeout=120)
    fresh.rename(cache / suite)
    shutil.rmtree(apt.directory, ignore_errors=True)
