"""The command line, run as a user runs it."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tracknetv5 import BallTracker
from tracknetv5.cli import app
from tracknetv5.data.synthetic import write_rally
from tracknetv5.video import probe, read_frames

SIZE = (64, 128)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=10, size=SIZE, seed=0)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["track", *map(str, arguments)])


def rows(path):
    return list(csv.DictReader(path.open()))


def test_csv_and_overlay(clip, weights, tmp_path):
    result = run(clip, "--output", tmp_path, "--weights", weights, "--overlay")
    assert result.exit_code == 0, result.output
    table = rows(tmp_path / "rally.csv")
    assert list(table[0]) == ["Frame", "Visibility", "X", "Y", "Score", "Source", "Time"]
    assert [int(row["Frame"]) for row in table] == list(range(10))
    overlay = list(read_frames(tmp_path / "rally_ball.mp4"))
    assert len(overlay) == 10 and overlay[0].image.shape == (*SIZE, 3)
    assert any(row["Visibility"] == "1" for row in table)
    changed = [np.abs(a.image.astype(int) - b.image).max() for a, b in zip(overlay, read_frames(clip), strict=True)]
    assert max(changed) > 60  # the mark is drawn


def test_results_go_to_a_folder_of_their_own_where_none_is_named(clip, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(clip, "--weights", weights)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rally.csv", "rally_track.json"]


def test_a_portrait_and_a_two_frame_video(weights, tmp_path):
    for name, frames, size in (("portrait", 7, (128, 72)), ("two", 2, SIZE), ("one", 1, SIZE)):
        path = tmp_path / f"{name}.mp4"
        write_rally(path, frames=frames, size=size, seed=1)
        assert run(path, "--output", tmp_path / "out", "--weights", weights).exit_code == 0
        table = rows(tmp_path / "out" / f"{name}.csv")
        assert len(table) == frames
        height, width = size
        for row in table:
            assert -1 <= float(row["X"]) <= width and -1 <= float(row["Y"]) <= height


def test_one_bad_file_does_not_stop_the_others(clip, weights, tmp_path):
    text, empty = tmp_path / "notes.mp4", tmp_path / "empty.mp4"
    text.write_text("not a video")
    empty.touch()
    result = run(text, clip, empty, tmp_path / "missing.mp4", "--output", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert [name in line for name, line in zip(("notes", "empty", "missing"), errors, strict=True)] == [True] * 3
    assert "Traceback" not in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rally.csv", "rally_track.json"]


def test_a_fault_of_any_kind_in_one_file_does_not_stop_the_others(clip, weights, tmp_path, monkeypatch):
    odd = tmp_path / "odd.mp4"
    odd.write_bytes(clip.read_bytes())
    track = BallTracker.track

    def refusing(self, video, **options):
        if video == odd:
            raise ValueError("times must increase")
        return track(self, video, **options)

    monkeypatch.setattr(BallTracker, "track", refusing)
    result = run(odd, clip, "--output", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 1 and result.stderr == f"error: {odd}: times must increase\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["rally.csv", "rally_track.json"]


def test_gaps_are_filled_up_to_the_length_that_is_asked_for(clip, weights, tmp_path, monkeypatch):
    track, asked = BallTracker.track, []

    def noted(self, video, **options):
        asked.append(options.get("fill_gaps"))
        return track(self, video, **options)

    monkeypatch.setattr(BallTracker, "track", noted)
    assert run(clip, "--output", tmp_path, "--weights", weights, "--fill-gaps", 2).exit_code == 0
    assert asked == [2]


def test_two_inputs_of_one_name_are_refused_before_any_work(clip, weights, tmp_path):
    other = tmp_path / "rally.avi"
    other.write_bytes(clip.read_bytes())
    result = run(clip, other, "--output", tmp_path / "out", "--weights", weights)
    assert result.exit_code == 1 and "'rally'" in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_input_is_not_written_over_by_an_overlay(clip, weights, tmp_path):
    match, film = tmp_path / "match.mp4", tmp_path / "match_ball.mp4"
    for path in (match, film):
        path.write_bytes(clip.read_bytes())
    result = run(film, match, "--output", tmp_path, "--weights", weights, "--overlay")
    assert result.exit_code == 1 and "match_ball.mp4: would be written over" in result.stderr
    assert film.read_bytes() == clip.read_bytes() and len(list(tmp_path.iterdir())) == 2


def test_a_cut_file_that_still_decodes_is_tracked_with_a_warning(weights, tmp_path):
    whole = tmp_path / "whole.mp4"
    write_rally(whole, frames=60, size=SIZE, seed=2)
    cut = tmp_path / "cut.mp4"
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * 0.6)])
    result = run(cut, "--output", tmp_path, "--weights", weights)
    assert result.exit_code == 0, result.stderr
    assert "warning: " in result.stderr
    assert 0 < len(rows(tmp_path / "cut.csv")) < 60 == probe(whole).frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "1.5"], "between 0 and 1"),
        (["--step", "9"], "between 1 and"),
        (["--device", "quantum"], "cannot be used"),
        (["--weights", "nowhere/at/all"], "no such folder"),
    ],
)
def test_bad_options_are_one_line(clip, weights, tmp_path, options, message):
    chosen = options if "--weights" in options else [*options, "--weights", weights]
    result = run(clip, "--output", tmp_path / "out", *chosen)
    assert result.exit_code == 1 and message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_module_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tracknetv5", "track", str(tmp_path / "missing.mp4"), "--output", str(tmp_path)],
        capture_output=True, text=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
