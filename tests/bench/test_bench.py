"""The bench on a real systemd, small: it measures, writes, adds to what it has, leaves nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import time
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import proc
from bench.parts import Work, thousand
from bench.place import place
from bench.sizes import QUICK
from hlsswarm.units import embedded
from tests.bench.documents import a_document
from tests.support import cgroups_named, processes_with

TINY = dataclasses.replace(QUICK, thousand=3, thousand_rate=10.0, thousand_seconds=8.0, repeats=2)


def test_a_swarm_is_measured_from_outside() -> None:
    """Every figure is there, and nothing is left of the place."""
    with place() as where:
        directory = embedded.directory_in(where.runtime_directory)
        found = thousand.measure(Work(where, TINY, lambda _: None))
    (row,) = found["rows"]
    assert row["clients"] == 3
    assert row["delivery"]["complete"] == 3 and row["delivery"]["expected"] >= 3
    assert row["controller"]["cpu_seconds"] > 0 and row["controller"]["open_files"] > 3
    assert row["controller"]["max_rss_bytes"] > 1e6
    assert row["stop_seconds"] <= row["exit_seconds"]
    assert row["scrape_bytes"] > 1000
    assert len(row["scrape_seconds"]) == 2
    assert not where.root.exists()
    assert processes_with(str(where.root)) == []
    assert cgroups_named(embedded.cgroup_name(directory)) == []


def test_parts_add_up_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second part leaves the first; results of another machine are not mixed in."""
    file = tmp_path / "results.json"
    words = ["--quick", "--json", str(file), "--only"]
    assert bench.main([*words, "startup"]) in {0, 1}  # whether a goal is met is the machine's
    assert bench.main([*words, "startup,dbus", "--missing"]) in {0, 1}
    document = json.loads(file.read_text())
    assert set(document["parts"]) == {"startup", "dbus"}
    (one,) = document["parts"]["dbus"]["rows"]
    assert one["stopped_units"] == 2 * QUICK.dbus_units and one["failed_jobs"] == 0
    assert (tmp_path / "cost.svg").read_text().startswith("<svg")
    assert "| starts" in capsys.readouterr().out

    assert bench.main(["--show", "--json", str(file)]) in {0, 1}
    assert bench.main(["--show", "--docs", "--json", str(file)]) == 2
    assert "a quick bench is nothing for docs/" in capsys.readouterr().err

    document["machine"]["kernel"] = "another"
    file.write_text(json.dumps(document))
    assert bench.main([*words, "dbus"]) == 2
    assert "--fresh begins anew" in capsys.readouterr().err


def test_a_machine_that_is_too_small_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a sentence, before anything is started, with what can be measured instead."""
    huge = dataclasses.replace(QUICK, thousand=100_000_000)
    monkeypatch.setattr(bench, "QUICK", huge)
    asked = ["--quick", "--only", "thousand,dbus", "--json", str(tmp_path / "none.json")]
    assert bench.main(asked) == 2
    said = capsys.readouterr().err
    assert "100000000 clients" in said and "--only dbus" in said
    assert not (tmp_path / "none.json").exists()


def test_docs_get_page_results_and_graph(tmp_path: Path) -> None:
    """All three of the same document."""
    page = tmp_path / "performance.md"
    page.write_text("<!-- bench: goals -->\n<!-- end -->\n")
    bench.write_docs(a_document(), page, tmp_path / "performance")
    assert "NOT met" in page.read_text()
    raw = json.loads((tmp_path / "performance" / "results.json").read_text())
    assert raw == a_document()
    assert (tmp_path / "performance" / "cost.svg").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--only", "nothing"], "no part 'nothing'"),
        (["--peer", "other=/bin/true"], "NAME=PATH is wanted"),
        (["--peer", "sb_hls_load=/nowhere"], "/nowhere is no program"),
        (["--show", "--json", "/nowhere/results.json"], "there is nothing in"),
    ],
)
def test_mistakes_are_sentences(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no traceback."""
    try:
        status = bench.main(words)
    except SystemExit as end:
        status = int(str(end.code))
    assert status == 2
    assert sentence in capsys.readouterr().err


def test_cpu_and_memory_of_this_very_process() -> None:
    """Against what the kernel tells the process itself."""
    before = proc.cpu_seconds(os.getpid())
    while time.process_time() < before + 0.2:
        pass
    used = resource.getrusage(resource.RUSAGE_SELF)
    assert abs(proc.cpu_seconds(os.getpid()) - used.ru_utime - used.ru_stime) < 0.1
    pss = proc.pss_bytes(os.getpid())
    assert pss is not None
    assert 0 < pss <= proc.status_bytes(os.getpid(), "VmHWM")
    assert os.getpid() in proc.descendants(os.getppid())
