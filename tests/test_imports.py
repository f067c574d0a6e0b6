"""Which part may know which: the direction of imports, read from the syntax trees.

    cli ──► api ──► rig ──► origin, encoders, publishers ──► controller
        ──► units, telemetry, metrics, report ──► core ──► errors

`programs` (finds programs), `places` (finds directories) and `errors` are for everybody. Each
file states the rule it breaks.
"""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "hlsswarm"
FILES = sorted(PACKAGE.rglob("*.py"))
LINES_MAX = 400

SERVES = {"errors", "core", "programs", "places", "units", "telemetry", "controller", "__init__"}
"""What the parts that run services beside a swarm may know."""
# Parts of hlsswarm that each part may import, besides itself.
MAY_KNOW: dict[str, set[str]] = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "programs": {"errors"},
    "places": {"errors"},
    "core": {"errors"},
    "units": {"errors", "core", "__init__"},
    "telemetry": {"errors", "core", "programs", "places"},
    "ffmpeg_minimal": {"errors", "programs", "places"},
    "metrics": {"errors", "core"},
    "report": {"errors", "core"},
    "controller": {
        "errors",
        "core",
        "programs",
        "units",
        "telemetry",
        "metrics",
        "report",
        "__init__",
    },
    "origin": SERVES | {"encoders"},
    "encoders": SERVES | {"metrics"},
    "publishers": SERVES,
    "rig": SERVES | {"metrics", "report", "origin", "encoders", "publishers"},
    "api": {
        "errors",
        "core",
        "units",
        "controller",
        "metrics",
        "origin",
        "encoders",
        "rig",
        "__init__",
    },
    "cli": {
        "errors",
        "core",
        "programs",
        "places",
        "units",
        "metrics",
        "report",
        "controller",
        "origin",
        "encoders",
        "publishers",
        "ffmpeg_minimal",
        "rig",
        "api",
        "__init__",
    },
}
# Of all modules outside hlsswarm, those that the pure core may import. Those of others parse or
# write text: m3u8 (playlists), prometheus_client.parser (what an exporter says), jinja2, tomli_w.
CORE_MAY_IMPORT = {
    "__future__",
    "abc",
    "bisect",
    "collections",
    "contextlib",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "importlib.resources",
    "ipaddress",
    "itertools",
    "jinja2",
    "json",
    "m3u8",
    "math",
    "operator",
    "pathlib",
    "prometheus_client.parser",
    "random",
    "re",
    "shlex",
    "signal",
    "statistics",
    "string",
    "textwrap",
    "tomli_w",
    "tomllib",
    "types",
    "typing",
    "urllib.parse",
}
# Methods of Path, and calls, that look at the machine. read_text: see CORE_MAY_READ.
IMPURE_CALLS = {
    "absolute",
    "chmod",
    "cwd",
    "exists",
    "expanduser",
    "getaddrinfo",
    "glob",
    "home",
    "input",
    "is_dir",
    "is_file",
    "is_symlink",
    "iterdir",
    "kill",
    "mkdir",
    "now",
    "open",
    "print",
    "read_bytes",
    "read_text",
    "readlink",
    "rename",
    "resolve",
    "rglob",
    "rmdir",
    "stat",
    "today",
    "touch",
    "unlink",
    "utcnow",
    "write_bytes",
    "write_text",
}
CORE_MAY_READ = {"nginx.py"}
"""Reads the template that is part of the package, through importlib.resources."""
# Libraries that one place alone may know.
ONLY_IN = {
    "pystemd": {"units/bus.py"},
    "prometheus_client": {"metrics", "controller", "core/origin_load.py"},
    "h11": {"metrics", "origin/fault_server.py"},
    "m3u8": {
        "controller/preflight.py",
        "core/ladder_media.py",
        "core/live_edge.py",
        "core/variants.py",
    },
    "jinja2": {"core", "report"},
    "argparse": {"cli", "encoders/prepare.py"},
    "rich": {"report/live.py"},
    "aiohttp": {"api"},
}


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """The part a file belongs to: its folder, or its own name at the top."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, at the top or within a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where a name comes from"
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from names if module in {"hlsswarm", "importlib"} else [module]


def parse(path: Path) -> ast.Module:
    # Python before 3.11.5 fails where a finalizer that the collector runs meanwhile parses too.
    gc.disable()
    try:
        return ast.parse(path.read_text(), str(path))
    finally:
        gc.enable()


def outside(name: str) -> str:
    """A module of others under the name that the rules have: two levels where they say so."""
    two = ".".join(name.split(".")[:2])
    return two if two in CORE_MAY_IMPORT else name.partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_inwards(path: Path) -> None:
    part = part_of(path)
    for name in imports(parse(path)):
        if name.partition(".")[0] != "hlsswarm":
            continue
        words = name.split(".")
        # `import hlsswarm` and `from hlsswarm import __version__` are of the package itself.
        target = words[1] if len(words) > 1 and (PACKAGE / words[1]).is_dir() else "__init__"
        if len(words) > 1 and (PACKAGE / f"{words[1]}.py").is_file():
            target = words[1]
        assert target == part or target in MAY_KNOW[part], f"{part} must not know {target}: {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=relative)
def test_core_is_pure(path: Path) -> None:
    tree = parse(path)
    strangers = {name for name in imports(tree) if not name.startswith("hlsswarm")}
    assert {outside(name) for name in strangers} <= CORE_MAY_IMPORT
    called = {
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    allowed = {"read_text"} if path.name in CORE_MAY_READ else set()
    assert not called & (IMPURE_CALLS - allowed)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_library_is_known_in_one_place(path: Path) -> None:
    for name in imports(parse(path)):
        places = ONLY_IN.get(name.partition(".")[0])
        if places is not None:
            assert {relative(path), part_of(path)} & places, f"only {places} may import {name}"


def test_every_part_has_a_rule() -> None:
    assert {part_of(path) for path in FILES} == set(MAY_KNOW)
    assert not {name for names in MAY_KNOW.values() for name in names} - set(MAY_KNOW)


def test_rules_have_no_circle() -> None:
    """Taken away one by one, every part comes to know nobody."""
    left = {part: set(known) for part, known in MAY_KNOW.items()}
    while left:
        free = {part for part, known in left.items() if not known & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {part: known for part, known in left.items() if part not in free}


def test_core_rule_names_real_modules() -> None:
    assert {name.partition(".")[0] for name in CORE_MAY_IMPORT} <= sys.stdlib_module_names | {
        "jinja2",
        "m3u8",
        "prometheus_client",
        "tomli_w",
    }


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_is_not_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_MAX


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_file_says_what_it_is(path: Path) -> None:
    assert not path.read_text() or ast.get_docstring(parse(path))
