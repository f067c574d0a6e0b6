"""Builds an ffmpeg that can play HLS and nothing else, from Debian's own source package.

    apt's source package ─► source.sed ─► configure.options ─► make
                              ─► CACHE/ffmpeg-minimal/VERSION-HASH/ffmpeg

A client with it needs a quarter of the memory and a fifth of the CPU at its start
(docs/performance.md).
Linked statically: thousands of processes share its pages, and none waits for a dynamic linker.
apt checks the archive's signature and the .dsc, dpkg-source the checksums that the .dsc has.
Knows nothing of units; what uses it: telemetry/ffmpeg_program.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

from hlsswarm.errors import PreflightError
from hlsswarm.ffmpeg_minimal.debian import PrivateApt, machines_mirror, machines_suite
from hlsswarm.places import cache_directory, minimal_ffmpeg
from hlsswarm.programs import find_program

PACKAGES = ("gcc", "libc6-dev", "make", "pkg-config", "libmbedtls-dev", "dpkg-dev", "xz-utils")
"""What Debian calls what the build needs."""
_EDITED = ("fftools/ffmpeg.c", "libavutil/log.c")
"""What source.sed is for."""
_STATIC = ("--pkg-config-flags=--static", "--extra-ldexeflags=-static")
_HEADER = Path("/usr/include/mbedtls/ssl.h")
_BUILD_TIMEOUT_SECONDS = 1800
_KEPT_LINES = 5

Say = Callable[[str], None]


def options() -> list[str]:
    """The options for `configure`, as configure.options has them."""
    return _lines("configure.options")


def _lines(name: str) -> list[str]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _recipe() -> list[str]:
    """All that makes this build another than that of the same source; kept beside the program."""
    return [*options(), *_STATIC, *_lines("source.sed")]


def build(say: Say, *, again: bool = False) -> Path:
    """The minimal ffmpeg's path; built unless it is there with these options already (or `again`,
    for a newer source). Raises PreflightError for what the build needs and does not find.
    """
    home = cache_directory() / "ffmpeg-minimal"
    program = minimal_ffmpeg()
    if not again and _built_with(program) == _recipe():
        say("It is built already.")
        return program
    _check_tools()
    suite, mirror = machines_suite(), machines_mirror()
    with _locked(home):
        work = Path(tempfile.mkdtemp(prefix="build-", dir=home))
        try:
            say(f"Fetching the source of Debian {suite}'s ffmpeg …")
            apt = PrivateApt(work / "apt", f"{mirror} {suite} main", kind="deb-src")
            apt("update")
            apt("source", "--download-only", "ffmpeg")
            description = next(apt.downloads.glob("*.dsc"))
            say("Building (one to two minutes) …")
            built = _compile(_unpacked(description, work))
            place = home / f"{_version(description)}-{_identity(description)}"
            _put(built, place, work)
            _point_to(place)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return program


def _built_with(program: Path) -> list[str]:
    """The recipe of the program there; nothing when there is none."""
    try:
        return (program.parent / "recipe").read_text().splitlines()
    except OSError:
        return []


def _check_tools() -> None:
    for program, package in (("gcc", "gcc"), ("make", "make"), ("dpkg-source", "dpkg-dev")):
        find_program(program, package=package)
    if not _HEADER.exists():
        raise PreflightError(
            "The TLS library that it is built with is missing.",
            hint=f"apt-get install {' '.join(PACKAGES)}",
        )


@contextlib.contextmanager
def _locked(home: Path) -> Iterator[None]:
    """One build at a time; what a killed one has left half made is removed."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise PreflightError(f"{home} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for left in home.glob("build-*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _version(description: Path) -> str:
    """`5.1.9-0+deb12u1` from the name of a source package's .dsc."""
    return description.name.removeprefix("ffmpeg_").removesuffix(".dsc")


def _identity(description: Path) -> str:
    """What makes two builds the same: the source (its .dsc has checksums) and the recipe."""
    words = "\n".join(_recipe()).encode()
    return hashlib.sha256(description.read_bytes() + words).hexdigest()[:12]


def _unpacked(description: Path, work: Path) -> Path:
    """The source tree with Debian's patches; dpkg-source checks the checksums."""
    tree = work / "source"
    words = ["dpkg-source", "-x", str(description), str(tree)]
    _run(words, work, "The source could not be unpacked")
    return tree


def _compile(tree: Path) -> Path:
    words = [
        "sed",
        "--in-place",
        *(f"--expression={line}" for line in _lines("source.sed")),
        *_EDITED,
    ]
    _run(words, tree, "The source could not be edited")
    _run(["./configure", *options(), *_STATIC], tree, "ffmpeg's configure failed")
    jobs = len(os.sched_getaffinity(0))
    _run(["make", f"-j{jobs}", "ffmpeg"], tree, "ffmpeg could not be built")
    _run([str(tree / "ffmpeg"), "-version"], tree, "What was built does not run")
    return tree / "ffmpeg"


def _run(words: list[str], directory: Path, trouble: str) -> None:
    done = subprocess.run(
        words,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        check=False,
        timeout=_BUILD_TIMEOUT_SECONDS,
    )
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        wrong = [line for line in lines if re.search(r"error|ERROR|not found", line)] or lines
        raise PreflightError(f"{trouble}: {' / '.join(wrong[-_KEPT_LINES:])}")


def _put(program: Path, place: Path, work: Path) -> None:
    """Make `place` with the program in it, as a whole or not at all."""
    fresh = work / "fresh"
    fresh.mkdir()
    shutil.copy2(program, fresh / "ffmpeg")
    (fresh / "recipe").write_text("\n".join(_recipe()) + "\n")
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def _point_to(place: Path) -> None:
    """Make `current` name this build; others are removed: what runs keeps its open file."""
    link = place.parent / "build-link"
    link.unlink(missing_ok=True)
    link.symlink_to(place.name)
    link.rename(place.parent / "current")
    for program in place.parent.glob("*/ffmpeg"):
        other = program.parent
        if not other.is_symlink() and other != place:
            shutil.rmtree(other, ignore_errors=True)
