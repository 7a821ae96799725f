"""benchmarks.accuracy on clips whose answer is known, with a tracker that is told where to look."""

import numpy as np
import pytest

from benchmarks.accuracy import SIZE, describe, markdown, predict_frames, score_clip, summarise
from tracknetv5 import Trajectory
from tracknetv5.data.readers import Clip
from tracknetv5.data.synthetic import write_rally


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    write_rally(path, frames=45, size=(144, 256), seed=0)
    visibility = np.ones(45, np.int8)
    visibility[10:20] = 0
    visibility[40:] = -1
    xy = np.stack([np.linspace(20, 200, 45), np.linspace(30, 100, 45)], 1)
    xy[visibility != 1] = np.nan
    return Clip("a", "tennis", "court", "val", path, xy, visibility, np.zeros(45, np.int8))


class Oracle:
    """A tracker whose answers are given."""

    def __init__(self, xy):
        self.xy = xy

    def track(self, video):
        count = len(self.xy)
        seen = ~np.isnan(self.xy[:, 0])
        source = np.where(seen, "detected", "")
        return Trajectory(np.arange(count), np.arange(count) / 30, self.xy, seen * 1.0, source, (144, 256), None)


def test_counts_distances_and_blocks(clip):
    xy = clip.xy.copy()
    xy[0] += 1.5  # 3 px each way at 512 x 288: 4.24, a miss
    xy[1, 0] += 1.5  # 3 px: right
    xy[12] = (50, 50)  # no ball there
    xy[25] = np.nan  # missed
    xy[42] = (1, 1)  # not labelled: does not count
    scores = score_clip(predict_frames(Oracle(xy), clip), clip)
    row = summarise([scores])
    assert (row["tp"], row["fp1"], row["fp2"], row["tn"], row["fn"]) == (28, 1, 1, 9, 1)
    assert scores["distance"][1] == pytest.approx(3.0)
    assert row["blocks"] == 2 and row["median_error_px"] == pytest.approx(0, abs=1e-9)
    low, high = row["interval_95"]["f1"]
    assert low < row["f1"] <= high
    assert SIZE == (288, 512)


def test_table_and_description(clip):
    row = summarise([score_clip(predict_frames(Oracle(clip.xy), clip), clip)])
    result = {"weights": "w", "protocol": "frame", "by_sport": {"tennis": row}}
    assert "| w | frame | tennis | 1.000 (1.000 to 1.000) | 1.000 | 1.000 | 30 | 0 | 0 | 10 | 0 | 0.00 |" in markdown(
        [result]
    )
    (facts,) = describe([clip])
    assert (facts["frames"], facts["scored"], len(facts["sha256"])) == (45, 40, 64)
