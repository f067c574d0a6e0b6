"""Who received what, by nginx's log."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bench.deliveries import Asked, asked, delivery


def line(client: int, segment: int, *, time: float = 0.0, status: int = 206, size: int = 10) -> str:
    """A line as the test origin's nginx writes it."""
    return json.dumps(
        {
            "time": time,
            "uri": f"/segment-{segment}.ts",
            "status": status,
            "body_bytes": size,
            "user_agent": f"agent/client-{client}",
        },
        separators=(",", ":"),
    )


def played(client: int, *segments: int) -> list[Asked]:
    """A client that got these segments, each a second after the one before."""
    return [Asked(client, segment, float(segment), 206, 10) for segment in segments]


def test_only_segments_of_the_agents_clients_are_read() -> None:
    """Playlists, others' requests and a line that is being written are left out."""
    playlist = line(1, 5).replace("segment-5.ts", "stream.m3u8")
    other = line(1, 5).replace("agent/client", "another/client")
    lines = [line(1, 5, time=2.5), playlist, other, line(2, 6)[:-4]]
    assert list(asked(lines, "agent")) == [Asked(1, 5, 2.5, 206, 10)]


def test_everything_received() -> None:
    """Each client from its own first segment on, up to the last that was due."""
    found = delivery([*played(1, 1, 2, 3, 4, 5), *played(2, 3, 4)], 2, until=4.0)
    assert (found.complete, found.expected, found.delivered) == (2, 6, 6)
    assert found.full_seconds == 2.0
    assert found.is_whole


def test_a_gap_is_seen() -> None:
    """One of two clients lacks a segment in the midst."""
    found = delivery([*played(1, 1, 2, 3, 4), *played(2, 1, 2, 4)], 2, until=4.0)
    assert (found.complete, found.expected, found.delivered) == (1, 8, 7)
    assert not found.is_whole


def test_a_client_that_fell_behind_is_seen() -> None:
    """The swarm went on without it."""
    found = delivery([*played(1, 1, 2, 3, 4), *played(2, 1, 2)], 2, until=4.0)
    assert (found.complete, found.delivered) == (1, 6)


def test_half_a_segment_is_none() -> None:
    """Its size is what others got of it; an error is no segment either."""
    half = Asked(2, 2, 2.0, 206, 4)
    error = Asked(2, 3, 3.0, 503, 10)
    requests = [*played(1, 1, 2, 3), *played(2, 1), half, error]
    found = delivery(requests, 2, until=3.0)
    assert (found.complete, found.expected, found.delivered) == (1, 6, 4)


def test_a_client_that_never_came_is_missing() -> None:
    """Nothing was expected of it, and the swarm is not whole."""
    found = delivery(played(1, 1, 2), 2, until=2.0)
    assert (found.clients, found.seen, found.complete) == (2, 1, 1)
    assert found.full_seconds is None
    assert not found.is_whole


def test_nothing_at_all_is_not_whole() -> None:
    """No client, no segment, no success."""
    assert not delivery([], 0, until=1.0).is_whole


@given(
    st.lists(st.builds(Asked, st.integers(1, 4), st.integers(1, 9), st.floats(0, 20),
                       st.sampled_from([200, 206, 404]), st.integers(0, 3))),
    st.floats(0, 20),
)  # fmt: skip
def test_counts_are_consistent(requests: list[Asked], until: float) -> None:
    """Whatever was asked for: never more delivered than expected, nor complete than seen."""
    found = delivery(requests, 4, until=until)
    assert 0 <= found.delivered <= found.expected
    assert 0 <= found.complete <= found.seen <= 4
    if found.is_whole:
        assert found.delivered == found.expected
