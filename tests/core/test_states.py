"""A client's state, from its unit's phase and its telemetry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.states import START_GRACE_SECONDS, ClientState, Phase, client_state

WAITED, FLAG = st.floats(0, 1e6), st.booleans()


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        (Phase.WAITING, ClientState.IDLE),
        (Phase.FINISHED, ClientState.IDLE),
        (Phase.BACKOFF, ClientState.BACKOFF),
    ],
)
@given(WAITED, FLAG, FLAG)
def test_without_a_process_what_was_told_before_does_not_matter(
    phase: Phase, state: ClientState, waited: float, streams: bool, stalled: bool
) -> None:
    found = client_state(phase, waited_seconds=waited, streams=streams, stalled=stalled)
    assert found is state


@given(WAITED)
def test_who_has_segments_streams_until_its_buffer_is_empty(waited: float) -> None:
    def state(*, stalled: bool) -> ClientState:
        return client_state(Phase.RUNNING, waited_seconds=waited, streams=True, stalled=stalled)

    assert state(stalled=False) is ClientState.STREAMING
    assert state(stalled=True) is ClientState.BUFFERING


@given(WAITED, FLAG)
def test_a_start_is_a_start_for_a_while_and_then_buffering(waited: float, stalled: bool) -> None:
    found = client_state(Phase.RUNNING, waited_seconds=waited, streams=False, stalled=stalled)
    late = waited > START_GRACE_SECONDS
    assert found is (ClientState.BUFFERING if late else ClientState.STARTING)
