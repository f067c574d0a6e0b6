"""What Debian's archive has, by its own apt client with a configuration of its own.

The machine's sources, lists and packages stay as they are. The mirror is the one that the machine
itself uses; apt checks signatures and checksums. Source: apt.conf(5), sources.list(5).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from hlsswarm.errors import PreflightError

ATTEMPTS = 3
PAUSE_SECONDS = 2.0
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_TIMEOUT_SECONDS = 300


class NotFetchedError(PreflightError):
    """Packages cannot be had, in a sentence."""


class PrivateApt:
    """An apt that keeps everything below `directory`, which it makes anew."""

    def __init__(self, directory: Path, source: str, *, kind: str = "deb") -> None:
        """`source` is `MIRROR SUITE COMPONENT`, `kind` is deb or deb-src."""
        shutil.rmtree(directory, ignore_errors=True)
        for name in ("lists/partial", "archives/partial", "downloads"):
            (directory / name).mkdir(parents=True)
        (directory / "status").touch()
        (directory / "sources.list").write_text(f"{kind} [signed-by={_KEYRING}] {source}\n")
        self.directory = directory
        self._configuration = directory / "apt.conf"
        self._configuration.write_text(_configuration(directory))

    @property
    def downloads(self) -> Path:
        """Where `apt-get download` and `apt-get source` put their files."""
        return self.directory / "downloads"

    def __call__(self, *words: str) -> None:
        """Run `apt-get WORDS…`, three times if need be. Raises NotFetchedError."""
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE_SECONDS)
            done = subprocess.run(
                ["apt-get", "-q", *words],
                cwd=self.downloads,
                env={**os.environ, "APT_CONFIG": str(self._configuration), "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                check=False,
                timeout=_TIMEOUT_SECONDS,
            )
            # `update` is content with old lists where there are any: ours are empty, so look.
            failed = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))]
            if done.returncode == 0 and not any("Failed to fetch" in line for line in failed):
                return
            said = " ".join(failed) or done.stderr.strip()
        raise NotFetchedError(
            f"Debian packages could not be fetched ({ATTEMPTS} attempts): {said[:300]}"
        )


def _configuration(directory: Path) -> str:
    return (
        f'Dir::Etc::sourcelist "{directory}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        'Dir::Etc::preferences "-";\n'
        'Dir::Etc::preferencesparts "-";\n'
        f'Dir::State "{directory}";\n'
        f'Dir::State::lists "{directory}/lists";\n'
        f'Dir::State::status "{directory}/status";\n'
        f'Dir::Cache "{directory}";\n'
        f'Dir::Cache::archives "{directory}/archives";\n'
        'APT::Install-Recommends "false";\n'
        'APT::Sandbox::User "root";\n'
        'Acquire::Languages "none";\n'
        'Acquire::Retries "2";\n'
    )


def machines_mirror(sources: str | None = None) -> str:
    """The Debian mirror of this machine: of apt's own list of what it would fetch.

    Raises NotFetchedError when there is none.
    """
    if sources is None:
        try:
            done = subprocess.run(
                ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)"],
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        except FileNotFoundError:
            raise NotFetchedError("This machine has no apt.") from None
        sources = done.stdout
    for line in sources.splitlines():
        site, release, component = (*line.split(" "), "", "")[:3]
        is_debian = urlsplit(site).path.rstrip("/").endswith("/debian")
        if is_debian and component == "main" and "security" not in release:
            return site
    raise NotFetchedError(
        "This machine's apt sources name no Debian mirror to fetch packages from."
    )


def machines_suite(os_release: str | None = None) -> str:
    """The code name of this machine's Debian (os-release(5)). Raises NotFetchedError."""
    if os_release is None:
        try:
            os_release = Path("/etc/os-release").read_text()
        except OSError:
            os_release = ""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    suite = values.get("VERSION_CODENAME", "").strip('"')
    if values.get("ID", "").strip('"') != "debian" or not suite:
        raise NotFetchedError("This machine is no Debian.")
    return suite
