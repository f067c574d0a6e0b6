"""Which ends were the out-of-memory killer's: kills are counted, and each explains one end."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.exits import CLD_DUMPED, CLD_EXITED, CLD_KILLED
from hlsswarm.core.oom import KEEP_SECONDS, OomLedger, may_be_oom


def test_a_kill_explains_one_end() -> None:
    ledger = OomLedger(113)
    assert not ledger.claim()
    ledger.seen(114, 1.0)
    assert ledger.claim()
    assert not ledger.claim()


def test_what_was_counted_before_the_run_explains_nothing() -> None:
    ledger = OomLedger(113)
    ledger.seen(113, 1.0)
    assert not ledger.claim()


def test_an_old_kill_was_somebody_elses() -> None:
    ledger = OomLedger(0)
    ledger.seen(1, 1.0)
    ledger.seen(1, 1.0 + KEEP_SECONDS)
    ledger.seen(1, 1.1 + KEEP_SECONDS)
    assert not ledger.claim()


@pytest.mark.parametrize("first", [None, 7])
def test_a_kernel_that_does_not_count_explains_nothing(first: int | None) -> None:
    ledger = OomLedger(first)
    ledger.seen(None, 1.0)
    ledger.seen(9, 2.0)
    assert not ledger.claim()


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_there_are_never_more_claims_than_kills(steps: list[tuple[int, int]]) -> None:
    ledger, kills, claims = OomLedger(40), 0, 0
    for now, (grown, ends) in enumerate(steps):
        kills += grown
        ledger.seen(40 + kills, float(now))
        claims += sum(ledger.claim() for _ in range(ends))
        assert claims <= kills


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (CLD_KILLED, signal.SIGKILL, True),
        (CLD_DUMPED, signal.SIGKILL, True),
        (CLD_KILLED, signal.SIGTERM, False),
        (CLD_EXITED, signal.SIGKILL, False),
        (0, 0, False),
    ],
)
def test_only_sigkill_may_be_one(code: int, status: int, *, expected: bool) -> None:
    assert may_be_oom(code, status) is expected
