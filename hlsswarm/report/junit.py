"""A run as JUnit XML: a test case for each threshold, and one for the verdict. Pure text.

After the schema that Ant's and Jenkins' readers share: every attribute that one of them demands
is there, and none that one of them refuses.
"""

from __future__ import annotations

import datetime
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hlsswarm.core.verdict import Verdict
from hlsswarm.report.run_directory import RecordedRun

# What XML 1.0 cannot have, even escaped (XML 1.0, 2.2).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(run: RecordedRun) -> str:
    """The document. A failed threshold or verdict is a failure; a void run is an error."""
    root = Element("testsuites")
    failed = sum(not outcome.passed for outcome in run.outcomes)
    failed += run.verdict == Verdict.FAILING
    errors = int(run.verdict == Verdict.VOID)
    suite = SubElement(
        root,
        "testsuite",
        package="hlsswarm",
        id="0",
        name=_clean(f"hlsswarm {run.name}"),
        timestamp=_timestamp(run.started_at),
        hostname="localhost",
        tests=str(len(run.outcomes) + 1),
        failures=str(failed),
        errors=str(errors),
        time=f"{run.duration_seconds:.3f}",
    )
    properties = SubElement(suite, "properties")
    for name, value in _properties(run).items():
        SubElement(properties, "property", name=name, value=_clean(value))
    _verdict_case(suite, run)
    for outcome in run.outcomes:
        case = _case(suite, "hlsswarm.thresholds", str(outcome.threshold.condition))
        if not outcome.passed:
            _problem(case, "failure", "threshold", f"value: {outcome.value_text}")
    SubElement(suite, "system-out").text = _clean("\n".join(run.reasons))
    SubElement(suite, "system-err").text = _clean("\n".join(run.notes))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _properties(run: RecordedRun) -> dict[str, str]:
    return {
        "url": run.url,
        "verdict": run.verdict,
        "sources": ", ".join(run.sources),
        **{
            key: str(run.summary.get(key, {}).get("version", "unknown"))
            for key in ("ffmpeg", "systemd")
        },
    }


def _verdict_case(suite: Element, run: RecordedRun) -> None:
    case = _case(suite, "hlsswarm", "verdict", seconds=run.duration_seconds)
    text = "\n".join(run.reasons)
    if run.verdict == Verdict.VOID:
        _problem(case, "error", "void", text)
    elif run.verdict == Verdict.FAILING:
        _problem(case, "failure", "failing", text)


def _case(suite: Element, group: str, name: str, *, seconds: float = 0.0) -> Element:
    return SubElement(suite, "testcase", classname=group, name=_clean(name), time=f"{seconds:.3f}")


def _problem(case: Element, kind: str, what: str, text: str) -> None:
    first, _, _ = text.partition("\n")
    SubElement(case, kind, type=what, message=_clean(first)).text = _clean(text)


def _timestamp(started_at: str) -> str:
    """ISO 8601 in UTC without a zone, as the schema has it."""
    try:
        moment = datetime.datetime.fromisoformat(started_at)
    except ValueError:
        return "1970-01-01T00:00:00"
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _clean(text: str) -> str:
    return _NO_XML.sub("�", text)
