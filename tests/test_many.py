"""Many videos: the results do not depend on how many processes made them, and nothing finished is done again."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from stand_ins import images, write
from typer.testing import CliRunner

from tracknetv5 import BallTracker, create_model, many
from tracknetv5.cli import app
from tracknetv5.data.synthetic import write_rally
from tracknetv5.draw import draw_ball
from tracknetv5.video import VideoError
from tracknetv5.weights import WeightsConfig, load_weights, save_weights

SIZE = (64, 128)


@pytest.fixture
def clips(tmp_path):
    paths = [tmp_path / "clips" / f"{name}.mp4" for name in "abc"]
    paths[0].parent.mkdir()
    for seed, path in enumerate(paths):
        write_rally(path, frames=6 + seed, size=SIZE, seed=seed)
    return paths


@pytest.fixture
def tracked(monkeypatch):
    """Names of the videos as they are tracked."""
    names, track = [], BallTracker.track

    def noted(self, video, **options):
        names.append(video.stem)
        return track(self, video, **options)

    monkeypatch.setattr(BallTracker, "track", noted)
    return names


def run(videos, weights, output, *options):
    arguments = ["track", *map(str, videos), "--output", str(output), "--weights", str(weights), *map(str, options)]
    return CliRunner().invoke(app, arguments)


def test_two_processes_make_what_one_makes_and_a_bad_file_stops_neither(clips, weights, tmp_path):
    bad = tmp_path / "clips" / "bad.mp4"
    bad.write_text("not a video")
    videos = [bad, *clips]  # the process that gets the bad one has another after it
    exactly = ("--precision", "float32")  # on any machine
    assert run(videos, weights, tmp_path / "one", *exactly).exit_code == 1
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--tee", "3"]
    command += ["-m", "tracknetv5", "track", *map(str, videos)]
    command += ["--output", str(tmp_path / "two"), "--weights", str(weights), *exactly]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300)
    assert done.returncode != 0 and "bad.mp4: cannot be read" in done.stderr
    made = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert made == sorted(f"{path.stem}{end}" for path in clips for end in (".csv", "_track.json"))
    for name in made:
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name
    assert done.stdout.count(" -> ") == 3
    assert {line[:10] for line in done.stdout.splitlines() if " -> " in line} == {"[default0]", "[default1]"}


def test_what_is_finished_is_left_alone_and_what_changed_is_done_again(clips, weights, tmp_path, tracked):
    weights = shutil.copytree(weights, tmp_path / "weights")

    def again(*options, drawn: int = 0) -> str:
        tracked.clear()
        result = run(clips, weights, tmp_path / "out", *options)
        assert result.exit_code == 0, result.output
        assert result.stdout.count("already tracked") == 3 - len(tracked)
        assert result.stdout.count("overlay drawn") == drawn
        return "".join(tracked)

    assert again() == "abc"
    assert again() == ""
    assert again("--threshold", 0.4) == "abc"
    assert again("--threshold", 0.4, "--fill-gaps", 3) == "abc"
    assert again() == "abc"
    (tmp_path / "out" / "b.csv").unlink()
    assert again() == "b"
    (tmp_path / "out" / "c_track.json").write_text('{"files": [')
    assert again() == "c"
    write_rally(clips[0], frames=9, size=SIZE, seed=7)
    assert again() == "a"
    assert again("--overlay", drawn=3) == ""
    assert again() == again("--overlay") == ""
    assert again("--threshold", 0.4) == "abc" and again("--overlay", "--threshold", 0.4, drawn=3) == ""
    config = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps(config | {"channel_order": "BGR"}))
    assert again("--threshold", 0.4) == "abc"


def test_whatever_decides_the_points_has_a_video_done_again(clips, weights, tmp_path, tracked):
    folder = shutil.copytree(weights, tmp_path / "weights")

    def again(*options) -> bool:
        tracked.clear()
        assert run(clips[:1], folder, tmp_path / "out", *options).exit_code == 0
        return tracked == ["a"]

    assert again() and not again()
    for option in (("--step", 1), ("--precision", "bfloat16")):
        assert again(*option) and again()
    model, config = load_weights(folder)
    with torch.no_grad():
        next(model.parameters()).mul_(1.01)
    save_weights(model, folder, config)
    assert again()
    facts = WeightsConfig(model="inpaintnet", options={}, frames=16, height=None, width=None)
    save_weights(model, folder, config, rectifier=(create_model("inpaintnet"), facts))
    assert again() and not again()


def test_a_video_of_another_time_is_done_again(clips, weights, tmp_path, tracked):
    for _ in range(2):
        assert run(clips[:1], weights, tmp_path / "out").exit_code == 0
        os.utime(clips[0], (1, 1))  # as large as before
    assert tracked == ["a", "a"]


def test_a_table_of_others_is_not_written_over(clips, weights, tmp_path, tracked):
    labels = clips[1].with_suffix(".csv")
    labels.write_text("Frame,Visibility,X,Y\n0,0,0,0\n")
    result = run(clips, weights, clips[0].parent)
    assert result.exit_code == 1 and "b.csv is there and was not made from it: choose another --output" in result.stderr
    assert labels.read_text() == "Frame,Visibility,X,Y\n0,0,0,0\n" and tracked == ["a", "c"]


@pytest.mark.parametrize("second", ["cam2/a.mp4", "cam1/a.mov"])
def test_another_video_of_the_same_name_does_not_take_its_place(clips, weights, tmp_path, tracked, second):
    first, second = tmp_path / "cam1" / "a.mp4", tmp_path / second
    for video in (first, second):
        video.parent.mkdir(exist_ok=True)
        shutil.copy2(clips[0], video)  # as large and as old
    assert run([first], weights, tmp_path / "out").exit_code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    result = run([second], weights, tmp_path / "out")
    assert result.exit_code == 1 and tracked == ["a"]
    told = f"error: {second}: {tmp_path / 'out' / 'a_track.json'} is there and was made from {first}: choose another"
    assert result.stderr.startswith(told)
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    first.rename(tmp_path / "elsewhere.mp4")
    assert run([second], weights, tmp_path / "out").exit_code == 0


def test_a_video_that_was_moved_is_still_finished(clips, weights, tmp_path, tracked):
    assert run(clips, weights, tmp_path / "out").exit_code == 0
    moved = [path.rename(tmp_path / path.name) for path in clips]
    assert run(moved, weights, tmp_path / "out").exit_code == 0 and tracked == ["a", "b", "c"]


@pytest.mark.parametrize("text", ['[{"mine": 1}]', '{"files": ["a.csv"]}', "my notes", b"\xff\xfe", '{"mine": ['])
def test_a_record_of_others_is_not_taken_for_one_of_ours(clips, weights, tmp_path, tracked, text):
    mine = tmp_path / "out" / "a_track.json"
    mine.parent.mkdir()
    mine.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = mine.read_bytes()
    mine.with_name("a.csv").write_text("mine")
    for _ in range(2):  # with a table of the user and without
        result = run(clips[:2], weights, tmp_path / "out")
        assert result.exit_code == 1 and f"{mine} is there and was not made from it: choose another" in result.stderr
        assert mine.read_bytes() == before
        mine.with_name("a.csv").unlink(missing_ok=True)
    assert tracked == ["b"]


@pytest.mark.parametrize("left", [0, 150, -3])
def test_a_record_that_a_crash_cut_off_is_made_anew(clips, weights, tmp_path, tracked, left):
    assert run(clips[:1], weights, tmp_path / "out").exit_code == 0
    record = tmp_path / "out" / "a_track.json"
    whole = record.read_bytes()
    record.write_bytes(whole[:left])
    assert run(clips[:1], weights, tmp_path / "out").exit_code == 0
    assert record.read_bytes() == whole and tracked == ["a", "a"]


@pytest.mark.parametrize("name", ["a.csv", "a_track.json", "a_ball.mp4"])
def test_results_that_cannot_be_written_are_refused_before_the_tracking(clips, weights, tmp_path, tracked, name):
    (tmp_path / "out" / name).mkdir(parents=True)
    result = run(clips[:2], weights, tmp_path / "out", "--overlay")
    assert result.exit_code == 1 and tracked == ["b"]
    assert "cannot be written (Is a directory); choose another --output" in result.stderr


def test_a_name_that_is_too_long_does_not_stop_the_others(clips, weights, tmp_path, tracked):
    long = clips[0].rename(clips[0].with_name("a" * 245 + ".mp4"))
    result = run([long, *clips[1:]], weights, tmp_path / "out")
    assert result.exit_code == 1 and tracked == ["b", "c"]
    assert "cannot be written (File name too long); give the video a shorter name" in result.stderr


@pytest.mark.parametrize("output", ["file", "file/out"])
def test_an_output_that_cannot_be_a_folder_is_one_sentence(clips, weights, tmp_path, output):
    (tmp_path / "file").touch()
    result = run(clips, weights, tmp_path / output)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"error: {tmp_path / output}: cannot be a folder for the results (")
    assert result.stderr.endswith("; choose another --output\n")


@pytest.mark.parametrize("fault", [KeyboardInterrupt, VideoError("is the disk full?")])
def test_a_stop_while_an_overlay_is_drawn_does_not_cost_the_tracking(
    clips, weights, tmp_path, tracked, monkeypatch, fault
):
    assert run(clips[:1], weights, tmp_path / "whole", "--overlay").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr("tracknetv5.overlay.draw_ball", lambda *_: (_ for _ in ()).throw(fault))
        assert run(clips[:1], weights, tmp_path / "out", "--overlay").exit_code != 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "a_track.json"]
    tracked.clear()
    drawn = []
    with monkeypatch.context() as patch:
        patch.setattr("tracknetv5.overlay.draw_ball", lambda *what: drawn.append(what) or draw_ball(*what))
        result = run(clips[:1], weights, tmp_path / "out", "--overlay")
    assert result.exit_code == 0 and tracked == [] and len(drawn) == 6
    assert "a.mp4: already tracked with these settings, overlay drawn -> " in result.stdout
    whole, out = ({path.name: path for path in (tmp_path / name).iterdir()} for name in ("whole", "out"))
    assert list(whole) and set(whole) == set(out)
    assert all(whole[name].read_bytes() == out[name].read_bytes() for name in ("a.csv", "a_track.json"))


def test_sigterm_leaves_nothing_half_written(clips, weights, tmp_path, monkeypatch):
    def ignored(*_):
        pass

    def terminated(trajectory, path):
        path.write_text("half")
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, ignored)  # so that only the run that is tested can end by it
    try:
        monkeypatch.setattr(many.Trajectory, "to_csv", terminated)
        result = run(clips, weights, tmp_path / "out")
        assert signal.getsignal(signal.SIGTERM) is ignored
    finally:
        signal.signal(signal.SIGTERM, before)
    assert result.exit_code == 128 + signal.SIGTERM
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_track.json"]


def test_a_file_that_grew_while_it_was_tracked_is_done_again(clips, weights, tmp_path, tracked, monkeypatch):
    fill_gaps = many.Trajectory.fill_gaps
    with monkeypatch.context() as patch:

        def copied_on(trajectory, frames):
            write_rally(clips[0], frames=9, size=SIZE, seed=0)
            return fill_gaps(trajectory, frames)

        patch.setattr(many.Trajectory, "fill_gaps", copied_on)
        assert run(clips[:1], weights, tmp_path / "out", "--fill-gaps", 3).exit_code == 0
    assert run(clips[:1], weights, tmp_path / "out", "--fill-gaps", 3).exit_code == 0
    assert run(clips[:1], weights, tmp_path / "out", "--fill-gaps", 3).exit_code == 0
    assert tracked == ["a", "a"]
    assert json.loads((tmp_path / "out" / "a_track.json").read_text())["frames"] == 9


def test_a_killed_run_goes_on_where_it_was(clips, weights, tmp_path, tracked, monkeypatch):
    to_csv = many.Trajectory.to_csv
    with monkeypatch.context() as patch:

        def killed(trajectory, path):
            to_csv(trajectory, path)
            if path.name.startswith(".b"):
                raise KeyboardInterrupt

        patch.setattr(many.Trajectory, "to_csv", killed)
        assert run(clips, weights, tmp_path / "out").exit_code != 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "a_track.json", "b_track.json"]
    tracked.clear()
    assert run(clips, weights, tmp_path / "out").exit_code == 0
    assert tracked == ["b", "c"]


def test_old_results_are_not_taken_for_those_of_a_run_that_was_killed(clips, weights, tmp_path, tracked, monkeypatch):
    assert run(clips, weights, tmp_path / "out").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(many.Record, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        assert run(clips[:1], weights, tmp_path / "out", "--threshold", 0.9).exit_code != 0
    tracked.clear()
    assert run(clips, weights, tmp_path / "out").exit_code == 0
    assert tracked == ["a"]


def test_the_record_says_what_the_csv_cannot(weights, tmp_path):
    frames, _ = images(5)
    other = [255 - frame for frame in frames]
    write(tmp_path / "joined.mp4", [*frames, frames[-1], *other])
    result = run([tmp_path / "joined.mp4"], weights, tmp_path)
    assert "1 camera cuts, 1 repeated frames" in result.stdout
    record = json.loads((tmp_path / "joined_track.json").read_text())
    assert (record["frames"], record["cuts"], record["repeats"]) == (11, [6], [5])
    assert record["settings"]["threshold"] == 0.3 and record["warnings"] == []


def test_each_process_has_its_own_gpu(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "5")
    assert many.own_device("cpu") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert many.own_device("auto") == "auto"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert many.own_device("auto") == "cuda:1"


def test_processes_that_do_not_find_each_other_say_so(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(ValueError, match="MASTER_ADDR"), many.launch():
        pass
