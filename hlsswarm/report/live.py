"""The live view on a terminal: one screen, redrawn each second, keys to steer it.

Drawing is a pure function of LiveFigures; the terminal and the keys are LiveScreen's.
"""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Callable, Mapping, Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hlsswarm.core.quantities import format_duration, format_size
from hlsswarm.core.states import ClientState
from hlsswarm.report.live_figures import LiveFigures

_STATE_STYLES = {
    ClientState.STREAMING: "green",
    ClientState.STARTING: "cyan",
    ClientState.BUFFERING: "yellow",
    ClientState.BACKOFF: "red",
    ClientState.IDLE: "dim",
}
_NARROW_COLUMNS = 80
_ERRORS_SHOWN = 4
_PLURALS = {"playlist": "playlists", "segment": "segments", "init": "init sections", "key": "keys"}


def _figures_table(rows: Sequence[tuple[str, RenderableType]]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    for name, value in rows:
        table.add_row(name, value)
    return table


def _milliseconds(times: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {seconds * 1000:.3g}" for name, seconds in times.items()) + " ms"


def _head(figures: LiveFigures) -> RenderableType:
    title = Text.assemble(("hlsswarm ", "bold"), figures.run, "  ", (figures.url, "dim"))
    title.truncate(200, overflow="ellipsis")
    total = figures.duration_seconds
    clock = format_duration(figures.elapsed_seconds)
    if total:
        clock += f" of {format_duration(total)}"
    ramp = Table.grid(padding=(0, 1), expand=True)
    ramp.add_column(no_wrap=True)
    ramp.add_column(ratio=1)
    ramp.add_column(no_wrap=True)
    bar = ProgressBar(total=max(1, figures.target), completed=figures.started)
    ramp.add_row("ramp", bar, f"{figures.started}/{figures.target}  {clock}")
    return Group(title, ramp)


def _clients(figures: LiveFigures) -> RenderableType:
    line = Text(overflow="fold")
    for state in ClientState:
        line.append(f"{figures.states.get(state, 0)} {state}", style=_STATE_STYLES[state])
        line.append("   ")
    line.append(f"{figures.restarts} restarts", style="red" if figures.restarts else "dim")
    return line


def _requests(figures: LiveFigures) -> RenderableType:
    rows: list[tuple[str, RenderableType]] = [
        (_PLURALS[kind], f"{figures.totals[kind]}  ({figures.rates.get(kind, 0):.1f}/s)")
        for kind in figures.totals
        if figures.totals[kind] or kind in {"playlist", "segment"}
    ]
    rows.append(("received", format_size(figures.bytes_total)))
    rates = "  ".join(
        f"{window} {rate * 8 / 1e6:.3g}" for window, rate in figures.throughput.items()
    )
    rows.append(("Mbit/s", rates))
    return Panel(_figures_table(rows), title="requests", title_align="left")


def _times(figures: LiveFigures) -> RenderableType:
    unknown = "not measured in light mode"
    rows: list[tuple[str, RenderableType]] = [
        ("segment", _milliseconds(figures.segment_times) if figures.segment_times else unknown),
        ("playlist", _milliseconds(figures.playlist_times) if figures.playlist_times else unknown),
    ]
    return Panel(_figures_table(rows), title="download time", title_align="left")


def _health(figures: LiveFigures) -> RenderableType:
    bad = "yellow" if figures.stalls else ""
    rows: list[tuple[str, RenderableType]] = [
        ("stalls", Text(f"{figures.stalls}  ({figures.stalled_seconds:.1f} s)", style=bad)),
        ("sessions failed", str(figures.sessions_failed)),
        ("ramp lateness p99", f"{figures.lateness_p99_seconds * 1000:.0f} ms"),
        ("controller CPU", f"{figures.controller_cpu_share:.1%}"),
    ]
    if figures.dropped_bytes:
        rows.append(("messages dropped", format_size(figures.dropped_bytes)))
    return Panel(_figures_table(rows), title="playback", title_align="left")


def _trouble(figures: LiveFigures) -> RenderableType:
    lines: list[RenderableType] = []
    if figures.http_errors:
        codes = ", ".join(f"{code}: {n}" for code, n in sorted(figures.http_errors.items()))
        lines.append(Text(f"HTTP {codes}", style="red"))
    lines += [Text(error, overflow="ellipsis", no_wrap=True) for error in figures.errors]
    return Panel(
        Group(*lines[:_ERRORS_SHOWN]) if lines else Text("none", style="dim"),
        title="errors",
        title_align="left",
    )


def screen(figures: LiveFigures, *, columns: int, details: bool) -> RenderableType:
    """The whole screen for a terminal of so many columns."""
    panels = [_requests(figures), _health(figures)]
    if figures.origin:
        rows = list(figures.origin.items())
        panels.append(Panel(_figures_table(rows), title="origin", title_align="left"))
    parts = [_head(figures), _clients(figures)]
    parts += panels if columns < _NARROW_COLUMNS else [Columns(panels)]
    if details:
        parts += [_times(figures), _trouble(figures)]
    parts.append(Text("q stop   d details   r redraw", style="dim"))
    return Group(*parts)


class LiveScreen:
    """Draws on a terminal, and reads its keys: q stops the run, d shows less, r redraws."""

    def __init__(self, on_quit: Callable[[], None]) -> None:
        self._console = Console()
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._on_quit = on_quit
        self._details = True
        self._figures: LiveFigures | None = None
        self._terminal: list[object] | None = None

    def open(self) -> None:
        """Take the terminal over; keys are then read one by one, without echo."""
        if sys.stdin.isatty():
            self._terminal = list(termios.tcgetattr(sys.stdin))
            tty.setcbreak(sys.stdin, termios.TCSANOW)
        self._live.start()

    def say(self, text: str) -> None:
        """A line above the screen."""
        self._console.print(text, markup=False, highlight=False)

    def show(self, figures: LiveFigures) -> None:
        """Draw new figures."""
        self._figures = figures
        columns = self._console.size.width
        self._live.update(screen(figures, columns=columns, details=self._details), refresh=True)

    def keys(self) -> None:
        """Read what was typed; to be called when standard input is readable."""
        typed = os.read(sys.stdin.fileno(), 64)
        if b"q" in typed:
            self._on_quit()
        if b"d" in typed:
            self._details = not self._details
        if b"r" in typed:
            self._console.clear()
        if self._figures is not None:
            self.show(self._figures)

    @property
    def reads_keys(self) -> bool:
        """Whether there is a keyboard to read."""
        return self._terminal is not None

    def close(self) -> None:
        """Give the terminal back as it was."""
        self._live.stop()
        if self._terminal is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._terminal)  # type: ignore[arg-type]
            self._terminal = None
