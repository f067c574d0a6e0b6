"""Prometheus and promtool of Debian, unpacked into a folder: no service comes with them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.apt_tree import CACHE, unpacked
from tests.support import free_port, wait_for

_SUITE = "bookworm"
"""Of one suite wherever tests run; both programs need nothing but a C library of that age."""


def program(name: str) -> Path:
    """`prometheus` or `promtool`. Raises NotFetchedError."""
    tree = unpacked(_SUITE, ["prometheus"], dependencies=False, cache=CACHE / "prometheus")
    return tree / "usr" / "bin" / name


def promtool(*words: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run `promtool WORDS…` to its end, with `text` to read."""
    return subprocess.run(
        [program("promtool"), *words],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@dataclass(frozen=True)
class Prometheus:
    """A server that runs."""

    port: int

    def ask(self, path: str, **words: str | float) -> Any:
        """`data` of an answer of its API (`query`, `series`, `rules` …)."""
        query = urllib.parse.urlencode(words)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, expression: str) -> float | None:
        """An expression's first value now; None where it has none."""
        result = self.ask("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None


@contextlib.contextmanager
def prometheus(directory: Path, targets: Mapping[str, int], rules: Path) -> Iterator[Prometheus]:
    """A server that scrapes `targets` (jobs and ports of this machine) each second."""
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in targets.items()
        ],
    }
    file = directory / "prometheus.yml"  # JSON is YAML
    file.write_text(json.dumps(configuration))
    server = Prometheus(free_port())
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{server.port}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_for("Prometheus", lambda: _is_ready(server))
        yield server
    finally:
        process.terminate()
        process.wait(20)


def _is_ready(server: Prometheus) -> bool:
    with contextlib.suppress(OSError):
        server.ask("status/buildinfo")
        return True
    return False
