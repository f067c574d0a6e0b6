"""Another systemd beside the machine's own: a later Debian's packages, unpacked and not installed.

By the ordinary apt client with a configuration of its own, so that the machine's sources, lists
and packages stay as they are. The mirror is the one that the machine itself uses.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "systemd"
SUITE = "bookworm-backports"
"""Has systemd 254: the first with restart steps, and still for cgroup v1."""
_PACKAGES = ("systemd", "libsystemd-shared")
_ATTEMPTS = 3
_PAUSE_SECONDS = 2.0
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class NoSystemdError(Exception):
    """The other systemd cannot be had, in a sentence."""


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


def later_systemd(cache: Path = CACHE) -> OtherSystemd:
    """The systemd of SUITE, fetched once. Raises NoSystemdError."""
    cache.mkdir(parents=True, exist_ok=True)
    found = OtherSystemd(cache / SUITE)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.program.exists():
            _fetch(cache, found.root)
    return found


def _fetch(cache: Path, root: Path) -> None:
    """Download and unpack; `root` is there as a whole or not at all."""
    apt = cache / "apt"
    shutil.rmtree(apt, ignore_errors=True)
    for directory in ("lists/partial", "archives/partial", "downloads"):
        (apt / directory).mkdir(parents=True)
    configuration = _write_configuration(apt)
    fresh = cache / f"{SUITE}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _apt(configuration, "update")
    _apt(configuration, "download", *_PACKAGES)
    for package in (apt / "downloads").glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(fresh)], check=True, timeout=60)
    fresh.rename(root)
    shutil.rmtree(apt, ignore_errors=True)


def _write_configuration(apt: Path) -> Path:
    """An apt configuration that keeps everything below `apt`."""
    (apt / "status").touch()
    (apt / "sources.list").write_text(
        f"deb [signed-by={_KEYRING}] {machines_mirror()} {SUITE} main\n"
    )
    configuration = apt / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::sourcelist "{apt}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        f'Dir::State "{apt}";\n'
        f'Dir::State::lists "{apt}/lists";\n'
        f'Dir::State::status "{apt}/status";\n'
        f'Dir::Cache "{apt}";\n'
        f'Dir::Cache::archives "{apt}/archives";\n'
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
    raise NoSystemdError("This machine's apt sources name no Debian mirror to fetch systemd from.")


def _apt(configuration: Path, *words: str) -> None:
    """Run apt-get with the private configuration, three times if need be."""
    said = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_SECONDS)
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
    raise NoSystemdError(
        f"The systemd of {SUITE} could not be fetched ({_ATTEMPTS} attempts): {said[:300]}"
    )
