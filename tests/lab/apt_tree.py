"""Programs of another Debian suite, unpacked into a folder and not installed.

By the ordinary apt client with a configuration of its own, so that the machine's sources, lists
and packages stay as they are. The mirror is the one that the machine itself uses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache"
ATTEMPTS = 3
PAUSE_SECONDS = 2.0
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NotFetchedError(Exception):
    """The packages cannot be had, in a sentence."""


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
    apt = cache / "apt"
    shutil.rmtree(apt, ignore_errors=True)
    for directory in ("lists/partial", "archives/partial", "downloads"):
        (apt / directory).mkdir(parents=True)
    configuration = _write_configuration(apt, f"{mirror} {suite} main")
    fresh = cache / f"{suite}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _apt(configuration, "update")
    _apt(configuration, *words)
    for package in (*(apt / "downloads").glob("*.deb"), *(apt / "archives").glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(fresh)], check=True, timeout=120)
    fresh.rename(cache / suite)
    shutil.rmtree(apt, ignore_errors=True)


def _write_configuration(apt: Path, source: str) -> Path:
    """An apt configuration that keeps everything below `apt`."""
    (apt / "status").touch()
    (apt / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {source}\n")
    configuration = apt / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::sourcelist "{apt}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        'Dir::Etc::preferences "-";\n'
        'Dir::Etc::preferencesparts "-";\n'
        f'Dir::State "{apt}";\n'
        f'Dir::State::lists "{apt}/lists";\n'
        f'Dir::State::status "{apt}/status";\n'
        f'Dir::Cache "{apt}";\n'
        f'Dir::Cache::archives "{apt}/archives";\n'
        'APT::Install-Recommends "false";\n'
        'APT::Sandbox::User "root";\n'
        'Acquire::Languages "none";\n'
        'Acquire::Retries "2";\n'
    )
    return configuration


def machines_mirror(sources: str | None = None) -> str:
    """The Debian mirror of this machine: of apt's own list of what it would fetch."""
    if sources is None:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        sources = done.stdout
    for line in sources.splitlines():
        site, release, component = (*line.split(" "), "", "")[:3]
        is_debian = urlsplit(site).path.rstrip("/").endswith("/debian")
        if is_debian and component == "main" and "security" not in release:
            return site
    raise NotFetchedError(
        "This machine's apt sources name no Debian mirror to fetch packages from."
    )


def _apt(configuration: Path, *words: str) -> None:
    """Run apt-get with the private configuration, three times if need be."""
    said = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        done = subprocess.run(
            ["apt-get", "-q", *words],
            cwd=configuration.parent / "downloads",
            env={**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        # `update` is content with old lists where there are any: ours are empty, so look.
        failed = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
        if done.returncode == 0 and not any("Failed to fetch" in line for line in failed):
            return
        said = " ".join(failed) or done.stderr.strip()
    raise NotFetchedError(
        f"Debian packages could not be fetched ({ATTEMPTS} attempts): {said[:300]}"
    )
