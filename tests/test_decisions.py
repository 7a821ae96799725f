"""Ways of looking and deciding, on a tiny data set."""

import json

import cv2
import numpy as np
from stand_ins import redness

from benchmarks import decisions
from tracknetv5.data.readers import Clip
from tracknetv5.heatmaps import Detection


def test_every_way_is_scored_at_its_own_threshold(indexed, tmp_path, monkeypatch, weights):
    decisions.main(["--data", str(indexed), "--weights", str(weights), "--output", str(tmp_path / "out.json")])
    report = json.loads((tmp_path / "out.json").read_text())
    ways = [(row["look"], row["decision"]) for row in report["ways"]]
    assert len(set(ways)) == len(ways) == 11 and ways[0] == ("windows in a row", "each frame alone")
    for row in report["ways"]:
        assert row["threshold"] in decisions.THRESHOLDS
        assert row["by_sport"]["all"]["total"] == 11  # of the val clip's 12 frames, one is not labelled


def test_a_mirrored_look_is_turned_back(tmp_path):
    tracker = redness()
    xy = np.stack([20 + 3.0 * np.arange(6), np.full(6, 30.0)], axis=1)
    for number, (x, y) in enumerate(xy):
        image = np.full((64, 128, 3), 100, np.uint8)
        cv2.circle(image, (round(x), round(y)), 4, (60, 60, 255), cv2.FILLED)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    clip = Clip("c", "tennis", "g", "", tmp_path, xy, np.ones(6, np.int8), np.zeros(6, np.int8))
    for found, seconds in decisions.candidates(tracker, clip).values():
        assert seconds > 0
        np.testing.assert_allclose(decisions.decide(found, decisions.ALONE, 0.5, 512), xy, atol=0.6)


def test_alone_means_that_no_other_frame_matters():
    flash = [[], [], [Detection(9.0, 9.0, 0.8)], [], []]
    assert np.isfinite(decisions.decide(flash, decisions.ALONE, 0.5, 512)[2]).all()
    assert np.isnan(decisions.decide(flash, "path, all frames", 0.5, 512)).all()


def test_the_best_threshold_is_that_of_the_clips(tmp_path):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((64, 128, 3), np.uint8))
    xy = np.array([[9.0, 9.0], [9.0, 9.0], [np.nan, np.nan]])
    clip = Clip("c", "tennis", "g", "", tmp_path, xy, np.array([1, 1, 0], np.int8), np.zeros(3, np.int8))
    found = [[Detection(9.0, 9.0, 0.62)], [Detection(9.0, 9.0, 0.9)], [Detection(50.0, 50.0, 0.58)]]
    assert decisions.best_threshold(redness(), [clip], [found], decisions.ALONE) == 0.6
