"""Other ffmpegs beside the machine's own: those of later Debian suites, unpacked, not installed.

`python -m tests.lab.ffmpeg_versions SUITE…` prints their paths, joined by colons, as
HLSSWARM_TEST_FFMPEGS takes them.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from tests.lab.apt_tree import CACHE, unpacked


def later_ffmpeg(suite: str, cache: Path = CACHE / "ffmpeg") -> Path:
    """A program that runs the suite's ffmpeg with its own C library. Raises NotFetchedError."""
    root = unpacked(suite, ["ffmpeg"], dependencies=True, cache=cache)
    libraries = root / "usr/lib" / f"{platform.machine()}-linux-gnu"
    loader = next((root / "usr/lib64").glob("ld-linux-*"), None) or next(
        libraries.glob("ld-linux-*")
    )
    below = [libraries, *(libraries / name for name in ("blas", "lapack", "pulseaudio"))]
    program = cache / f"ffmpeg-{suite}"
    program.write_text(
        "#!/bin/sh\n"
        f"exec {loader} --argv0 ffmpeg --library-path {':'.join(map(str, below))} "
        f'{root}/usr/bin/ffmpeg "$@"\n'
    )
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    print(":".join(str(later_ffmpeg(suite)) for suite in sys.argv[1:]))
