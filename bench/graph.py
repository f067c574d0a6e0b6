"""Cost against N as one SVG: controller and systemd to the left, the whole machine right. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.sax.saxutils import escape

from bench.results import rows

_WIDTH: Final = 460
_HEIGHT: Final = 320
_LEFT, _TOP, _RIGHT, _BOTTOM = 64, 44, 28, 46
_COLOURS: Final = ("#1f6feb", "#d4691a", "#2e8b57", "#8a4fbf")
_STEPS: Final = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """Points, in the order of x."""

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """A plot: from 0 on both axes."""

    title: str
    lines: Sequence[Line]
    unit: str = "%"


def ticks(largest: float, *, about: int = 5) -> list[float]:
    """Round numbers from 0 up to at least `largest`."""
    if largest <= 0:
        return [0.0, 1.0]
    rough = largest / about
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in _STEPS if power * factor >= rough * (1 - 1e-9))
    return [step * index for index in range(math.ceil(largest / step - 1e-9) + 1)]


def panels(document: Mapping[str, Any]) -> list[Panel]:
    """What a document has something for."""
    measured = rows(document, "controller")
    lines = [
        Line(
            f"controller, {how}",
            [
                (one["clients"], 100 * one["controller"]["steady_share"])
                for one in measured
                if one["measure"] == how
            ],
        )
        for how in ("exact", "light")
    ]
    systemd = [
        (one["clients"], 100 * (one["systemd"]["steady_share"] or 0.0))
        for one in measured
        if one["measure"] == "exact"
    ]
    lines.append(Line("systemd", systemd))
    steps = [one for one in rows(document, "capacity") if "delivery" in one]
    machine = [
        Line("whole machine", [(one["clients"], 100 * one["machine_busy_share"]) for one in steps])
    ]
    machine.append(
        Line(
            "controller, of one processor",
            [(one["clients"], 100 * one["controller"]["steady_share"]) for one in steps],
        )
    )
    found = [
        Panel("CPU of one processor while all play", lines),
        Panel("CPU in the search for the largest swarm", machine),
    ]
    return [panel for panel in found if any(line.points for line in panel.lines)]


def svg(document: Mapping[str, Any]) -> str:
    """All panels beside each other."""
    shown = panels(document)
    width = _WIDTH * max(1, len(shown))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}" '
        f'viewBox="0 0 {width} {_HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{_HEIGHT}" fill="#ffffff"/>',
    ]
    for index, panel in enumerate(shown):
        parts += [f'<g transform="translate({index * _WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    points = [point for line in panel.lines for point in line.points]
    across, up = (ticks(max(point[axis] for point in points)) for axis in (0, 1))
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        return _LEFT + wide * x / across[-1], _TOP + high * (1 - y / up[-1])

    parts = [f'<text x="{_LEFT}" y="20" font-size="13">{escape(panel.title)}</text>']
    for value in up:
        x, y = place((0, value))
        parts.append(
            f'<path d="M{x:.0f} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#dddddd"/>'
            f'<text x="{x - 6:.0f}" y="{y + 4:.1f}" text-anchor="end">{value:g} {panel.unit}</text>'
        )
    for value in across:
        x, y = place((value, 0))
        parts.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{value:,.0f}</text>')
    middle = _LEFT + wide / 2
    parts.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 8}" text-anchor="middle">clients</text>')
    shown = [line for line in panel.lines if line.points]
    for index, line in enumerate(shown):
        colour = _COLOURS[index % len(_COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, line.points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
            for x, y in map(place, line.points)
        ]
        y = _TOP + 10 + 16 * index
        parts.append(f'<text x="{_LEFT + 10}" y="{y}" fill="{colour}">{escape(line.label)}</text>')
    return parts
