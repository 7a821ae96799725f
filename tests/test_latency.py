"""Delays are scored as the accuracy benchmark scores, and latency is a frame's time and the wait for later ones."""

import json

import numpy as np
import pytest

from benchmarks import latency
from tracknetv5 import BallTracker, Point
from tracknetv5.data.readers import read_clips
from tracknetv5.data.synthetic import write_rally


@pytest.fixture
def data(tmp_path):
    (tmp_path / "tennis").mkdir()
    write_rally(tmp_path / "tennis" / "a.mp4", frames=10, size=(64, 128), seed=0, labels=True)
    (tmp_path / "clips.csv").write_text("sport,clip,split,group\ntennis,a,val,court\n")
    return tmp_path


def test_one_row_for_each_step_and_delay(data, tmp_path, weights, monkeypatch, capsys):
    ticks = iter(range(1000))
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(ticks) / 50)  # a frame takes 20 ms, the end too
    arguments = ["--data", str(data), "--split", "val", "--weights", str(weights), "--output", str(tmp_path / "x.json")]
    latency.main(arguments)
    report = json.loads((tmp_path / "x.json").read_text())
    rows = report["rows"]
    assert [(clip["clip"], clip["scored"]) for clip in report["data"]] == [("tennis/a", 10)]
    ways = [("offline", 3, 7), ("offline", 1, 7), (2, 3, 7), (1, 2, 7), (0, 1, 7)]
    assert [(row["delay"], row["step"], row["frames"]) for row in rows] == ways
    assert "latency_ms_median" not in rows[0] and rows[0]["frames_per_second"] == 43.75  # 7 in 160 ms
    assert [row["frame_ms_mean"] for row in rows[2:]] == [20, 20, 20]
    assert [row["latency_ms_median"] for row in rows[2:]] == [53.33, 20, 20]  # two of three wait; one of two; none
    assert [row["latency_ms_95"] for row in rows[2:]] == [86.67, 53.33, 20]
    assert rows[2]["dropped"] == 0
    assert "| torch | float32 | offline | 3 | 43.75 |" in capsys.readouterr().out


def test_frames_that_come_too_fast_are_dropped():
    late, dropped = latency.at_rate([0.045] * 4, [0, 1, 0, 0])  # looked at are frames 0, 1, 2 and 4
    np.testing.assert_allclose(late, [0.045, 0.135 - 1 / 30, 0.135 - 2 / 30, 0.18 - 4 / 30])
    assert dropped == pytest.approx(1 / 5)
    late, dropped = latency.at_rate([0.06, 0.002] * 4, [0] * 8)  # a slow one and a fast one: none is lost
    assert dropped == 0 and late.max() == pytest.approx(0.06)


def test_16_bits_are_for_torch(data, tmp_path, weights, monkeypatch):
    seen = []
    monkeypatch.setattr(latency, "measure", lambda _, way, clips: seen.append(way))
    monkeypatch.setattr(latency, "markdown", str)
    arguments = ["--data", str(data), "--output", str(tmp_path / "x.json"), "--step", "3"]
    latency.main([*arguments, "--runtime", "torch", "onnx", "--precision", "float32", "bfloat16"])
    assert [(way.runtime, way.precision) for way in seen if way.delay is None] == [
        ("torch", "float32"),
        ("torch", "bfloat16"),
        ("onnx", "float32"),
    ]
    assert [(way.delay, way.step) for way in seen] == [(None, 3), (2, 3), (1, 2), (0, 1)] * 3


def test_what_a_delay_finds_is_what_is_scored(data, weights, monkeypatch):
    (clip,) = read_clips(data, "val")

    def stream(self, frames, *, delay):
        for number, (_, xy) in enumerate(zip(frames, clip.xy, strict=True)):
            found = delay is None or number < 5 * delay
            yield Point(number, tuple(xy) if found else None, float(found), "detected" if found else "")

    monkeypatch.setattr(BallTracker, "stream", stream)
    ways = [latency.Way("torch", "float32", delay) for delay in (None, 1, 0)]
    rows = [latency.measure(str(weights), way, [clip]) for way in ways]
    assert [row["recall"] for row in rows] == [1, 0.5, 0] and rows[1]["precision"] == 1
    assert [(row["tp"], row["fn"]) for row in rows] == [(10, 0), (5, 5), (0, 10)]


def test_what_cannot_be_measured(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        latency.main(["--data", str(data), "--weights", "no/such/folder", "--output", str(tmp_path / "x.json")])
    assert "no such folder" in capsys.readouterr().err
