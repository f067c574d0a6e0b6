"""Several things at once: the end of one is the end of all, but for the beginning's."""

from __future__ import annotations

import asyncio

import pytest

from hlsswarm.controller.waiting import until_one_ends


async def ends(seen: list[str], name: str, *, turns: int) -> None:
    try:
        for _ in range(turns):
            await asyncio.sleep(0)
        seen.append(f"{name} ended")
    except asyncio.CancelledError:
        seen.append(f"{name} cancelled")
        raise


async def fails() -> None:
    raise ValueError("no")


def test_the_first_end_cancels_the_rest() -> None:
    seen: list[str] = []
    waits = [ends(seen, "short", turns=20), ends(seen, "long", turns=10**9)]
    asyncio.run(until_one_ends(ends(seen, "beginning", turns=2), waits))
    assert seen == ["beginning ended", "short ended", "long cancelled"]


def test_an_end_cancels_the_beginning() -> None:
    seen: list[str] = []
    asyncio.run(until_one_ends(ends(seen, "beginning", turns=10**9), [ends(seen, "one", turns=2)]))
    assert seen == ["one ended", "beginning cancelled"]


def test_what_fails_is_raised_after_the_rest_is_cancelled() -> None:
    seen: list[str] = []
    with pytest.raises(ValueError, match="no"):
        asyncio.run(until_one_ends(fails(), [ends(seen, "one", turns=10**9)]))
    assert seen == ["one cancelled"]
