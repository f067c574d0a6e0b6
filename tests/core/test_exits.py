"""Ends of processes: labels to count by, and words."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.exits import (
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    exit_label,
    explain_exit,
    is_our_side,
)


@pytest.mark.parametrize(
    ("code", "status", "label", "words"),
    [
        (CLD_EXITED, 0, "0", "ended by itself (status 0)"),
        (CLD_EXITED, 145, "145", "exited with status 145"),
        (CLD_EXITED, 255, "255", "exited with status 255"),
        (CLD_KILLED, signal.SIGKILL, "SIGKILL", "was killed by SIGKILL"),
        (CLD_DUMPED, signal.SIGSEGV, "SIGSEGV", "was killed by SIGSEGV"),
        (CLD_KILLED, 63, "signal 63", "was killed by signal 63"),
        (0, 0, "unknown", "ended"),
    ],
)
def test_ends(code: int, status: int, label: str, words: str) -> None:
    assert exit_label(code, status) == label
    assert explain_exit(code, status) == words


def test_out_of_memory_has_its_own_words() -> None:
    assert explain_exit(CLD_KILLED, 9, result="oom-kill") == "was killed: out of memory"
    assert exit_label(CLD_KILLED, 9, result="oom-kill") == "oom-kill"
    assert exit_label(CLD_KILLED, 9, result="signal") == "SIGKILL"


@pytest.mark.parametrize("status", [200, 203, 217, 222, 226])
def test_what_systemd_could_not_do_is_our_side(status: int) -> None:
    assert is_our_side(CLD_EXITED, status)
    assert f"({status}/" in explain_exit(CLD_EXITED, status)
    # 203 as a signal's number is something else.
    assert not is_our_side(CLD_KILLED, status)


@given(st.integers(0, 255))
def test_ffmpegs_own_statuses_are_not_our_side(status: int) -> None:
    assert is_our_side(CLD_EXITED, status) == (status in {200, 203, 217, 222, 226})


@given(st.integers(-1, 10), st.integers(-1000, 1000), st.text())
def test_any_end_has_a_label_and_words(code: int, status: int, result: str) -> None:
    assert exit_label(code, status)
    assert explain_exit(code, status, result=result)
