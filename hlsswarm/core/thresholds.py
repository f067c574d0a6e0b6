"""Thresholds: what a run has to show to pass, as text, and whether it did. Pure.

    threshold = metric , ":" , aggregate , operator , value , { option } ;
    metric    = name , [ "{code:" , code , "}" ] ;
    code      = digit , digit , digit | ( "4" | "5" ) , "xx" ;
    aggregate = "p(" , number , ")" | "avg" | "min" | "max" | "med"
              | "count" | "rate" | "value" ;
    operator  = "<" | "<=" | ">" | ">=" | "==" | "!=" ;
    value     = number , [ "ms" | "s" | "%" ] ;
    option    = "abort_on_fail" | "grace=" , duration ;

Blanks may stand between all parts. `name` is one of core.threshold_metrics, whose kind says
which aggregates it has; only http_errors has a code. Numbers are seconds, bytes, counts, or shares
from 0 to 1: `ms` and `s` are for seconds, `%` is for shares. With `abort_on_fail` a run ends as
soon as the threshold fails, but not before `grace` (durations as on the command line: `10s`,
`1m30s`) has passed since its start.

Percentiles are of all values of all clients, within 1 % (core.histogram). A threshold on
something of which there is no value (no segment was ever timed; nobody watched) fails, and never
ends a run early: silence is no success, and at a run's start it is no failure yet.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hlsswarm.core.histogram import LogHistogram
from hlsswarm.core.measurements import Measurements
from hlsswarm.core.quantities import format_size, parse_duration
from hlsswarm.core.threshold_metrics import METRICS, Metric
from hlsswarm.errors import HlsSwarmError, UsageError

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_EXAMPLE = "A threshold looks like 'segment_seconds: p(95)<0.5' or 'http_errors: count==0'"
_THRESHOLD = re.compile(
    r"\s*(?P<metric>\w+)\s*(?:\{\s*code\s*:\s*(?P<code>\w+)\s*\})?\s*:"
    r"\s*(?P<aggregate>[a-z]+)\s*(?:\(\s*(?P<share>[\d.]+)\s*\))?"
    r"\s*(?P<operator><=|>=|==|!=|<|>)"
    r"\s*(?P<value>\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(?P<unit>ms|s|%)?"
    r"(?P<options>(?:\s+\S+)*)\s*",
    re.ASCII,
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_CODE = re.compile(r"[1-5]\d\d|[45]xx", re.ASCII)


@dataclass(frozen=True)
class Threshold:
    """One condition. `share` is N of p(N), else None; `code` is `404` or `5xx`, else None."""

    metric: str
    aggregate: str
    operator: str
    value: float
    share: float | None = None
    code: str | None = None
    abort_on_fail: bool = False
    grace_seconds: float = 0.0

    def __str__(self) -> str:
        """The text that `parse` makes this threshold of again."""
        return self.condition + self._options()

    @property
    def condition(self) -> str:
        """The text without options."""
        return f"{self.subject}: {self.asked}{self.operator}{_plain(self.value)}"

    @property
    def subject(self) -> str:
        """The metric, with its code."""
        return f"{self.metric}{{code:{self.code}}}" if self.code else self.metric

    @property
    def asked(self) -> str:
        """The aggregate: `p(95)`, `rate`."""
        return self.aggregate if self.share is None else f"p({_plain(self.share)})"

    def _options(self) -> str:
        grace = f" grace={_plain(self.grace_seconds)}s" if self.grace_seconds else ""
        return f" abort_on_fail{grace}" if self.abort_on_fail else ""


@dataclass(frozen=True)
class Outcome:
    """A threshold held against a run. `value` is None when there was none: `had_data`."""

    threshold: Threshold
    value: float | None
    passed: bool

    @property
    def had_data(self) -> bool:
        """Whether there was a value to compare."""
        return self.value is not None

    def aborts(self, elapsed_seconds: float) -> bool:
        """Whether the run is to end now, so many seconds after its start."""
        threshold = self.threshold
        waited = elapsed_seconds >= threshold.grace_seconds
        return threshold.abort_on_fail and self.had_data and not self.passed and waited

    @property
    def value_text(self) -> str:
        """The value with its unit, for people; why there is none, if there is none."""
        if self.value is None:
            return "nothing was measured"
        if self.threshold.aggregate in {"rate", "value"}:
            return f"{self.value:.3%}"
        unit = METRICS[self.threshold.metric].unit
        if unit == "B":
            return format_size(self.value)
        if unit == "s" and self.threshold.aggregate != "count":
            return f"{self.value * 1000:.4g} ms" if self.value < 1 else f"{self.value:.3f} s"
        return f"{self.value:.0f}"

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "threshold": str(self.threshold),
            "value": self.value,
            "passed": self.passed,
            "had_data": self.had_data,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Outcome:
        """From JSON. Raises UsageError, KeyError."""
        value = document["value"]
        number = None if value is None else float(value)
        return cls(parse(str(document["threshold"])), number, bool(document["passed"]))


def parse(text: str, *, error: type[HlsSwarmError] = UsageError) -> Threshold:
    """The threshold that a text means.

    Raises `error` (for text of a file: ConfigurationError) with a sentence and a hint.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise error(f"{text!r} is not a threshold.", hint=_EXAMPLE)
    try:
        return _checked(match)
    except _WrongError as wrong:
        raise error(f"{text.strip()!r} {wrong}", hint=wrong.hint) from None


