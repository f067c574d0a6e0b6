"""Arguments of the commands about configuration files: check, config, schema, options."""

from __future__ import annotations

import argparse
from pathlib import Path

CONFIGURATION = Path("/etc/hlsswarm/hlsswarm.toml")
"""Where a machine's rig is described."""

CHECK_EXAMPLES = """\
examples:
  hlsswarm check
  hlsswarm check rig.toml
  hlsswarm check --json rig.toml

It reads the file and nothing else: no systemd, no network, none of the files that it names.

exit status:
  0 the file is right   104 it is not: each line says FILE:LINE, the key, and what would be right
"""
CONFIG_EXAMPLES = """\
examples:
  hlsswarm config --write saved.toml
  hlsswarm config --from rig.toml
  hlsswarm config --from rig.toml --write saved.toml

Without --from it is the rig that runs, as it was steered since its file was read.
Secrets are left out: *** stands for them, and has to be filled in before the file can be used.
"""
SCHEMA_EXAMPLES = """\
examples:
  hlsswarm schema
  hlsswarm schema --options
  hlsswarm schema --api
"""
OPTIONS_EXAMPLES = """\
examples:
  hlsswarm options
  hlsswarm options --markdown
"""


def add_check(parser: argparse.ArgumentParser) -> None:
    """Arguments of `check`."""
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        default=CONFIGURATION,
        metavar="FILE",
        help=f"a rig's file (default {CONFIGURATION})",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Arguments of `config`."""
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="FILE",
        help=f"a rig's file (default: the rig that runs; {CONFIGURATION} where none does)",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write to this file instead of the terminal"
    )


def add_schema(parser: argparse.ArgumentParser) -> None:
    """Arguments of `schema`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--options", action="store_true", help="a list of all keys, for documentation, instead"
    )
    what.add_argument(
        "--api", action="store_true", help="the OpenAPI document of the rig's API instead"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Arguments of `options`."""
    parser.add_argument("--markdown", action="store_true", help="as tables of Markdown")
