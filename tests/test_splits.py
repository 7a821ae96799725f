"""The papers' splits come back to the window, and a leak is counted exactly."""

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import published, splits


def brute_force_leak(train, val):
    trained = {(clip, centre + offset) for clip, centre in train.tolist() for offset in (-1, 0, 1)}
    shared = [sum((clip, centre + offset) in trained for offset in (-1, 0, 1)) for clip, centre in val.tolist()]
    return sum(n > 0 for n in shared), sum(n == 3 for n in shared), sum(shared)


def test_paper_split_of_the_tennis_data_set():
    lengths = splits.tennis_lengths()
    assert len(lengths) == 95 and sum(lengths.values()) == 19_835
    assert splits.path_order(lengths)[:3] == ["game1/Clip1", "game1/Clip10", "game1/Clip11"]
    row = splits.describe("paper", lengths)
    assert (row["train_windows"], row["val_windows"], row["scored_heatmaps"]) == (13_751, 5_894, 17_682)
    assert row["leak"]["windows_sharing_a_frame_percent"] == 99.0
    assert row["leak"]["windows_sharing_a_frame"] == 5_835
    totals = {row["counts"]["total"] for row in published.recomputed() if "tennis" in row["table"] and row["counts"]}
    assert row["scored_heatmaps"] in totals


def test_paper_split_is_pandas_sample():
    lengths = {"game1/Clip1": 40, "game2/Clip1": 25}
    rows = splits.windows(lengths)
    order = pd.DataFrame(rows).sample(frac=1, random_state=42).to_numpy()
    train, val = splits.paper_split(lengths)
    np.testing.assert_array_equal(np.concatenate([train, val]), order)
    assert len(train) == int(0.7 * len(rows))


@pytest.mark.parametrize("name", splits.SPLITS)
def test_split_divides_all_windows_and_leak_is_exact(name):
    lengths = splits.tennis_lengths()
    train, val = splits.SPLITS[name](lengths)
    assert len({tuple(row) for row in np.concatenate([train, val]).tolist()}) == len(splits.windows(lengths)) == 19_645
    counted = splits.leak(train, val)
    found = (
        counted["windows_sharing_a_frame"],
        counted["windows_sharing_every_frame"],
        counted["heatmaps_of_trained_frames"],
    )
    assert found == brute_force_leak(train, val)
    if name != "paper":
        assert found == (0, 0, 0)


def test_game_split_has_the_v4_papers_total():
    lengths = splits.tennis_lengths()
    train, val = splits.game_split(lengths)
    names = splits.path_order(lengths)
    assert {names[clip].split("/")[0] for clip in val[:, 0]} == {"game1", "game4", "game9"}
    printed = {row["counts"]["total"] for row in published.recomputed() if row["table"] == "tennis_game_level"}
    assert printed == {3 * len(val)}


def write_folder(root, visibility):
    """A data set of one clip a game, its labels in the layout of TrackNet tennis."""
    for game, values in visibility.items():
        folder = root / game / "Clip1"
        folder.mkdir(parents=True)
        xs = [np.nan if value == 0 else 640 for value in values]
        names = [f"{k:04d}.jpg" for k in range(len(values))]
        rows = pd.DataFrame({"file name": names, "visibility": values, "x-coordinate": xs, "y-coordinate": xs})
        rows.assign(status=0).to_csv(folder / "Label.csv", index=False)


def test_targets_of_a_folder_and_of_label_rows(tmp_path):
    visibility = {"game1": [1, 0, 2, 3, 1], "game2": [0, 1, 1, 1]}
    write_folder(tmp_path, visibility)
    labels = splits.read_tennis_folder(tmp_path)
    assert labels.lengths == {"game1/Clip1": 5, "game2/Clip1": 4}
    train, val = splits.game_split(labels.lengths)
    # Centres 1, 2 and 3 of game1: frame 1, the only one without a ball, belongs to two of the three windows.
    assert splits.targets(val, labels) == {"invisible": 2, "visible_without_coordinates": 0, "unknown": 0}
    rows = [("game1", "Clip1", k, v, 640, 360) for k, v in enumerate(visibility["game1"])][2:]
    rows[0] = (*rows[0][:4], np.nan, np.nan)
    columns = ["game", "clip", "frame", "visibility", "x-coordinate", "y-coordinate"]
    pd.DataFrame(rows, columns=columns).to_csv(tmp_path / "rows.csv", index=False)
    labels = splits.read_label_rows(tmp_path / "rows.csv")
    assert labels.lengths == {"game1/Clip1": 5}
    # Frame 0 is in one window and frame 1 in two, neither has a row; frame 2 is in three, without coordinates.
    counted = splits.targets(splits.windows(labels.lengths), labels)
    assert counted == {"invisible": 0, "visible_without_coordinates": 3, "unknown": 3}


def test_command(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write_folder(tmp_path / "tennis", {"game1": [1] * 12, "game2": [1] * 30})
    output, picture = tmp_path / "out" / "splits.json", tmp_path / "timeline.png"
    splits.main(["--data", str(tmp_path / "tennis"), "--output", str(output), "--picture", str(picture)])
    result = json.loads(output.read_text())
    assert result["windows"] == 38 and result["splits"]["game"]["val_windows"] == 10
    assert picture.stat().st_size > 1000
    for flag in ("--data", "--labels"):
        with pytest.raises(SystemExit):
            splits.main([flag, str(tmp_path / "nothing"), "--output", str(output)])
        assert "nothing" in capsys.readouterr().err


def test_published_ratios_that_the_counts_do_not_give():
    flagged = {(row["paper"], row["table"], row["model"], *row["differs"]) for row in published.recomputed()
               if row["differs"]}
    assert flagged == {
        ("tracknetv5_paper", "table1_tracknetv2_tennis", "V5", "acc"),
        ("tracknetv4_paper", "tennis_clip_level", "V2", "f1"),
    }
    assert "97.33 (97.32 from the counts)" in published.markdown(published.recomputed())


def test_a_changed_count_is_flagged(monkeypatch):
    row = dict(published.published()["tracknetv5_paper"]["table1_tracknetv2_tennis"][0])
    row["tp"] -= 100
    monkeypatch.setattr(published, "published", lambda: {"paper": {"table": [row]}})
    (flagged,) = published.recomputed()
    assert "total" in flagged["differs"] and "f1" in flagged["differs"]
