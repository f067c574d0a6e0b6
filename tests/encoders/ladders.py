"""What tests of ladders share: a source, a ladder, and what `ladder list` says of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import REPOSITORY, Finished, Place, wait_for

SMALL = ("--size", "160x90", "--bitrate", "100k", "--segment-seconds", "1s")
SOUND = "lavfi:testsrc2=size=160x90:rate=10[out0];sine=sample_rate=48000[out1]"

# Factories as another package brings them: each one breaks in another way.
_OWN = """
import sys
from hlsswarm.core.transcoders import Declined

def _sleeper(job, then=""):
    if job.track != "video":
        return Declined("pictures only")
    return [sys.executable, "-c", f"import signal, time; {then}; time.sleep(3600)"]

def tiny(job):
    if job.track != "video":
        return None
    return job.command(["-vf", "scale=64:36", "-c:v", "libx264", "-preset", "ultrafast",
                        "-force_key_frames", "source", "-c:a", "copy"])

def badstart(job):
    if job.track != "video":
        return None
    return [str(job.ffmpeg), "-hide_banner", "-no_such_option"]

def deaf(job):
    ignored = "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)]"
    return _sleeper(job, ignored)

def broken(job):
    raise RuntimeError("no licence")
"""


def install_factories(place: Place) -> dict[str, str]:
    """A package with own factories, with its metadata as pip would leave it; the environment in
    which it is found.
    """
    directory = place.root / "own"
    information = directory / "own_factories-1.0.dist-info"
    information.mkdir(parents=True)
    (directory / "own_factories.py").write_text(_OWN)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: own-factories\nVersion: 1\n"
    )
    names = ("tiny", "badstart", "deaf", "broken")
    lines = [f"{name} = own_factories:{name}" for name in names]
    lines += ["missing = own_factories:nowhere"]
    text = "\n".join(["[hlsswarm.transcoders]", *lines])
    (information / "entry_points.txt").write_text(text + "\n")
    return {"PYTHONPATH": f"{REPOSITORY}:{directory}"}


@dataclass(frozen=True)
class Ladder:
    """A ladder in a place; `environment` has own factories."""

    place: Place
    environment: dict[str, str]

    @property
    def media(self) -> Path:
        """The media root."""
        return self.place.root / "m"

    def run(self, *words: str) -> Finished:
        """`hlsswarm ladder WORDS…`."""
        return self.place.run("ladder", *words, env=self.environment)

    def done(self, *words: str) -> str:
        """`hlsswarm ladder WORDS…`, which has to succeed; what it says."""
        finished = self.run(*words)
        assert finished.status == 0, f"{finished.words}: {finished.out}\n{finished.err}"
        return finished.out

    def document(self) -> dict[str, Any]:
        """`ladder list --json`."""
        document: dict[str, Any] = json.loads(self.done("list", "--json"))
        assert document["schema"] == "hlsswarm.ladder/1"
        return document

    def transcoders(self) -> dict[tuple[str, str, str], dict[str, Any]]:
        """By (factory, rendition, source)."""
        found = self.document()["transcoders"]
        keys = {(item["factory"], item["rendition"], item["source"]): item for item in found}
        assert len(keys) == len(found), "two of a key"
        return keys

    def running(self) -> dict[tuple[str, str, str], int]:
        """Main PIDs of what runs."""
        return {key: item["pid"] for key, item in self.transcoders().items() if item["pid"]}

    def wait(
        self, key: tuple[str, str, str], what: str, condition: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        """Wait until a key's entry is as wanted; the entry."""

        def found() -> dict[str, Any] | None:
            item = self.transcoders().get(key)
            return item if item is not None and condition(item) else None

        return wait_for(f"{key}: {what}", found, timeout_seconds=40)

    def wait_listed(self, *keys: tuple[str, str, str]) -> None:
        """Wait until the Multivariant Playlists have all of these."""
        for key in keys:
            self.wait(key, "to be listed", lambda item: item["listed"])


def start_source(place: Place, name: str) -> None:
    """A small live source with sound."""
    place.done("encoder", "start", name, "--input", SOUND, *SMALL)


def listed_names(playlist: Path) -> list[str]:
    """The URIs of a playlist; none where there is none."""
    text = playlist.read_text() if playlist.exists() else ""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
