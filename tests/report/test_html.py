"""The HTML report: what is in it, that it needs nothing else, and that a real browser draws it."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hlsswarm.core.timeseries import Row, TimeSeries
from hlsswarm.report.html import bit_rate_text, html_text, seconds_text
from hlsswarm.report.merge import merged
from hlsswarm.report.plots import POINTS_MAX, plots, step_seconds, steps
from hlsswarm.report.run_directory import RecordedRun
from tests.report.runs import URL, as_recorded, made_run

CHROMIUM = shutil.which("chromium")
RUN = as_recorded(made_run(seconds=300, clients=60))
# Put behind the page's own script: tells of each canvas how many colours and pixels it has drawn.
PROBE = """
<script>
const told = [...document.querySelectorAll("canvas")].map((canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  const colours = new Set();
  for (let i = 0; i < pixels.length; i += 4) {
    if (pixels[i + 3] > 200) {
      drawn += 1;
      colours.add(`${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`);
    }
  }
  return { drawn, colours: [...colours] };
});
const wide = document.documentElement.scrollWidth;
const result = document.createElement("p");
result.id = "probe";
result.textContent = JSON.stringify({ canvases: told, wide, view: innerWidth });
document.body.append(result);
</script>
"""


def data_of(page: str) -> dict[str, Any]:
    """What the page's script gets."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert match is not None
    document: dict[str, Any] = json.loads(match[1])
    return document


def test_what_matters_most_comes_first() -> None:
    page = html_text(RUN)
    places = [
        page.index(text)
        for text in (
            "<h1>At its limit</h1>",
            "of 5 thresholds failed",
            "clients streamed",
            "<h2>Thresholds</h2>",
            "<code>segment_seconds: p(95)&lt;0.5</code>",
            "Segment time, p95",
            "<h2>Over time</h2>",
            "<h2>Requests</h2>",
            "<h2>Errors</h2>",
            "the connection was refused",
            "<h2>Set-up</h2>",
            "5.1.9-0+deb12u1",
            "<h2>What these figures cannot know</h2>",
        )
    ]
    assert places == sorted(places)
    assert URL in page


def test_it_needs_nothing_from_anywhere() -> None:
    page = html_text(RUN)
    assert "default-src 'none'" in page
    outside = re.findall(r'(?:src|href|action)="([^"]*)"|url\(([^)]*)\)|@import|fetch\(', page)
    assert outside == [("data:,", "")]
    assert "Permission is hereby granted" in page


def test_words_of_others_are_text_and_no_markup() -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    measurements = merged([RUN]).measurements
    measured = type(measurements).from_dict(measurements.as_dict())
    measured.errors["other"] = 1
    measured.error_examples["other"] = bad
    rows = [dataclasses.replace(RUN.series.rows[0], origin={bad: 1.0})]
    run = dataclasses.replace(
        RUN,
        name=bad,
        summary={**RUN.summary, "reasons": [bad], "url": bad, "ffmpeg": {"version": bad}},
        plan={"client": {"url": bad}},
        measurements=measured,
        series=TimeSeries(bad, "", rows),
        notes=(bad,),
        sources=(bad, bad),
    )
    page = html_text(run)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert html.escape(bad, quote=True).replace("&#x27;", "&#39;") in page


def test_every_plot_has_a_place_and_data_of_one_length() -> None:
    page = html_text(RUN)
    data = data_of(page)
    assert page.count("data-plot=") == len(data["plots"]) == 9
    for plot in data["plots"]:
        for curve in plot["curves"]:
            assert len(curve["values"]) == len(data["seconds"])
            assert f"--{curve['colour']}:" in page
    times = data["plots"][1]
    assert times["limits"] == [["segment_seconds: p(95)<0.5", 0.5]]


@pytest.mark.parametrize(
    ("seconds", "step"), [(1, 1), (600, 1), (601, 2), (3600, 10), (86_400, 300), (5_000_000, 8334)]
)
def test_long_runs_are_told_in_steps(seconds: int, step: int) -> None:
    rows = [Row(1.0, 1), Row(float(seconds), seconds)]
    assert step_seconds(rows) == step
    assert len(steps(rows)) <= POINTS_MAX + 1


def test_a_step_adds_up_counts_and_merges_times() -> None:
    rows = []
    for second in range(1, 1201):
        row = Row(float(second), 1000 + second)
        row.clients = Counter(streaming=10 if second % 2 else 20)
        row.requests = Counter(segment=4)
        row.bytes = Counter(segment=1000)
        row.segment_seconds.add(0.1, 98)
        row.segment_seconds.add(9.0 if second % 2 else 0.1, 2)
        row.stalls = 3
        rows.append(row)
    made = steps(rows)
    assert step_seconds(rows) == 2
    middle = made[100]
    assert middle.per_second(lambda row: row.requests["segment"]) == 4
    assert middle.total(lambda row: row.stalls) == 6
    assert middle.mean(lambda row: row.clients["streaming"]) == 15
    # One in a hundred of the two seconds together; of the first alone it would be two.
    assert middle.times().quantile(0.98) == pytest.approx(0.1, rel=0.01)
    assert middle.times().quantile(0.995) == pytest.approx(9, rel=0.01)
    assert sum(step.total(lambda row: row.stalls) or 0 for step in made) == 3600


