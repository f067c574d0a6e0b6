"""docs/nixos-options.md is made of the modules' options; machines of docs/nixos.md evaluate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.nix.modules.support import GUEST, HERE, golden, guest, machine
from tests.support import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "nixos-options.md"
GUIDE = REPOSITORY / "docs" / "nixos.md"
HEAD = """\
# Options of the NixOS modules

Made of the modules by `UPDATE_GOLDEN=1 pytest tests/nix/modules/test_documentation.py`. How to use
them: [nixos.md](nixos.md). The keys of `services.hlsswarm.settings` are those of the rig's file,
with the same types: [configuration.md](configuration.md).
"""
FILES = {
    "testOrigin": "test-origin.nix",
    "monitoring": "monitoring.nix",
    "tuning": "tuning.nix",
    "microvm": "microvm.nix",
}
EXAMPLES = re.findall(r"^```nix\n(\{\n.*?\n\})\n```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield HEAD
    by_file: dict[str, list[dict[str, Any]]] = {"swarm.nix": []}
    for row in rows:
        file = FILES.get(row["name"].split(".")[2], "swarm.nix")
        by_file.setdefault(file, []).append(row)
    for file in ("swarm.nix", *FILES.values()):
        yield f"## {file}\n"
        for row in by_file[file]:
            yield f"### `{row['name']}`\n"
            yield f"{row['description'].strip()}\n"
            for name in ("default", "example"):
                if row[name] is not None:
                    yield f"{name.capitalize()}: {_code(row[name])}\n"


def _code(text: str) -> str:
    text = text.strip()
    return f"\n\n```nix\n{text}\n```" if "\n" in text else f"`{text}`"


def test_every_option_is_documented() -> None:
    """`UPDATE_GOLDEN=1` writes the page anew."""
    walk = f"import {HERE}/options.nix {{ inherit lib options; }}"
    rows = machine(guest("{ }"), walk, modules=GUEST)
    assert [row["name"] for row in rows if not row["description"].strip()] == []
    wanted = "\n".join(_lines(rows))
    assert golden(DOCUMENT, wanted) == wanted


def test_the_guide_has_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: f"{hash(text) & 0xFFFF:04x}")
def test_an_example_of_the_guide_is_a_machine(example: str) -> None:
    with_guest = "services.hlsswarm.microvm" in example
    module = guest(example) if with_guest else example
    modules = GUEST if with_guest else ("default",)
    assert machine(module, "config.services.hlsswarm.enable", modules=modules) in (True, False)
