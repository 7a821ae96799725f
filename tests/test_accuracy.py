"""The command, from a folder of footage to the result file."""

import json

import cv2
import numpy as np
import pytest

from benchmarks import splits
from benchmarks.accuracy import main
from tracknetv5 import Trajectory
from tracknetv5.data.synthetic import render_rally, write_rally

RATIOS = {"accuracy", "precision", "recall", "f1"}


@pytest.fixture(scope="module")
def tennis(tmp_path_factory):
    """Two tiny rallies in the layout of the TrackNet tennis data set."""
    root = tmp_path_factory.mktemp("tennis")
    for seed, game, frames in ((0, "game1", 9), (4, "game2", 8)):
        folder = root / game / "Clip1"
        folder.mkdir(parents=True)
        lines = ["file name,visibility,x-coordinate,y-coordinate,status"]
        for frame, (image, (x, y, seen)) in enumerate(render_rally(frames=frames, size=(72, 128), seed=seed)):
            cv2.imwrite(str(folder / f"{frame:04d}.jpg"), image[..., ::-1])
            place = f"{x},{y}" if seen and frame != 3 else ","
            lines.append(f"{frame:04d}.jpg,{0 if frame == 3 else seen},{place},0")
        (folder / "Label.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def indexed(tmp_path_factory):
    """One clip of the `clips.csv` layout, and predictions of it that miss five frames of ten."""
    root = tmp_path_factory.mktemp("indexed")
    (root / "tennis").mkdir()
    labels = write_rally(root / "tennis" / "a.mp4", frames=10, size=(144, 256), seed=0, labels=True)
    assert all(seen for *_, seen in labels)
    (root / "clips.csv").write_text("sport,clip,split,group\ntennis,a,val,court\n")
    xy = np.array([(x, y) for x, y, _ in labels])
    xy[5:] = np.nan
    source = ["detected"] * 5 + [""] * 5
    trajectory = Trajectory(np.arange(10), np.full(10, np.nan), xy, [1.0] * 5 + [0.0] * 5, source)
    (root / "peer").mkdir()
    trajectory.to_csv(root / "peer" / "a.csv")
    return root


def run(*arguments: object) -> None:
    main([str(argument) for argument in arguments])


def test_papers_split_by_the_papers_protocol_in_one_command(tennis, tmp_path, capsys):
    output = tmp_path / "out" / "paper.json"
    how = ("--split", "paper", "--protocol", "paper", "--weights", "tracknet_v5_lite")
    run("--data", tennis, *how, "--output", output)
    report = json.loads(output.read_text())
    labels = splits.read_tennis_folder(tennis)
    expected = splits.describe("paper", labels.lengths, labels)
    (result,) = report["results"]
    row = result["by_sport"]["all"]
    assert row["total"] == expected["scored_heatmaps"] == 12
    invisible = expected["targets"]["invisible"]
    assert row["fp2"] + row["tn"] == invisible > 0  # whatever the weights find in these tiny pictures
    assert row["tp"] + row["fp1"] + row["fn"] == 12 - invisible > 0 and RATIOS < set(row)
    assert (report["split"], result["protocol"], result["step"]) == ("paper", "paper", 1)
    curves = result["tolerance"]  # in pixels of 512 x 288, as the code counts, and of the footage, as the paper says
    assert [part["tp"] for part in curves["model_px"] if part["tolerance_px"] == 4] == [row["tp"]]
    assert [len(curve) for curve in curves.values()] == [20, 20]
    assert f"| 12 | {row['tp']} | {row['fp1']} | {row['fp2']} | {row['tn']} | {row['fn']} |" in capsys.readouterr().out


def test_frames_of_held_out_clips(tennis, tmp_path):
    output = tmp_path / "game.json"
    run("--data", tennis, "--split", "game", "--weights", "tracknet_v5_lite", "--threshold", 0.3, "--output", output)
    report = json.loads(output.read_text())
    assert [clip["clip"] for clip in report["data"]] == ["tennis/game1-Clip1"]
    (result,) = report["results"]
    row = result["by_sport"]["tennis"]
    assert row["total"] == 9 and row == result["by_sport"]["all"]
    assert result["threshold"] == 0.3
    swept = {part["threshold"]: part for part in result["breakdown"]["threshold"]}
    names = ("tp", "fp1", "fp2", "tn", "fn", "interval_95")
    assert [swept[0.3][name] for name in names] == [row[name] for name in names]


def test_predictions_of_others_are_scored_beside_weights(indexed, tmp_path, capsys):
    output = tmp_path / "peer.json"
    run("--data", indexed, "--split", "val", "--predictions", indexed / "peer", "--output", output)
    (result,) = json.loads(output.read_text())["results"]
    row = result["by_sport"]["all"]
    assert (row["tp"], row["fn"], row["total"], row["recall"]) == (5, 5, 10, 0.5)
    assert result["weights"].endswith("peer") and result["breakdown"]["threshold"] == []
    assert "| frame | tennis | 0.667 (0.667 to 0.667) | 1.000 | 0.500 | 0.500 | 10 | 5 | 0 | 0 | 0 | 5 |" in (
        capsys.readouterr().out
    )
    facts = json.loads(output.read_text())["data"][0]
    assert (facts["frames"], facts["scored"], len(facts["sha256"])) == (10, 10, 64)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--split", "val"), "give --weights or --predictions"),
        (("--split", "holiday", "--weights", "w"), "holiday"),
        (("--split", "paper", "--weights", "w"), "divides windows"),
        (("--split", "paper", "--protocol", "paper", "--predictions", "p"), "divides windows"),
        (("--split", "game", "--weights", "w"), "tennis data set"),
        (("--split", "val", "--predictions", "nowhere"), "1 of 1 clips: nowhere/a.csv"),
    ],
)
def test_what_cannot_be_scored_is_told(indexed, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run("--data", indexed, "--output", tmp_path / "x.json", *arguments)
    assert message in capsys.readouterr().err
