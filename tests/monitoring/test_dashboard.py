"""dashboard.json as a document: what Grafana and a person need of it. Its data: test_live."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.monitoring.files import Panel, dashboard, panels

_COLUMNS = 24
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_ROWS = ("Overview", "Clients", "Segments and playlists", "Throughput", "Errors", "Playback")


def cells(document: dict[str, Any]) -> set[tuple[int, int]]:
    """The places of the grid that a panel covers."""
    grid = document["gridPos"]
    columns = range(grid["x"], grid["x"] + grid["w"])
    return set(itertools.product(columns, range(grid["y"], grid["y"] + grid["h"])))


def test_it_is_of_grafana_10_and_holds_no_traces_of_one_installation() -> None:
    document = dashboard()
    assert document["id"] is None
    assert document["uid"] == "hlsswarm"
    assert document["schemaVersion"] >= 38
    first = document["templating"]["list"][0]
    assert (first["type"], first["query"]) == ("datasource", "prometheus")
    assert first["current"] == {}
    names = [variable["name"] for variable in document["templating"]["list"]]
    assert names == ["datasource", "job", "instance", "swarm"]


def test_panels_lie_beside_each_other() -> None:
    documents = dashboard()["panels"]
    assert len({document["id"] for document in documents}) == len(documents)
    taken: set[tuple[int, int]] = set()
    for document in documents:
        covered = cells(document)
        assert not taken & covered, document["title"]
        assert max(column for column, _ in covered) < _COLUMNS, document["title"]
        taken |= covered
    lines = {line for _, line in taken}
    for line in lines:
        assert sum(1 for _, other in taken if other == line) == _COLUMNS, f"a gap in line {line}"


def test_rows_are_in_order() -> None:
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert [row.startswith(wanted) for row, wanted in zip(rows, _ROWS, strict=False)] == [True] * 6


def test_titles_tell_panels_apart() -> None:
    titles = [panel.title for panel in panels()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.title)
def test_a_panel_says_what_it_shows_in_which_unit_of_what_was_chosen(panel: Panel) -> None:
    document = panel.document
    assert panel.description.endswith(".")
    assert document["datasource"] == _SOURCE
    assert document["type"] in {"heatmap", "table"} or document["fieldConfig"]["defaults"]["unit"]
    for target in document["targets"]:
        assert target["datasource"] == _SOURCE
        assert 'job=~"$job"' in target["expr"]
        assert 'instance=~"$instance"' in target["expr"]
        # A rate of a fixed window is empty, or has holes, with another scrape interval.
        assert "rate(" not in target["expr"] or "[$__rate_interval]" in target["expr"]
    letters = [target["refId"] for target in document["targets"]]
    assert len(set(letters)) == len(letters)
