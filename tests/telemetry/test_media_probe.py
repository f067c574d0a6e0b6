"""What ffprobe's JSON is read as."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from hlsswarm.errors import PreflightError
from hlsswarm.telemetry.media_probe import Media, find_ffprobe, probe_media, read_media

FFMPEG = Path(shutil.which("ffmpeg") or "ffmpeg")


def test_a_real_segment(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    graph = "testsrc2=size=64x36:rate=10[out0];sine=sample_rate=48000[out1]"
    command = [str(FFMPEG), "-v", "error", "-f", "lavfi", "-i", graph, "-t", "1", "-g", "5"]
    command += ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-b:a", "64k", str(path)]
    subprocess.run(command, check=True, timeout=60)
    media = probe_media(find_ffprobe(FFMPEG), ("-i", str(path)))
    assert media is not None
    assert (media.video_codec, media.width, media.height) == ("h264", 64, 36)
    assert (media.audio_codec, media.frame_rate, media.key_frames) == ("aac", 10.0, 2)
    assert 30 < media.audio_kbps < 90
    assert media.kinds == ("video", "audio")


def test_what_is_no_media(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_bytes(b"hello")
    ffprobe = find_ffprobe(FFMPEG)
    assert probe_media(ffprobe, ("-i", str(tmp_path / "a.ts"))) is None
    assert probe_media(ffprobe, ("-i", str(tmp_path / "none.ts"))) is None
    assert probe_media(tmp_path / "none", ("-i", "x")) is None
    assert read_media({}) is None
    assert read_media({"streams": [{"codec_type": "subtitle"}]}) is None


def test_odd_rates_are_none() -> None:
    stream = {"codec_type": "video", "codec_name": "h264", "avg_frame_rate": "0/0"}
    assert read_media({"streams": [stream]}) == Media(video_codec="h264")
    stream["r_frame_rate"] = "25/1"
    assert read_media({"streams": [stream]}) == Media(video_codec="h264", frame_rate=25.0)


def test_no_ffprobe_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("hlsswarm.programs.shutil.which", lambda *_, **__: None)
    with pytest.raises(PreflightError, match="ffprobe is not installed"):
        find_ffprobe(tmp_path / "ffmpeg")
