"""Cases take turns, every figure follows from the seconds measured, and the file says where it was measured."""

import json
from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("fvcore")
pytest.importorskip("thop")

from benchmarks import speed  # noqa: E402
from benchmarks.speed import Case, Setting  # noqa: E402
from tracknetv5.video import VideoWriter  # noqa: E402

SMALL = (96, 128)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, (64, 96), Fraction(30)) as writer:
        for k in range(7):
            writer.write(np.full((64, 96, 3), 30 * k, np.uint8))
    return path


def test_cases_take_turns_after_warming_up():
    calls = []
    runs = [lambda name=name, frames=frames: calls.append(name) or frames for name, frames in (("a", 3), ("b", 8))]
    timed = speed.take_turns(runs, repeats=3)
    assert calls == ["a", "b"] * (speed.WARM_UP + 3)
    assert [frames for frames, _ in timed] == [3, 8]
    assert all(seconds.shape == (3,) and (seconds >= 0).all() for _, seconds in timed)


def test_figures_follow_from_the_seconds(monkeypatch):
    monkeypatch.setattr(speed, "take_turns", lambda runs, repeats: [(6, np.array([1.0, 2.0, 4.0]))] * len(runs))
    monkeypatch.setattr(speed, "peak_memory", lambda case, setting: 100.04)
    monkeypatch.setattr(speed, "matrix_rate", lambda threads: 10.0)
    case = Case("tracknet_v2_lite", threads=1, batch=2)
    figures = speed.measure([case], Setting(SMALL), repeats=3)
    (row,) = figures["model_only"]
    assert figures["end_to_end"] == [] and figures["matrix_gflops_per_second"] == {"1": 10.0}
    assert row["latency_ms"] == 2000 and row["latency_ms_quartiles"] == [1500, 3000]
    assert row["frames_per_second"] == 3 and row["frames_per_second_quartiles"] == [2, 4]
    assert row["peak_memory_mb"] == 100.0 and not row["weights_sha256"]
    from benchmarks.flops import full_macs, operations

    macs = full_macs(operations(speed.network("tracknet_v2_lite")[0], SMALL)[0])
    assert row["gflops_per_second"] == pytest.approx(2 * 2 * macs / 1e9 / 2, abs=0.01)
    assert row["share_of_matrix_rate"] == pytest.approx(row["gflops_per_second"] / 10, abs=0.01)


def test_a_case_runs_the_network_or_the_whole_way(video):
    assert speed.prepare(Case("tracknet_v5_lite", threads=1, batch=2), Setting(SMALL))() == 2 * 3
    assert speed.prepare(Case("tracknet_v2_lite", threads=1, step=3), Setting(video=video))() == 7


def test_peak_memory_is_of_a_process_of_its_own():
    peak = speed.peak_memory(Case("tracknet_v2_lite", threads=1, batch=1), Setting(SMALL))
    assert peak is None or 50 < peak < 5000  # MB: more than Python alone


def test_a_case_runs_in_onnxruntime(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("tracknetv5.export.cached_assets_path", lambda library, subfolder: tmp_path)
    assert speed.prepare(Case("tracknet_v2_lite", threads=1, runtime="onnx", batch=2), Setting(SMALL))() == 2 * 3
    assert len(list(tmp_path.glob("*.onnx"))) == 1


def test_command_names_machine_and_errors(tmp_path, monkeypatch, video, capsys):
    monkeypatch.setattr(speed, "peak_memory", lambda case, setting: None)
    monkeypatch.setattr(speed, "MATRIX", 64)
    monkeypatch.setattr(speed, "WARM_UP", 1)
    tiny = ["--models", "tracknet_v2_lite", "--size", "96", "128", "--threads", "1", "--repeats", "1"]
    speed.main([*tiny, "--video", str(video), "--output", str(tmp_path / "results")])
    (path,) = (tmp_path / "results").iterdir()
    assert path.name.startswith("speed-") and "cores-torch" in path.name
    result = json.loads(path.read_text())
    assert [row["frames"] for row in result["model_only"] + result["end_to_end"]] == [3, 7]
    assert result["machine"]["cores"] and result["env"]["torch"] and result["video"]["name"] == "clip.mp4"
    assert "| tracknet_v2_lite |" in capsys.readouterr().out
    ways = [
        "--runtime",
        "plain",
        "torch",
        "--precision",
        "float32",
        "bfloat16",
        "--output",
        str(tmp_path / "ways.json"),
    ]
    speed.main([*tiny, "--video", str(video), *ways])
    rows = json.loads((tmp_path / "ways.json").read_text())
    assert [[(row["runtime"], row["precision"]) for row in rows[part]] for part in ("model_only", "end_to_end")] == [
        [("plain", "float32"), ("torch", "float32"), ("torch", "bfloat16")],
        [("torch", "float32"), ("torch", "bfloat16")],
    ]
    monkeypatch.setattr(speed, "take_turns", lambda *_: pytest.fail("measured before the arguments were checked"))
    for wrong, told in ((["--step", "4"], "step"), (["--video", "no.mp4"], "no.mp4")):
        with pytest.raises(SystemExit):
            speed.main([*tiny, "--video", str(video), *wrong, "--output", str(tmp_path / "wrong")])
        assert told in capsys.readouterr().err
