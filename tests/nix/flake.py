"""Our flake, evaluated as a whole: with the stub of nixpkgs, or with a real tree.

Knows which files of the repository the flake is made of, and how to give it other inputs than those
of its lock, which cannot be fetched here. Nothing is built. `python -m tests.nix.flake` is
`make nix-check`: with $HLSSWARM_NIXPKGS (and $HLSSWARM_MICROVM) naming trees, it is the real thing.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.lab.apt_tree import REPOSITORY
from tests.nix.private_nix import NIXPKGS, STUB, nix

FILES = (
    *("flake.nix", "flake.lock", "nix", "nixos-modules", "systemd", "containers", "monitoring"),
    *("hlsswarm", "tests/vm", "pyproject.toml", "README.md"),
)
"""Without what nobody evaluates: environments, caches, and other tests."""
STUB_MICROVM = Path(__file__).with_name("stub_microvm")
MICROVM = Path(os.environ.get("HLSSWARM_MICROVM") or STUB_MICROVM)
_IGNORED = shutil.ignore_patterns("__pycache__")


def copy_flake(directory: Path) -> Path:
    """The flake's files in a directory of their own, as a clean checkout has them."""
    for name in FILES:
        source, target = REPOSITORY / name, directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_IGNORED)
        else:
            shutil.copy(source, target)
    return directory


@functools.cache
def _added(tree: Path) -> str:
    """A tree as an input: put into our store once, and named by what it holds."""
    words = ("flake", "prefetch", "--store", str(nix().store), "--json", f"path:{tree}")
    found = json.loads(nix().output(*words))
    return f"path:{found['storePath']}?narHash={found['hash']}"


def overridden(nixpkgs: Path = NIXPKGS, microvm: Path = MICROVM) -> list[str]:
    """Options that give the flake these inputs."""
    return [
        *("--override-input", "nixpkgs", _added(nixpkgs)),
        *("--override-input", "microvm", _added(microvm)),
    ]


def check(
    directory: Path, nixpkgs: Path = NIXPKGS, microvm: Path = MICROVM
) -> subprocess.CompletedProcess[str]:
    """`nix flake check --no-build --all-systems`: every output is evaluated, nothing is built."""
    words = ("flake", "check", "--no-build", "--all-systems")
    return nix().run(*words, *_place(directory), *overridden(nixpkgs, microvm))


def shown(directory: Path) -> Any:
    """`nix flake show`: the tree of outputs; what cannot be evaluated raises NixError."""
    words = ("flake", "show", "--json", "--all-systems")
    return json.loads(nix().output(*words, *_place(directory), *overridden()))


def lock_fits(directory: Path) -> subprocess.CompletedProcess[str]:
    """`nix flake metadata`, which may fetch nothing and change nothing."""
    return nix().run("flake", "metadata", "--no-update-lock-file", *_place(directory))


def _place(directory: Path) -> list[str]:
    return ["--offline", "--store", str(nix().store), f"path:{directory}"]


def main() -> int:
    """Check the flake, for people: what Nix says, and how long it took."""
    kind = "the stub of tests/nix" if NIXPKGS == STUB else str(NIXPKGS)
    print(f"==> nix flake check --no-build --all-systems; nixpkgs is {kind}", flush=True)
    with tempfile.TemporaryDirectory(prefix="hlsswarm-flake-") as name:
        directory = copy_flake(Path(name))
        began = time.monotonic()
        done = check(directory)
        print(done.stderr, end="")
        if not done.returncode:
            print(f"==> all evaluate ({time.monotonic() - began:.0f} s)")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
