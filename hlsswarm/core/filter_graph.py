"""Text in ffmpeg's filter graphs: values escaped, and words drawn into the picture.

Source: ffmpeg-filters(1), "Notes on filtergraph escaping" and "drawtext".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

__all__ = ["CLOCK_TEXT", "FRAME_TEXT", "drawn_text", "filter_value"]

# drawtext expands %{function:argument}; colons inside the argument are escaped for that level.
CLOCK_TEXT: Final = r"%{gmtime:%Y-%m-%d %H\:%M\:%S} UTC"
"""The wall clock of the machine that makes the picture, for drawn_text."""
FRAME_TEXT: Final = "frame %{n}"
"""The number of the frame, from 0, for drawn_text."""


def filter_value(text: str) -> str:
    """One option value in a filter graph, escaped for both of its levels.

    First within the option list, then within the graph.
    """
    option = re.sub(r"([\\':])", r"\\\1", text)
    return re.sub(r"([\\'\[\],;])", r"\\\1", option)


def drawn_text(text: str, *, font: Path, picture_height: int, line: int = 0) -> str:
    """A drawtext filter: `text` in white on a dark box, centred at the bottom of the picture.

    `font` is a TrueType file, `picture_height` is pixels; the letters are a twelfth of it high, at
    least 12. `line` counts lines from the bottom.
    """
    size = max(picture_height // 12, 12)
    return (
        "drawtext="
        f"fontfile={filter_value(str(font))}"
        f":text={filter_value(text)}"
        f":fontsize={size}:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw={size // 4}"
        f":x=(w-text_w)/2:y=h-{2 * (line + 1)}*text_h"
    )