class _WrongError(ValueError):
    """What is wrong with a text that has a threshold's form."""

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence)
        self.hint = hint


def _checked(match: re.Match[str]) -> Threshold:
    metric = METRICS.get(match["metric"])
    if metric is None:
        raise _WrongError("names no metric.", f"Metrics are: {', '.join(METRICS)}")
    aggregate, share = match["aggregate"], _share(match["share"])
    wanted = "p(N)" if aggregate == "p" and share is not None else aggregate
    if wanted not in metric.aggregates or (share is not None and wanted != "p(N)"):
        raise _WrongError(
            f"asks of {metric.name} what it does not have.",
            f"{metric.name} is a {metric.kind}: {', '.join(metric.aggregates)}",
        )
    code = match["code"]
    if code is not None and (metric.name != "http_errors" or not _CODE.fullmatch(code)):
        raise _WrongError("has a code that cannot be meant.", "http_errors{code:404}, or 4xx, 5xx")
    abort_on_fail, grace_seconds = _options(match["options"].split())
    return Threshold(
        metric=metric.name,
        aggregate=aggregate,
        operator=match["operator"],
        value=_value(match, metric),
        share=share,
        code=code,
        abort_on_fail=abort_on_fail,
        grace_seconds=grace_seconds,
    )


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or float(text) > 100:
        raise _WrongError("has a percentile that is none.", "Give p(0) to p(100), such as p(99.9)")
    return float(text)


def _value(match: re.Match[str], metric: Metric) -> float:
    value, unit, aggregate = float(match["value"]), match["unit"], match["aggregate"]
    if not math.isfinite(value):
        raise _WrongError("compares with a number too large.", _EXAMPLE)
    takes = "%" if aggregate in {"rate", "value"} else metric.unit if aggregate != "count" else ""
    if unit == "%" and takes == "%":
        return value / 100
    if unit in {"s", "ms"} and takes == "s":
        return value / 1000 if unit == "ms" else value
    if unit:
        raise _WrongError(f"has a unit, {unit}, that does not fit.", _EXAMPLE)
    return value


def _options(words: list[str]) -> tuple[bool, float]:
    """`abort_on_fail` and the grace in seconds."""
    abort_on_fail, grace_seconds = False, None
    for word in words:
        name, equals, text = word.partition("=")
        if name == "abort_on_fail" and not equals and not abort_on_fail:
            abort_on_fail = True
        elif name == "grace" and grace_seconds is None:
            try:
                grace_seconds = parse_duration(text)
            except ValueError:
                raise _WrongError("has a grace that is no time.", "grace=10s") from None
        else:
            raise _WrongError(
                f"ends in {word!r}, which is no option.", "Options: abort_on_fail grace=10s"
            )
    if grace_seconds is not None and not abort_on_fail:
        raise _WrongError(
            "has a grace for nothing.", "grace=10s says when abort_on_fail begins; write both"
        )
    return abort_on_fail, grace_seconds or 0.0


def evaluate(
    threshold: Threshold, measurements: Measurements, extra: Mapping[str, float] | None = None
) -> Outcome:
    """Hold a threshold against what was measured.

    `extra` has the figures that measurements do not have, by metric: streaming_share (0 to 1).
    """
    value = _measured(threshold, measurements, extra or {})
    compare = _OPERATORS[threshold.operator]
    return Outcome(threshold, value, value is not None and compare(value, threshold.value))


def _measured(
    threshold: Threshold, measured: Measurements, extra: Mapping[str, float]
) -> float | None:
    metric = METRICS[threshold.metric]
    if metric.values is not None:
        return _trend(threshold, metric.values(measured))
    if threshold.aggregate == "rate":
        return metric.rate(measured, threshold.code)
    if metric.count is not None:
        return float(metric.count(measured, threshold.code))
    return extra.get(metric.name)


def _trend(threshold: Threshold, values: LogHistogram) -> float | None:
    if threshold.aggregate == "count":
        return float(values.count)
    if not values.count:
        return None
    match threshold.aggregate:
        case "avg":
            return values.mean
        case "min":
            return values.minimum
        case "max":
            return values.maximum
        case _:
            return values.quantile(0.5 if threshold.share is None else threshold.share / 100)


def _plain(value: float) -> str:
    """A number in the fewest characters that read back as the same number."""
    return repr(value).removesuffix(".0")
