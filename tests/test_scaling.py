"""Numbers of processes take turns over the same videos, and their results are compared."""

import json

import pytest

from benchmarks import scaling
from tracknetv5.data.synthetic import write_rally


@pytest.fixture
def clip(tmp_path):
    write_rally(tmp_path / "clip.mp4", frames=3, size=(64, 128), seed=0)
    return tmp_path / "clip.mp4"


def fake(calls, differs=()):
    """In place of the command: as many seconds as videos a process has."""

    def track(videos, output, processes, weights):
        calls.append((processes, len(videos), weights))
        output.mkdir()
        for video in videos:
            (output / f"{video.stem}.csv").write_text(f"{processes if processes in differs else ''}")
            (output / f"{video.stem}_track.json").write_text('{"frames": 3}')
        return len(videos) / processes

    return track


def test_turns_and_figures(clip, tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(scaling, "track", fake(calls))
    scaling.main(["--video", str(clip), "--videos", "6", "--repeats", "2", "--output", str(tmp_path / "x.json")])
    assert calls == [(1, 6, None), (2, 6, None)] * 2
    one, two = json.loads((tmp_path / "x.json").read_text())["runs"]
    assert (one["frames"], one["seconds"], one["frames_per_second"], one["speed_up"]) == (18, [6, 6], 3, 1)
    assert (two["seconds"], two["frames_per_second"], two["speed_up"], two["same_results"]) == ([3, 3], 6, 2, True)
    assert "| 2 | 6.0 | 2.00 | yes |" in capsys.readouterr().out
    monkeypatch.setattr(scaling, "track", fake(calls, differs=(2,)))
    rows = scaling.measure(clip, 2, [1, 2], 1, None)
    assert [row["same_results"] for row in rows] == [True, False]


def test_a_command_is_what_is_timed(clip, weights, tmp_path):
    assert scaling.track([clip], tmp_path / "out", 1, str(weights)) > 0
    assert sorted(scaling.results(tmp_path / "out")) == ["clip.csv", "clip_track.json"]


@pytest.mark.parametrize("option", ["--videos", "--processes", "--repeats"])
def test_nothing_is_not_counted(clip, tmp_path, capsys, option):
    with pytest.raises(SystemExit):
        scaling.main(["--video", str(clip), "--output", str(tmp_path / "x.json"), option, "0"])
    assert f"argument {option}: must be 1 or more, not 0" in capsys.readouterr().err
