"""The bench's results as Markdown: a table for each part, and their places in a text. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bench.results import goals, rows, telemetry_and_supervision
from bench.viewers import needs

Document = Mapping[str, Any]
Row = Mapping[str, Any]
_PLACE: Final = re.compile(r"<!-- bench: (\w+) -->\n.*?<!-- end -->", re.DOTALL)
_NOTHING: Final = "—"


def markdown(head: Sequence[str], body: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A table, columns aligned; the first `words` columns hold words, the others figures."""
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        left = [text.ljust(width) for text, width in zip(cells, widths, strict=True)][:words]
        right = [text.rjust(width) for text, width in zip(cells, widths, strict=True)][words:]
        return f"| {' | '.join([*left, *right])} |"

    rule = ["-" * (width + 2) for width in widths[:words]]
    rule += ["-" * (width + 1) + ":" for width in widths[words:]]
    return "\n".join([line(head), f"|{'|'.join(rule)}|", *map(line, body)])


def _number(value: float | None, form: str = ",.0f", unit: str = "", factor: float = 1) -> str:
    if value is None:
        return _NOTHING
    return f"{value * factor:{form}}{unit and ' ' + unit}"


def seconds(value: float | None) -> str:
    """Seconds with two digits."""
    return _number(value, ".2f", "s")


def milliseconds(value: float | None) -> str:
    """Seconds as milliseconds: three figures, or two digits of small ones."""
    small = value is not None and abs(value) < 0.01
    return _number(value, ".2f" if small else ".0f", "ms", 1000)


def megabytes(value: float | None) -> str:
    """Bytes as MB (10⁶)."""
    small = value is not None and value < 100e6
    return _number(value, ".1f" if small else ",.0f", "MB", 1e-6)


def share(value: float | None) -> str:
    """A share in per cent."""
    return _number(value, ".1f", "%", 100)


def goals_table(document: Document) -> str:
    """Goal, measured, met or not."""
    body = [(goal.what, goal.wanted, goal.measured, goal.mark) for goal in goals(document)]
    return markdown(("goal", "wanted", "measured", ""), body)


def machine_table(document: Document) -> str:
    """What it was measured on."""
    machine = document["machine"]
    ffmpegs = [(f"ffmpeg, {name}", text) for name, text in machine["ffmpeg"].items()]
    names = ("distribution", "cgroups", "systemd", "nginx", *dict(ffmpegs), "python", "hlsswarm")
    texts = {**machine, **dict(ffmpegs)}
    first = (
        ("processor", f"{machine['processors']} × {machine['cpu']}"),
        ("memory", f"{machine['memory_bytes'] / 1e9:.1f} GB"),
        ("kernel", machine["kernel"]),
    )
    return markdown(("machine", ""), [*first, *((name, texts[name]) for name in names)], words=2)


def controller_table(document: Document) -> str:
    """What the controller costs."""
    body = []
    for one in rows(document, "controller"):
        own, systemd = one["controller"], one["systemd"]
        telemetry, supervision = telemetry_and_supervision(one)
        body.append(
            (
                f"{one['clients']:,}, {one['measure']}",
                seconds(own["cpu_seconds"]),
                share(own["steady_share"]),
                milliseconds(own["cpu_seconds_per_client_minute"]),
                megabytes(own["max_rss_bytes"]),
                f"{own['threads']} / {own['open_files']}",
                seconds(systemd["cpu_seconds"]),
                seconds(systemd["keeper_cpu_seconds"]),
                f"{seconds(telemetry)} / {seconds(supervision)}",
                _delivered(one),
            )
        )
    head = ["clients, measure", "CPU", "of one processor", "CPU per client-minute", "memory"]
    head += ["threads / files", "systemd's CPU", "keeper's CPU", "telemetry / supervision"]
    return markdown([*head, "received everything"], body)


def _delivered(one: Row) -> str:
    delivery = one["delivery"]
    return f"{delivery['complete']:,} of {delivery['clients']:,}"


