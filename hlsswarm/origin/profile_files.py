"""Finds the profile that is meant: one that came with the program, or a user's TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from hlsswarm.core.profile_text import profile_of, with_settings
from hlsswarm.core.profiles import OriginProfile
from hlsswarm.core.shipped_profiles import PROFILES
from hlsswarm.errors import ConfigurationError, UsageError

_SUFFIX = ".toml"
_SYSTEM = Path("/etc/hlsswarm/profiles")


def profile_directories() -> tuple[Path, ...]:
    """Where users keep profiles; the first that has one of a name counts."""
    home = os.environ.get("XDG_CONFIG_HOME")
    own = Path(home) if home else Path("~/.config").expanduser()
    return (own / "hlsswarm" / "profiles", _SYSTEM)


def find_profile(name: str, settings: Sequence[str] = ()) -> OriginProfile:
    """The profile `name`, or in the file `name`, with the fields that `settings` change.

    Raises UsageError when there is none, ConfigurationError for what is wrong in it.
    """
    return with_settings(_found(name), settings)


def _found(name: str) -> OriginProfile:
    if name.endswith(_SUFFIX) or "/" in name:
        return read_profile(Path(name))
    if name in PROFILES:
        return PROFILES[name]
    files = own_profiles()
    if name in files:
        return read_profile(files[name])
    raise UsageError(
        f"There is no profile {name!r}.", hint=f"There is: {', '.join([*PROFILES, *files])}."
    )


def own_profiles() -> dict[str, Path]:
    """The users' files by the profiles' names, without those that the program's own names hide."""
    found: dict[str, Path] = {}
    for directory in profile_directories():
        for path in sorted(directory.glob(f"*{_SUFFIX}")):
            found.setdefault(path.stem, path)
    return {name: path for name, path in found.items() if name not in PROFILES}


def read_profile(path: Path) -> OriginProfile:
    """The profile in a file. Raises ConfigurationError."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(
            f"The profile {path} cannot be read: {reason}.",
            hint="`hlsswarm origin profiles` lists those that there are.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from None
    return profile_of(path.stem.lower(), document, where=str(path))
