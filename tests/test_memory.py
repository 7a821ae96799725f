import sys

import pytest

from benchmarks.memory import peak_megabytes, repeated
from tracknetv5.data.synthetic import write_rally
from tracknetv5.video import read_frames


def test_a_repeated_clip_has_all_frames_and_runs_on_in_time(tmp_path):
    write_rally(tmp_path / "clip.mp4", frames=12, size=(64, 128), seed=0)
    count = repeated(tmp_path / "clip.mp4", tmp_path / "long.mp4", seconds=1)
    frames = list(read_frames(tmp_path / "long.mp4"))
    assert len(frames) == count == 36
    assert [frame.time for frame in frames] == pytest.approx([k / 30 for k in range(36)])
    assert abs(frames[0].image.astype(int) - frames[12].image).max() == 0


def test_peak_memory_is_that_of_the_command():
    small = peak_megabytes([sys.executable, "-c", "pass"])
    large = peak_megabytes([sys.executable, "-c", "x = b'1' * 200_000_000"])
    assert 150 < large - small < 250