def clients_table(document: Document) -> str:
    """What one client costs."""
    body = [
        (
            f"{one['ffmpeg']}, {one['sandbox']}",
            megabytes(one["pss_bytes"]),
            megabytes(one["memory_bytes_each"]),
            _number(one["cpu_seconds_per_second"], ".2f", "ms/s", 1000),
            milliseconds(one["start_cpu_seconds"]),
            milliseconds(one["systemd_start_cpu_seconds"]),
            _delivered(one),
        )
        for one in rows(document, "clients")
    ]
    head = ("ffmpeg, sandbox", "PSS", "cgroup", "CPU while it plays", "CPU to start")
    return markdown((*head, "systemd's CPU a start", "received everything"), body)


def ramp_table(document: Document) -> str:
    """How fast a swarm is there."""
    body = [
        (
            f"{one['rate']:g}/s, {one['clients']:,} clients, {one['sandbox']}",
            seconds(one["clients"] / one["rate"]),
            seconds(one["ramp"]["actual_seconds"]),
            seconds(one["delivery"]["full_seconds"]),
            milliseconds(one["lateness_p50_seconds"]),
            milliseconds(one["ramp"]["lateness_p99_seconds"]),
            one["verdict"],
        )
        for one in rows(document, "ramp")
    ]
    head = ("ramp, sandbox", "nominal", "all started", "all have a segment")
    return markdown((*head, "lateness p50", "p99", "verdict"), body)


def thousand_table(document: Document) -> str:
    """Stop, /metrics and status beside many clients."""
    body = []
    for one in rows(document, "thousand"):
        scrapes, asked = one["scrape_seconds"], one["status_seconds"]
        body += [
            ("Ctrl+C until the last client is gone", seconds(one["stop_seconds"])),
            ("Ctrl+C until the command has ended", seconds(one["exit_seconds"])),
            ("/metrics, median", milliseconds(_median(scrapes))),
            ("/metrics, worst", milliseconds(max(scrapes))),
            ("/metrics, size", f"{one['scrape_bytes'] / 1000:.1f} kB"),
            ("`hlsswarm status`, median", milliseconds(_median(asked))),
            ("`hlsswarm status`, its CPU", milliseconds(_median(one["status_cpu_seconds"]))),
        ]
    clients = next((f"{one['clients']:,} clients" for one in rows(document, "thousand")), "")
    return markdown((clients, ""), body)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def capacity_table(document: Document) -> str:
    """How far it goes."""
    body = []
    for one in rows(document, "capacity"):
        ran = "delivery" in one
        received = one["delivery"] if ran else {}
        body.append(
            (
                f"{one['clients']:,}",
                _delivered(one) if ran else _NOTHING,
                f"{received['delivered']:,} of {received['expected']:,}" if ran else _NOTHING,
                share(one.get("machine_busy_share")),
                share(one["controller"]["steady_share"]) if ran else _NOTHING,
                megabytes(one.get("pss_bytes")),
                megabytes(one.get("memory_bytes_each")),
                megabytes(one["controller"]["max_rss_bytes"]) if ran else _NOTHING,
                seconds(one["delivery"]["full_seconds"]) if ran else _NOTHING,
                seconds(one.get("stop_seconds")),
                one.get("gives_out", ""),
            )
        )
    head = ["clients", "received everything", "segments", "machine busy", "controller"]
    head += [
        "PSS each",
        "cgroup each",
        "controller's memory",
        "all have a segment",
        "stop",
        "what gives out",
    ]
    return markdown(head, body)


def dbus_table(document: Document) -> str:
    """D-Bus alone."""
    body = []
    for one in rows(document, "dbus"):
        body += [
            ("starts", f"{one['starts_per_second']:.0f}/s"),
            ("a start call, median", milliseconds(one["start_call_p50_seconds"])),
            ("a start call, p99", milliseconds(one["start_call_p99_seconds"])),
            ("our CPU for a start", milliseconds(one["start_cpu_seconds"])),
            ("systemd's CPU for a start", milliseconds(one["systemd_start_cpu_seconds"])),
            ("our CPU for an event", _number(one["event_cpu_seconds"], ".0f", "µs", 1e6)),
            ("events", f"{one['events_per_second']:,.0f}/s"),
            (f"list of {one['units']:,} units", milliseconds(one["list_seconds"])),
            ("state of one unit", milliseconds(one["state_seconds"])),
            (f"stop of {one['stopped_units']:,} units", seconds(one["stop_seconds"])),
        ]
    return markdown(("D-Bus", ""), body)


