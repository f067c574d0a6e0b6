"""Scrapes a Prometheus page, and reads quantiles of its histograms."""

from __future__ import annotations

import re
import time
import urllib.request
from dataclasses import dataclass

_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class Scrape:
    """A page, and how long it took."""

    text: str
    seconds: float


def scrape(address: str) -> Scrape:
    """GET /metrics of HOST:PORT. Raises OSError."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    began = time.perf_counter()
    with opener.open(f"http://{address}/metrics", timeout=_TIMEOUT_SECONDS) as answer:
        text = answer.read().decode()
    return Scrape(text, time.perf_counter() - began)


def quantile(text: str, histogram: str, share: float) -> float | None:
    """A histogram's quantile, even within its bucket, as Prometheus' histogram_quantile() has it;
    None of an empty one. One without labels, in seconds or whatever its unit is.
    """
    found = re.findall(rf'^{histogram}_bucket{{le="([^"]+)"}} (\S+)$', text, re.MULTILINE)
    buckets = [(float(bound), float(count)) for bound, count in found]
    if not buckets or buckets[-1][1] == 0:
        return None
    rank = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (rank - below) / max(count - below, 1e-9)
        lower, below = bound, count
    return lower
