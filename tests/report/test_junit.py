"""JUnit XML: held against the structure that Ant's and Jenkins' schemas demand."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.report.junit import junit_text
from hlsswarm.report.run_directory import RecordedRun
from tests.report.runs import as_recorded, made_run

RUN = as_recorded(made_run(seconds=60, clients=20))
# JUnit.xsd as Ant's junitreport has it: attributes (all demanded) and children in their order.
SUITE_ATTRIBUTES = {
    *("package", "id", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"),
}
SUITE_CHILDREN = ["properties", "testcase", "system-out", "system-err"]


def parse(run: RecordedRun) -> Element:
    """The suite, after a look at its structure."""
    text = junit_text(run)
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ElementTree.fromstring(text.encode())
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    assert suite.tag == "testsuite"
    assert set(suite.attrib) == SUITE_ATTRIBUTES
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert suite.attrib["name"].strip()
    assert list(dict.fromkeys(child.tag for child in suite)) == SUITE_CHILDREN
    for prop in suite.iterfind("properties/property"):
        assert set(prop.attrib) == {"name", "value"}
    cases = suite.findall("testcase")
    for case in cases:
        assert set(case.attrib) == {"classname", "name", "time"}
        assert float(case.attrib["time"]) >= 0
        assert [child.tag for child in case] in ([], ["failure"], ["error"])
        for problem in case:
            assert problem.attrib["type"]
            assert set(problem.attrib) == {"type", "message"}
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["errors"]) == len(suite.findall("testcase/error"))
    return suite


def test_a_test_case_for_the_verdict_and_each_threshold() -> None:
    suite = parse(RUN)
    cases = suite.findall("testcase")
    assert [case.attrib["name"] for case in cases] == [
        "verdict",
        *(outcome.threshold.condition for outcome in RUN.outcomes),
    ]
    for case, outcome in zip(cases[1:], RUN.outcomes, strict=True):
        failure = case.find("failure")
        assert (failure is None) == outcome.passed
        if failure is not None:
            assert failure.attrib["message"] == f"value: {outcome.value_text}"
    assert suite.attrib["timestamp"] == "2026-11-20T12:00:00"
    assert suite.attrib["time"] == "60.000"


@pytest.mark.parametrize(
    ("verdict", "problem"),
    [("healthy", None), ("at_limit", None), ("failing", "failure"), ("void", "error")],
)
def test_a_bad_verdict_is_a_failure_and_a_void_run_an_error(
    verdict: str, problem: str | None
) -> None:
    summary = {**RUN.summary, "verdict": verdict, "reasons": ["First.", "Second."]}
    suite = parse(dataclasses.replace(RUN, summary=summary, outcomes=()))
    case = suite.find("testcase")
    assert case is not None
    assert [child.tag for child in case] == ([problem] if problem else [])
    if problem:
        assert case[0].attrib["message"] == "First."
        assert case[0].text == "First.\nSecond."


def test_times_are_told_in_utc() -> None:
    moved = {**RUN.summary, "started_at": "2026-11-20T14:30:00+02:30"}
    assert parse(dataclasses.replace(RUN, summary=moved)).attrib["timestamp"] == (
        "2026-11-20T12:00:00"
    )
    parse(dataclasses.replace(RUN, summary={**RUN.summary, "started_at": "yesterday"}))


@given(st.text(max_size=60))
def test_any_text_gives_xml_that_can_be_read(text: str) -> None:
    summary = {**RUN.summary, "reasons": [text], "url": text, "verdict": "failing"}
    parse(dataclasses.replace(RUN, summary=summary, name=text, notes=(text,)))