def report_table(document: Document) -> str:
    """What a report costs."""
    body = [
        (
            one["format"],
            seconds(one["seconds"]),
            seconds(one["cpu_seconds"]),
            megabytes(one["max_rss_bytes"]),
            f"{one['output_bytes'] / 1000:,.0f} kB",
        )
        for one in rows(document, "report")
    ]
    return markdown(("format", "time", "CPU", "memory", "size"), body)


def startup_table(document: Document) -> str:
    """How long commands take to start."""
    body = [
        (
            f"`{one['command']}`",
            milliseconds(one["p50_seconds"]),
            milliseconds(one["max_seconds"]),
            milliseconds(one["cpu_seconds"]),
        )
        for one in rows(document, "startup")
    ]
    return markdown(("command", "median", "worst", "CPU"), body)


def peers_table(document: Document) -> str:
    """Other load generators beside hlsswarm."""
    body = []
    for one in rows(document, "peers"):
        if "failed" in one:
            body.append((one["program"], *(_NOTHING,) * 8, one["failed"]))
            continue
        how = ", ".join(text for text in (one["ffmpeg"], one["measure"]) if text)
        body.append(
            (
                f"{one['program']}{how and f' ({how})'}",
                seconds(one["cpu_seconds"]),
                share(one["steady_share"]),
                seconds(one["systemd_cpu_seconds"]),
                megabytes(one["max_rss_bytes"]),
                f"{one['threads']} / {one['open_files']}",
                megabytes(one["client_pss_bytes"]),
                _number(one["client_cpu_seconds"], ".3f", "s"),
                f"{one['segments_per_client']:.1f}",
                seconds(one["stop_seconds"]),
            )
        )
    head = ["program", "CPU", "of one processor", "systemd's CPU", "memory", "threads / files"]
    head += ["memory a client", "CPU a client", "segments a client", "Ctrl+C until all is gone"]
    return markdown(head, body)


def viewers_table(document: Document) -> str:
    """What a great many viewers take; computed."""
    body = [
        (
            f"{one.viewers:,}",
            f"{one.machines:,}",
            f"{one.processors_busy:,.0f}",
            f"{one.memory_bytes / 1e9:,.0f} GB",
            f"{one.start_seconds:.0f} s",
            f"{one.bits_per_second / 1e9:,.0f} Gbit/s",
        )
        for one in needs(document)
    ]
    head = ("viewers", "machines like this", "busy processors", "memory of clients")
    return markdown((*head, "ramp", "at 1 Mbit/s each"), body)


TABLES: Final[Mapping[str, Callable[[Document], str]]] = {
    "goals": goals_table,
    "machine": machine_table,
    "controller": controller_table,
    "clients": clients_table,
    "ramp": ramp_table,
    "thousand": thousand_table,
    "capacity": capacity_table,
    "dbus": dbus_table,
    "report": report_table,
    "startup": startup_table,
    "peers": peers_table,
    "viewers": viewers_table,
}
"""By the name of their part, or what else they show."""


def table(document: Document, name: str) -> str:
    """A part's table, or that it was not measured."""
    part = {"viewers": "capacity"}.get(name, name)
    if part not in {"goals", "machine"} and not rows(document, part):
        return "Not measured in this run."
    return TABLES[name](document)


def with_tables(text: str, document: Document) -> str:
    """A text with every `<!-- bench: NAME --> … <!-- end -->` filled in. Raises KeyError for a
    name that is no table's.
    """

    def filled(match: re.Match[str]) -> str:
        return f"<!-- bench: {match[1]} -->\n\n{table(document, match[1])}\n\n<!-- end -->"

    return _PLACE.sub(filled, text)
