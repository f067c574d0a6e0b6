"""Arguments of `hlsswarm report`."""

from __future__ import annotations

import argparse
from pathlib import Path

REPORT_EXAMPLES = """\
examples:
  hlsswarm report results
  hlsswarm report results --format html --output report.html
  hlsswarm report host-a host-b --format json     runs of several hosts, or segments, as one
  hlsswarm report results --format junit --judge  exit status of the verdict, for a pipeline
"""
REPORT_FORMATS = ("text", "json", "html", "junit", "csv")


def add_report(parser: argparse.ArgumentParser) -> None:
    """Where the runs are, and what is to become of them."""
    parser.add_argument("directory", nargs="+", type=Path, metavar="DIR", help="of `run --out DIR`")
    parser.add_argument(
        "--format", default="text", metavar="F", help="text, json, html, junit or csv (text)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write to this file")
    parser.add_argument(
        "--judge", action="store_true", help="end with the exit status of the verdict"
    )
