"""What services write elsewhere goes with their run, and nothing else does."""

from __future__ import annotations

from pathlib import Path

from hlsswarm.units.outputs import note_output, remove_output, remove_outputs
from hlsswarm.units.runtime_directory import remove_run_directory


def presentation(directory: Path) -> Path:
    """A directory with the files of one."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("stream.m3u8", "segment-1.ts", "segment-2.ts.tmp", "init.mp4", "x.m4s"):
        (directory / name).touch()
    return directory


def test_a_presentation_goes_with_the_directories_that_were_made_for_it(tmp_path: Path) -> None:
    media, run = tmp_path / "media", tmp_path / "run"
    run.mkdir()
    note_output(run, "live.cam1", presentation(media / "live/cam1"))
    note_output(run, "live.cam2", presentation(media / "live/cam2"))
    remove_output(run, "live.cam1")
    assert sorted(path.name for path in (media / "live").iterdir()) == ["cam2"]
    remove_output(run, "live.cam2")
    assert list(media.iterdir()) == []
    assert list(tmp_path.glob("run/outputs/*")) == []


def test_what_others_have_put_there_stays(tmp_path: Path) -> None:
    media, run = tmp_path / "media", tmp_path / "run"
    run.mkdir()
    note_output(run, "a", presentation(media / "a"))
    (media / "a/notes.txt").touch()
    presentation(media / "a/b")
    remove_run_directory(run)
    assert sorted(path.name for path in (media / "a").iterdir()) == ["b", "notes.txt"]
    assert (media / "a/b/stream.m3u8").exists()
    assert not run.exists()


def test_one_that_is_gone_already_is_no_error(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    remove_outputs(run)
    note_output(run, "a", tmp_path / "nowhere")
    note_output(run, "a", tmp_path / "elsewhere")
    remove_output(run, "b")
    remove_outputs(run)
    assert list((run / "outputs").iterdir()) == []