def test_a_late_row_is_no_peak_and_a_gap_is_a_gap() -> None:
    rows = [Row(t, int(t), requests=Counter(segment=n)) for t, n in [(1, 10), (2, 10), (4, 20)]]
    rows.append(Row(100, 100, requests=Counter(segment=10)))
    values = [step.per_second(lambda row: row.requests["segment"]) for step in steps(rows)]
    assert values[:4] == [10, 10, None, 10]
    assert values[4:-1] == [None] * 95
    assert values[-1] == 10


def test_a_run_with_next_to_nothing_has_a_page() -> None:
    bare = RecordedRun("r", {}, {}, TimeSeries("", "").totals(), TimeSeries("r", ""))
    page = html_text(bare)
    assert "<h1>Void</h1>" in page
    assert "Over time" not in page
    assert plots(bare) == []


def test_an_hour_stays_small_and_quick() -> None:
    hour = as_recorded(made_run(seconds=3600, clients=100))
    began = time.perf_counter()
    page = html_text(hour)
    assert time.perf_counter() - began < 5
    assert len(page.encode()) < 300_000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (seconds_text(0.0123), "12.3\u00a0ms"),
        (seconds_text(0.9999), "1\u00a0s"),
        (seconds_text(1234.5), "1234\u00a0s"),
        (bit_rate_text(999.9), "1 kbit/s"),
        (bit_rate_text(101_234_567), "101 Mbit/s"),
        (bit_rate_text(2.5e12), "2.5e+03 Gbit/s"),
    ],
)
def test_figures_are_told_with_three_digits(text: str, wanted: str) -> None:
    assert text == wanted


# --- in a browser --------------------------------------------------------------------------------


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[tuple[Path, list[str]]]:
    """A command that runs chromium on a profile of its own, and where pages go."""
    if CHROMIUM is None:
        pytest.fail("there is no chromium here: apt-get install chromium")
    profile = tmp_path / "profile"
    yield (
        tmp_path,
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--enable-logging=stderr", "--virtual-time-budget=5000", "--hide-scrollbars"),
            *("--allow-file-access-from-files", f"--user-data-dir={profile}"),
        ],
    )
    shutil.rmtree(profile, ignore_errors=True)


def look(browser: tuple[Path, list[str]], page: str, *options: str) -> tuple[dict[str, Any], str]:
    """What the probe has found in a page, and what the console says."""
    place, command = browser
    path = place / "page.html"
    path.write_text(page.replace("</body>", PROBE + "</body>"))
    # Two runs: chromium does one or the other.
    picture = place / "page.png"
    for what in ("--dump-dom", f"--screenshot={picture}"):
        done = subprocess.run(
            [*command, "--window-size=1280,2800", *options, what, path.as_uri()],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        if what == "--dump-dom":
            match = re.search(r'<p id="probe">(.*?)</p>', done.stdout)
            assert match is not None, done.stderr
            found: dict[str, Any] = json.loads(html.unescape(match[1]))
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 50_000
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return found, console


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_draws_every_plot(browser: tuple[Path, list[str]], dark: bool) -> None:
    options = ["--blink-settings=preferredColorScheme=0"] if dark else []
    found, console = look(browser, html_text(RUN), *options)
    assert console == ""
    assert len(found["canvases"]) == 9
    for canvas in found["canvases"]:
        assert canvas["drawn"] > 300
        assert canvas["colours"]
    # The colours of streaming clients, as the style sheet has them for light and dark.
    streaming = "47,143,109" if dark else "67,169,133"
    assert streaming in found["canvases"][0]["colours"]
    assert found["wide"] <= found["view"]


def test_a_page_that_complains_is_heard(browser: tuple[Path, list[str]]) -> None:
    page = html_text(RUN).replace("</body>", "<script>throw new Error('made')</script></body>")
    assert "Uncaught Error: made" in look(browser, page)[1]


def test_it_fits_a_phone(browser: tuple[Path, list[str]]) -> None:
    """In a frame, as the browser's own windows have a least width of 500."""
    place, command = browser
    (place / "report.html").write_text(html_text(RUN))
    frame = """<iframe src="report.html" style="width:400px;height:6000px;border:0"></iframe>
<script>onload = () => { const page = frames[0].document.documentElement;
document.body.insertAdjacentHTML("beforeend", `<p id="probe">${page.scrollWidth} ${
[...frames[0].document.querySelectorAll("canvas")].every((c) => c.clientWidth < 380)}</p>`); }
</script>"""
    (place / "frame.html").write_text(f"<!doctype html><body>{frame}</body>")
    done = subprocess.run(
        [*command, "--dump-dom", (place / "frame.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert '<p id="probe">400 true</p>' in done.stdout


def test_a_run_with_next_to_nothing_is_shown_without_complaint(
    browser: tuple[Path, list[str]],
) -> None:
    bare = dataclasses.replace(RUN, series=TimeSeries("r", ""), summary={})
    found, console = look(browser, html_text(bare))
    assert (found["canvases"], console) == ([], "")
