"""benchmarks.breakdown on predictions whose every outcome is known."""

import json

import numpy as np
import pytest

from benchmarks.breakdown import TOLERANCES, breakdown, summarise, summary
from benchmarks.protocols import THRESHOLDS, Scored
from tracknetv5.data.readers import Clip
from tracknetv5.metrics import count

NONE = (np.nan, np.nan)


@pytest.fixture
def scored(tmp_path):
    """12 frames at 1024 x 576, where 2 pixels are 1 of the network's; x of the ball, class, and what was found:

    frame   0    1    2    3    4    5    6    7    8    9   10   11
    class   1    1    3    0    1    1    2    3    1    1    1    1      (0: no ball)
    found  +0   +3  none  yes +30 none   +0   +5   +0    -  none  +0      (px at 512 x 288; frame 9 is not labelled)
    """
    x = np.array([0, 2, 6, np.nan, 10, 20, 24, 64, 68, np.nan, 72, 74], float) * 2  # px of the footage
    offset = np.array([0, 3, np.nan, 0, 30, np.nan, 0, 5, 0, 0, np.nan, 0]) * 2
    grade = np.array([1, 1, 3, 0, 1, 1, 2, 3, 1, 1, 1, 1], np.int8)
    visibility = np.where(np.isnan(x), 0, 1).astype(np.int8)
    visibility[9] = -1
    xy = np.column_stack([x, np.where(np.isnan(x), np.nan, 100.0)])
    clip = Clip("a", "tennis", "court", "", tmp_path, xy, visibility, grade)
    clip.__dict__["size"] = (576, 1024)  # there are no pictures to ask
    frame = np.flatnonzero(visibility != -1)
    labelled = xy[frame] / 2
    predicted = labelled + np.column_stack([offset[frame] / 2, np.zeros(11)])
    predicted[3] = (7, 7)
    sweep = np.repeat(predicted[None], len(THRESHOLDS), axis=0)
    sweep[THRESHOLDS.index(0.6) :] = np.nan
    return Scored(clip, frame, predicted, labelled, visibility[frame] == 1, at_threshold=sweep)


def numbers(row: dict) -> tuple[int, ...]:
    return tuple(row[name] for name in ("tp", "fp1", "fp2", "tn", "fn"))


def test_summary(scored):
    row = summarise([scored, scored])
    assert numbers(row) == (10, 4, 2, 0, 6) and row["clips"] == 2 and row["blocks"] == 2
    assert row["recall"] == 10 / 16 and row["median_error_px"] == 0
    assert row["interval_95"]["recall"] == [0.625, 0.625]  # both seconds are the same


def test_interval_spans_the_blocks():
    outcome = np.array(["tp"] * 10 + ["fn"] * 10)
    row = summary(outcome, np.repeat([4, 9], 10))
    assert row["recall"] == 0.5 and row["interval_95"]["recall"] == [0, 1] and row["blocks"] == 2
    mixed = summary(outcome, np.tile(np.arange(10), 2))
    assert mixed["interval_95"]["recall"] == [0.5, 0.5]


def test_what_cannot_be_told_is_null(scored):
    row = summary(np.array(["tn"]), np.array([0]))
    assert row["precision"] is None and row["interval_95"]["precision"] == [None, None]
    assert summary(np.array([], str), np.array([], int))["interval_95"]["f1"] == [None, None]
    json.dumps(breakdown([scored]), allow_nan=False)


def test_tolerance_in_pixels_of_the_network_and_of_the_footage(scored):
    curves = breakdown([scored])["tolerance"]
    for tolerance, model, source in zip(TOLERANCES, curves["model_px"], curves["source_px"], strict=True):
        assert model["tolerance_px"] == source["tolerance_px"] == tolerance
        assert numbers(model)[:2] == ((4, 3) if tolerance <= 3 else (5, 2) if tolerance <= 5 else (6, 1))
        assert numbers(source)[:2] == ((4, 3) if tolerance <= 6 else (5, 2) if tolerance <= 10 else (6, 1))
        expected = count(scored.predicted, scored.labelled, tolerance)
        assert numbers(model) == (expected.tp, expected.fp1, expected.fp2, expected.tn, expected.fn)


def test_thresholds(scored):
    rows = breakdown([scored])["threshold"]
    assert [row["threshold"] for row in rows] == list(THRESHOLDS) == pytest.approx(np.linspace(0.05, 0.95, 19))
    assert {numbers(row) for row in rows if row["threshold"] < 0.6} == {(5, 2, 1, 0, 3)}
    assert {numbers(row) for row in rows if row["threshold"] >= 0.6} == {(0, 0, 0, 1, 10)}
    blind = Scored(scored.clip, scored.frame, scored.predicted, scored.labelled, scored.ball)
    assert breakdown([scored, blind])["threshold"] == []


def test_by_speed_and_class(scored):
    parts = breakdown([scored])
    speed = {row["px_per_frame"]: numbers(row) for row in parts["speed"]}
    assert speed == {
        "2 to 5": (4, 0, 0, 0, 1),  # frames 1, 2, 6, 8, 11
        "10 to 20": (0, 0, 0, 0, 1),  # 5
        "20 or more": (0, 1, 0, 0, 0),  # 7
        "unknown": (1, 1, 0, 0, 1),  # 0, 4, 10: the frame before has no ball, or none that is labelled
    }
    grades = {row["class"]: numbers(row) for row in parts["visibility"]}
    assert grades == {"easy": (4, 1, 0, 0, 2), "hard": (1, 0, 0, 0, 0), "occluded": (0, 1, 0, 0, 1)}
    assert parts["visibility"][0]["accuracy"] == 4 / 7


def test_when_the_ball_comes_back(scored):
    rows = {row["frame"]: numbers(row) for row in breakdown([scored])["re_entry"]}
    # No ball in frame 3: 4, 5 and 6 follow. An occluded one in 7: 8 follows. What precedes 10 is not known.
    assert rows == {"1": (1, 1, 0, 0, 0), "2": (0, 0, 0, 0, 1), "3": (1, 0, 0, 0, 0), "other": (3, 0, 0, 0, 1)}


def test_runs_of_misses(scored):
    rows = {row["frames"]: (row["runs"], row["fp1"], row["fn"]) for row in breakdown([scored, scored])["miss_runs"]}
    # 2; 4 and 5; 7; 10. Frame 3, without a ball, divides the first two.
    assert rows["1"] == (6, 2, 4) and rows["2"] == (2, 2, 2)
    assert list(rows) == ["1", "2", "3", "4 to 5", "6 to 10", "11 to 20", "21 or more"]
    assert sum(sum(row) for row in rows.values()) == 18
