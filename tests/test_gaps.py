"""benchmarks.gaps: what is hidden, what is filled, and what counts as right."""

import json

import cv2
import numpy as np
import pytest

from benchmarks import gaps
from tracknetv5.data.readers import Clip


@pytest.fixture
def clip(tmp_path) -> Clip:
    """40 frames of a flight in 1280 x 720, a folder with one picture: labels alone are looked at."""
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((720, 1280, 3), np.uint8))
    t = np.arange(40.0)
    xy = np.stack([100 + 20 * t, 200 + 0.3 * t**2], 1)
    xy[[0, 20]] = np.nan  # before the ball came, and behind a player
    visibility = (~np.isnan(xy[:, 0])).astype(np.int8)
    return Clip("a", "tennis", "here", "val", tmp_path, xy, visibility, 0 * visibility)


def test_flights_are_filled_and_hits_are_not(clip):
    distance = gaps.hidden_and_filled([clip], 3)
    assert np.isfinite(distance).mean() > 0.6 and np.nanmax(distance) < 1e-6
    clip.xy[1::2, 1] += 300  # no ball flies like this
    assert np.isnan(gaps.hidden_and_filled([clip], 3)).all()


def test_every_ball_is_hidden_in_turn(clip):
    rows = gaps.by_length([clip])
    assert [row["frames"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(row["right"] == row["filled"] <= row["hidden"] for row in rows)
    assert rows[2]["hidden"] == 38  # three beginnings of 3 in 9


def test_what_is_filled_where_no_ball_is_labelled_is_counted(clip, tmp_path, monkeypatch):
    assert gaps.without_a_ball([clip]) == {"tennis": {"frames": 2, "filled": 1}}
    monkeypatch.setattr(gaps, "read_clips", lambda root, split: [clip])
    monkeypatch.setattr(gaps, "describe", lambda clips: [])
    gaps.main(["--data", "x", "--output", str(tmp_path / "new" / "gaps.json")])
    report = json.loads((tmp_path / "new" / "gaps.json").read_text())
    assert report["split"] == "val" and report["without_a_ball"]["tennis"]["filled"] == 1


def test_missing_data_is_told(tmp_path, capsys):
    with pytest.raises(SystemExit):
        gaps.main(["--data", str(tmp_path / "missing"), "--output", str(tmp_path / "x.json")])
    assert "missing" in capsys.readouterr().err
