"""Differences between two predictions of the same frames."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import paired
from benchmarks.breakdown import summarise
from benchmarks.protocols import Scored
from tracknetv5.data.readers import Clip


def scored(outcome: list[str], rate: int = 2) -> Scored:
    """Predictions of a folder of images, `rate` labelled frames in each second, that come out as told."""
    frame = np.arange(len(outcome)) * (30 // rate)
    ball = np.array([kind in ("tp", "fp1", "fn") for kind in outcome])
    labelled = np.where(ball[:, None], 10.0, np.nan) * np.ones(2)
    found = {"tp": 10.0, "fp1": 50.0, "fp2": 50.0, "fn": np.nan, "tn": np.nan}
    predicted = np.array([[found[kind]] * 2 for kind in outcome])
    clip = Clip("a", "tennis", "court", "", Path("."), np.zeros((0, 2)), np.zeros(0, np.int8), np.zeros(0, np.int8))
    return Scored(clip, frame, predicted, labelled, ball)


def test_a_difference_is_paired():
    # Seconds that both get right, and seconds that both get wrong: whatever is drawn, the two are equal.
    uneven = ["tp", "tp"] * 5 + ["fn", "fp1"] * 5
    alone = summarise([scored(uneven)])["interval_95"]["f1"]
    assert alone[1] - alone[0] > 0.3
    assert paired.difference([scored(uneven)], [scored(uneven)]) == {
        "f1": 0.0, "interval_95": [0.0, 0.0], "blocks": 10,
    }  # fmt: skip
    # One is right in every second where the other misses one ball in two: F1 1 and 2/3 in every resample.
    better = paired.difference([scored(["tp", "tp"] * 6)], [scored(["tp", "fn"] * 6)])
    assert better == {"f1": pytest.approx(1 / 3), "interval_95": [0.3333, 0.3333], "blocks": 6}
    worse = paired.difference([scored(["tp", "fn"] * 6)], [scored(["tp", "tp"] * 6)])
    assert worse["f1"] == -better["f1"] and worse["interval_95"] == [-0.3333, -0.3333]


def test_a_difference_by_hand():
    """Two seconds: a resample takes the first twice, both, or the second twice, by 1 : 2 : 1."""
    first, second = scored(["tp", "tp", "tp", "fn"]), scored(["tp", "fn", "fn", "fn"])
    # F1: 1 and 2/3 in the first second, 2/3 and 0 in the second, 6/7 and 2/5 in both.
    result = paired.difference([first], [second])
    assert result["f1"] == pytest.approx(6 / 7 - 2 / 5)
    assert result["interval_95"] == [pytest.approx(1 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4)]


def test_nothing_to_find_has_no_difference():
    empty = paired.difference([scored(["tn", "tn"])], [scored(["tn", "tn"])])
    assert empty["f1"] is None and empty["interval_95"] == [None, None]


def test_other_frames_are_not_compared():
    with pytest.raises(ValueError, match="same frames"):
        paired.difference([scored(["tp", "tp"])], [scored(["tp"])])
