"""Settings as TOML: the same names as the flags, from the same table.

url = "http://127.0.0.1:8080/stream.m3u8"
clients = 200
duration = "30m"
threshold = ["segment_seconds: p(95)<0.5", "http_errors: count==0"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hlsswarm.core.setting import Setting
from hlsswarm.core.settings import RUN_SETTINGS
from hlsswarm.errors import ConfigurationError, HlsSwarmError


def read_config(path: Path) -> dict[str, Any]:
    """Values by setting. Raises ConfigurationError with everything that is wrong in the file."""
    return read_values(path, read_document(path), RUN_SETTINGS, texts=("url",))


def read_document(path: Path) -> dict[str, Any]:
    """A TOML file as it is. Raises ConfigurationError."""
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigurationError(f"--config {path} cannot be read: {reason}.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from None


def read_values(
    path: Path, table: Mapping[str, Any], settings: Sequence[Setting], *, texts: Sequence[str]
) -> dict[str, Any]:
    """Values of a table of the file, by setting; `texts` are keys that are taken as they are.

    Raises ConfigurationError with everything that is wrong in the table.
    """
    by_key = {setting.key: setting for setting in settings}
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for name, value in table.items():
        key = name.replace("-", "_")
        try:
            values[key] = str(value) if key in texts else _value(name, by_key, value)
        except ConfigurationError as error:
            wrong.append(f"{error.message} {error.hint or ''}".strip())
    if wrong:
        raise ConfigurationError(f"{path}: " + " ".join(wrong))
    return values


def _value(name: str, by_key: Mapping[str, Setting], value: Any) -> Any:
    key = name.replace("-", "_")
    setting = by_key.get(key)
    if setting is None:
        near = get_close_matches(key, by_key, 1)
        meant = f" Is {near[0].replace('_', '-')} meant?" if near else ""
        raise ConfigurationError(f"There is no setting {name!r}.{meant}")
    if setting.flag:
        if not isinstance(value, bool):
            raise ConfigurationError(f"{name} is true or false.")
        return value
    if setting.repeat:
        if not isinstance(value, list):
            raise ConfigurationError(f"{name} is a list.")
        return [_read(setting, item) for item in value]
    return _read(setting, value)


def _read(setting: Setting, value: Any) -> Any:
    """A value read as its flag's text would be."""
    if isinstance(value, (dict, list)):
        raise ConfigurationError(f"{setting.name} is one value.")
    text = ("on" if value else "off") if isinstance(value, bool) else str(value)
    try:
        return setting.parse(text)
    except ValueError:
        wanted = setting.wanted or "another value"
        raise ConfigurationError(
            f"{setting.name} {text!r} cannot be read: give {wanted}."
        ) from None
    except HlsSwarmError as error:
        raise ConfigurationError(f"{setting.name}: {error.message}", hint=error.hint) from None
