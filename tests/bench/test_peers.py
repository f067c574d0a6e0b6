"""Other load generators: how they are called, watched, and ended."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from bench.parts import Peer, Work
from bench.parts.peers import PEERS, Asked, peer_row
from bench.place import BenchError, Place, Stream
from bench.sizes import QUICK
from tests.support import processes_with

URL = "http://127.0.0.1:1/stream.m3u8"
SIZES = dataclasses.replace(QUICK, peer_clients=2, peer_seconds=4.0)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is_told_stream_and_clients(name: str) -> None:
    """And nothing that leads away from this machine."""
    asked = Asked(Path("/opt/peer"), URL, 200, 20.0, 70.0, "/usr/bin/ffmpeg")
    words = PEERS[name](asked)
    assert words[0] == "/opt/peer"
    assert URL in words and "200" in words
    addresses = [word for word in words if ":" in word and word != URL]
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def stand_in(directory: Path, script: str) -> Peer:
    """A program that is called like a peer."""
    path = directory / "peer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Peer("sb_hls_load", path)


def watched(directory: Path, script: str) -> dict[str, object]:
    """The row of a stand-in, for whom the log has three segments and a failure."""
    log = directory / "access.json"
    log.write_text("")
    peer = stand_in(directory, script)
    uris = [("/segment-1.ts", 200), ("/segment-2.ts?x", 206), ("/stream.m3u8", 200)]
    lines = [json.dumps({"uri": uri, "status": status}) for uri, status in uris]
    lines += [json.dumps({"uri": "/segment-3.ts", "status": 404})]
    (directory / "lines").write_text("\n".join(lines) + "\n")
    where = Place(directory, {}, {"debian": "/usr/bin/ffmpeg"})
    return peer_row(Work(where, SIZES, lambda _: None), Stream(URL, log), peer)


def test_a_peer_is_measured_and_ended(tmp_path: Path) -> None:
    """Its memory is its clients', as it has no others; segments are those that were served."""
    copy = f"cat {tmp_path}/lines >>{tmp_path}/access.json"
    row = watched(tmp_path, f"{copy}\nexec sleep 61.5")
    assert row["program"] == "sb_hls_load" and row["ffmpeg"] is None
    assert row["segments_per_client"] == 1.0
    assert isinstance(row["client_pss_bytes"], float) and row["client_pss_bytes"] > 0
    assert row["stop_seconds"] is not None
    assert processes_with("sleep\x0061.5") == []


def test_a_peer_that_ends_by_itself_is_told(tmp_path: Path) -> None:
    """With what it said."""
    with pytest.raises(BenchError, match="ended by itself with status 3: it hurts"):
        watched(tmp_path, "echo it hurts; exit 3")
