"""Finds programs and fonts on this machine, by absolute paths, which is what units need."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from hlsswarm.errors import PreflightError

# Where distributions keep the font that ffmpeg's own packages bring.
_FONTS = (
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"),
    Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"),
    Path("/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono.ttf"),
)


def find_program(name: str, *, package: str) -> Path:
    """Absolute path of a program given by name or path; `package` is Debian's, for the hint.

    Raises PreflightError when it is not there or not executable.
    """
    found = shutil.which(name)
    # Debian keeps servers in sbin, which an ordinary user's PATH may lack.
    if found is None and "/" not in name:
        found = shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        missing = "is not installed" if "/" not in name else "does not exist or cannot be executed"
        raise PreflightError(f"{name} {missing}.", hint=f"apt-get install {package}")
    return Path(os.path.abspath(found))  # noqa: PTH100  (a link to it may be its very name)


def package_environment() -> str:
    """What a unit needs in its environment to run a program of this package by `python -m`."""
    return f"PYTHONPATH={Path(__file__).parent.parent}"


def find_font() -> Path | None:
    """A font for words in test pictures; None where there is none, which leaves them out."""
    return next((font for font in _FONTS if font.is_file()), None)


def is_ours_alone(program: Path) -> bool:
    """Whether a program is there that only root or this user can have written."""
    try:
        real = program.resolve(strict=True)
        stats = [path.stat() for path in (real, real.parent, real.parent.parent)]
    except OSError:
        return False
    owners = {0, os.geteuid()}
    return all(each.st_uid in owners and not each.st_mode & 0o022 for each in stats)
