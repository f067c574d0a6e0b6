"""framecrc lines, lines in pieces, progress blocks, and what ffmpeg says of an input's end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsswarm.core.consumption import Frame
from hlsswarm.telemetry.frames import FrameReader, has_an_end
from hlsswarm.telemetry.lines import Lines
from hlsswarm.telemetry.progress_blocks import Progress, ProgressReader

# As ffmpeg 5.1 wrote them: side data behind the checksum, a decoding time that is off.
CAPTURED = """\
#extradata 0:       39, 0xe5ef0bdf
#software: Lavf59.27.100
#tb 0: 1/90000
#media_type 0: video
#codec_id 0: h264
#dimensions 0: 640x360
#sar 0: 1/1
0,     143999,     263700,     3000,     5274, 0xeb27dd1a, S=1,       16
0,     146999,     266700,     3000,      309, 0x81337b87, F=0x0, S=1,       16
0,     269700,      NOPTS,     3000,     1358, 0xf3ade444
1,     269700,     269700,     1024,      300, 0xf3ade444
"""
FRAMES = [Frame(2.93, 5274, 5.0), Frame(266700 / 90000, 309, 5.0), Frame(269700 / 90000, 1358, 5.0)]


@given(st.lists(st.integers(0, len(CAPTURED)), max_size=30))
def test_frames_are_read_however_the_lines_are_cut(cuts: list[int]) -> None:
    found: list[Frame] = []
    lines = Lines(FrameReader(found.append).line)
    for begin, end in pairwise(sorted({0, len(CAPTURED), *cuts})):
        lines.feed(CAPTURED[begin:end].encode(), 5.0)
    assert found == FRAMES
    assert lines.dropped_bytes == 0


@given(st.lists(st.binary(max_size=5000), max_size=20))
def test_garbage_is_no_frame_and_is_bounded(pieces: list[bytes]) -> None:
    found: list[Frame] = []
    reader = FrameReader(found.append)
    reader.line("#tb 0: 1/0", 0.0)
    lines = Lines(reader.line)
    for piece in pieces:
        lines.feed(piece, 0.0)
    assert found == []
    assert len(lines._rest) <= 4096


@given(st.text(max_size=100))
def test_any_line_can_be_read(text: str) -> None:
    for reader in (FrameReader(lambda frame: None), ProgressReader(lambda block, now: None)):
        reader.line(text, 0.0)


def test_a_progress_block_ends_with_its_last_line() -> None:
    found: list[Progress] = []
    reader = ProgressReader(lambda block, now: found.append(block))
    blocks = "frame=15\nfps=0.0\nspeed=N/A\nprogress=continue\nframe=30\nspeed= 1.01x\nprogress=end"
    for line in blocks.splitlines():
        reader.line(line, 1.0)
    assert found == [Progress(15, None), Progress(30, 1.01)]


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("[info]   Duration: 00:00:08.00, start: 0.000000, bitrate: 292 kb/s", True),
        ("[info]   Duration: N/A, start: 0.042667, bitrate: N/A", False),
        ("[info] Metadata: Duration: 1, x", False),
        ("", False),
    ],
)
def test_whether_an_input_may_end(line: str, ends: bool) -> None:
    assert has_an_end(f"[info] Input #0\n{line}\n[info] more\n") is ends
