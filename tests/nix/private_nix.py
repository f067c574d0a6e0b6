"""A Nix of our own: Debian trixie's, unpacked and not installed, without network or daemon.

Knows how to fetch it (apt_tree), to call it so that it touches nothing outside its directory,
and to evaluate. Nothing is built and nothing is downloaded by Nix: no substituter, no registry, no
NIX_PATH. Knows nothing of our modules or packages. Source: nix.conf(5) of Nix 2.26.

    evaluate("1 + 1")                                    2
    evaluate('import ./nix/machines.nix')               relative paths are the repository's
    configuration("{ services.hlsswarm.enable = true; }", "config.systemd.services")

`NIXPKGS` is what expressions are evaluated with: the stub in tests/nix/stub, or the real tree that
$HLSSWARM_NIXPKGS names.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.apt_tree import CACHE, REPOSITORY, unpacked

SUITE = "trixie"
STUB = Path(__file__).with_name("stub")
NIXPKGS = Path(os.environ.get("HLSSWARM_NIXPKGS") or STUB)
"""A tree of nixpkgs, or what stands for one."""
_CONFIGURATION = """\
experimental-features = nix-command flakes
build-users-group =
sandbox = false
substituters =
flake-registry =
build-hook =
warn-dirty = false
"""
_TIMEOUT_SECONDS = 600.0


class NixError(Exception):
    """Nix has refused; the text is what it said at last, without the trace that led there."""


@dataclass(frozen=True)
class Nix:
    """Nix's programs below `root`, and what they may write, below `home`."""

    root: Path
    home: Path

    @property
    def store(self) -> Path:
        """A store of its own, for what has to be copied or instantiated."""
        return self.home / "store"

    def words(self, program: str = "nix") -> list[str]:
        """The beginning of a command line: one binary is all of Nix's programs, by argv[0]."""
        libraries = self.root / "usr/lib" / f"{platform.machine()}-linux-gnu"
        loaders = (*(self.root / "usr/lib64").glob("ld-linux-*"), *libraries.glob("ld-linux-*"))
        return [
            *(str(loaders[0]), "--argv0", program, "--library-path", str(libraries)),
            str(self.root / "usr/bin/nix"),
        ]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's Nix, and no place but ours."""
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "NIX_CONFIG": _CONFIGURATION,
            "NIX_CONF_DIR": str(self.home / "etc"),
        }

    def run(
        self, *words: str, program: str = "nix", cwd: Path = REPOSITORY
    ) -> subprocess.CompletedProcess[str]:
        """`nix WORDS…`, whatever comes of it."""
        return subprocess.run(
            [*self.words(program), *words],
            cwd=cwd,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SECONDS,
        )

    def output(self, *words: str, program: str = "nix", cwd: Path = REPOSITORY) -> str:
        """What `nix WORDS…` writes. Raises NixError when it fails."""
        done = self.run(*words, program=program, cwd=cwd)
        if done.returncode:
            raise NixError(_last_words(done.stderr))
        return done.stdout


def _last_words(said: str) -> str:
    """Of a trace, the error itself."""
    return said[max(0, said.rfind("error:")) :].removeprefix("error:").strip()


@functools.cache
def nix(cache: Path = CACHE / "nix") -> Nix:
    """Fetched once. Raises NotFetchedError."""
    root = unpacked(SUITE, ["nix-bin"], dependencies=True, cache=cache)
    home = cache / "home"
    home.mkdir(exist_ok=True)
    return Nix(root, home)


def evaluate(expression: str, *options: str) -> Any:
    """The value of an expression, through JSON. Raises NixError, for a failed assertion too.

    No store is there: nothing is copied, no derivation is written.
    """
    words = ("eval", "--json", "--impure", "--read-only", "--store", "dummy://", *options)
    return json.loads(nix().output(*words, "--expr", expression))


def configuration(
    module: str, wanted: str = "config", *, modules: Sequence[str | Path] = ("default",)
) -> Any:
    """What a NixOS machine with `module` (an expression) is; `wanted` may speak of `config`,
    `options`, `pkgs` and `lib`.

    `modules` are names of files of nixos-modules/, or paths. Raises NixError.
    """
    files = [
        name if isinstance(name, Path) else REPOSITORY / "nixos-modules" / f"{name}.nix"
        for name in modules
    ]
    return evaluate(
        f"""
        let
          machine = import {Path(__file__).with_name("machine.nix")} {{
            nixpkgs = {NIXPKGS};
            repository = {REPOSITORY};
            modules = [ {" ".join(map(str, files))} ({module}) ];
          }};
          inherit (machine) config options pkgs lib;
        in
        {wanted}
        """
    )
