"""Chaos: seeded faults, one after the other, each of which a rig has to survive.

do a fault ──► wait until the target count plays again ──► next       the observer looks all along
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.chaos.faults import Faults
from tests.chaos.observer import Expected, Observer
from tests.chaos.worlds import BACKOFF_MAX_SECONDS, TIMEOUT_SECONDS, World

SIZES = {"evening": 7, "night": 5}
_BEGIN_SECONDS = 60.0
_STAYS_SECONDS = 1.0
# The longest wait with its jitter, a client's timeout, the controller's own restart, a segment and
# two playlists; the rest is for a machine on which much else goes on.
BOUND_SECONDS = 1.2 * BACKOFF_MAX_SECONDS + TIMEOUT_SECONDS + 5 + 6 + 15


@dataclass(frozen=True)
class Outcome:
    """What came of a fault."""

    at_seconds: float
    fault: str
    detail: str
    back_seconds: float | None
    """Until all was as expected again; None when it was not, within the bound."""
    wrong: tuple[str, ...] = ()


@dataclass
class Report:
    """What came of everything."""

    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    scrapes: int = 0
    looks: int = 0
    longest_silence_seconds: float = 0.0

    def lines(self) -> Iterator[str]:
        """As a table in Markdown."""
        yield "| at | fault | what | whole again after | outcome |"
        yield "|---|---|---|---|---|"
        for each in self.outcomes:
            back = "never" if each.back_seconds is None else f"{each.back_seconds:.1f} s"
            good = "; ".join(each.wrong) or "as expected"
            yield f"| {each.at_seconds:.0f} s | {each.fault} | {each.detail} | {back} | {good} |"
        yield ""
        yield (
            f"Seed {self.seed}: {len(self.outcomes)} faults; {self.looks} looks, {self.scrapes} "
            f"scrapes, the longest time without one {self.longest_silence_seconds:.1f} s; "
            f"{len(self.wrong)} wrong."
        )
        yield from (f"- {each}" for each in self.wrong)


def unleash(world: World, *, seconds: float, seed: int, say: Callable[[str], None]) -> Report:
    """Do faults for so long, and look what comes of them; the rig is ended then."""
    rng, report = random.Random(seed), Report(seed)
    expected = Expected(dict(SIZES))
    observer = Observer(world, expected)
    faults = Faults(world, expected, rng)
    began = time.monotonic()
    if _whole_after(observer, _BEGIN_SECONDS) is None:
        report.wrong.append(f"the rig did not begin: {observer.missing(0)}")
        return report
    observer.start()
    try:
        deadline = time.monotonic() + seconds
        for name, do in _order(faults.all(), rng):
            if time.monotonic() > deadline:
                break
            outcome = _survived(observer, name, do, time.monotonic() - began)
            report.outcomes.append(outcome)
            say(f"{outcome.at_seconds:6.1f} s  {name}  {outcome.detail}  {outcome.back_seconds}")
            if outcome.back_seconds is None:
                break  # what comes after it would tell nothing
    finally:
        observer.stop()
    report.scrapes, report.looks = observer.scrapes, observer.looks
    report.longest_silence_seconds = observer.longest_silence_seconds
    report.wrong += observer.wrong
    report.wrong += [words for each in report.outcomes for words in each.wrong]
    report.wrong += [f"left at the end: {each}" for each in world.end()]
    return report


def _order(
    faults: dict[str, Callable[[], str]], rng: random.Random
) -> Iterator[tuple[str, Callable[[], str]]]:
    """All faults in an order by chance, again and again."""
    while True:
        names = list(faults)
        rng.shuffle(names)
        yield from ((name, faults[name]) for name in names)


def _survived(observer: Observer, name: str, do: Callable[[], str], at_seconds: float) -> Outcome:
    try:
        detail = do()
    except AssertionError as error:
        return Outcome(at_seconds, name, "", None, (f"{name}: {error}",))
    back = _whole_after(observer, BOUND_SECONDS)
    wrong = () if back is not None else (f"{name}: {observer.missing(time.time() - 10)}",)
    return Outcome(at_seconds, name, detail, back, wrong)


def _whole_after(observer: Observer, bound_seconds: float) -> float | None:
    """Seconds until all is as expected, and still is a while later; None when it is not within
    the bound. A process that is about to end for what was done before must not look whole.
    """
    began, unix_time = time.monotonic(), time.time()
    whole_at: float | None = None
    while whole_at is None or time.monotonic() - whole_at < _STAYS_SECONDS:
        now = time.monotonic()
        if not observer.missing(unix_time):
            whole_at = now if whole_at is None else whole_at
        elif now - began > bound_seconds:
            return None
        else:
            whole_at = None
        time.sleep(0.2)
    return whole_at - began
