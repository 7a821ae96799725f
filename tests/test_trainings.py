"""benchmarks.ablation and benchmarks.leak on a tiny data set: trained, resumed, scored and compared."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("accelerate")

from benchmarks import ablation, leak, report, splits, trainings
from tracknetv5.data.augment import AugmentOptions
from tracknetv5.data.dataset import SamplingOptions, WindowDataset
from tracknetv5.data.readers import read_clips
from tracknetv5.data.synthetic import write_rally
from tracknetv5.metrics import SIZE
from tracknetv5.training.config import read_config
from tracknetv5.training.loop import Trainer

STILL = AugmentOptions(flip=0, reverse=0, scale=(1, 1), shift=0, brightness=0, colour=0, blur=0, noise=0)
CLIPS = {"a": "train", "b": "train", "c": "train", "d": "train", "e": "val"}
CONFIG = """
[data]
root = "data"
split = "train"
crop = [48, 64]
[model]
options = {widths = [8, 8], depths = [1, 1], stem_width = 8}
[optim]
windows = 12
batch = 4
workers = 0
[output]
log_every = 4
save_every = 4
"""


@pytest.fixture(scope="module")
def rallies(tmp_path_factory):
    """Five short synthetic clips in the `clips.csv` layout."""
    root = tmp_path_factory.mktemp("rallies")
    (root / "tennis").mkdir()
    rows = ["sport,clip,split,group"]
    for seed, (clip, split) in enumerate(CLIPS.items()):
        labels = write_rally(root / "tennis" / f"{clip}.mp4", frames=6, size=(72, 128), seed=seed)
        lines = [f"{k},{visibility},{x * visibility},{y * visibility}" for k, (x, y, visibility) in enumerate(labels)]
        (root / "tennis" / f"{clip}.csv").write_text("Frame,Visibility,X,Y\n" + "\n".join(lines).replace("nan", "0"))
        rows.append(f"tennis,{clip},{split},court-{clip}")
    (root / "clips.csv").write_text("\n".join(rows))
    return root


@pytest.fixture(scope="module")
def finished(rallies, tmp_path_factory):
    """The folder of whole runs of both: the trainings in `runs`, the results in `ablation.json` and `leak.json`."""
    folder = tmp_path_factory.mktemp("ablation")
    with pytest.MonkeyPatch.context() as patch:
        small(patch, folder)
        for experiment in (ablation, leak):
            experiment.main(arguments(rallies, folder, experiment))
    return folder


def small(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Two networks and two stages of a few windows, in this process."""
    for stage in ("first", "last"):
        (folder / f"{stage}.toml").write_text(CONFIG)
    patch.setattr(trainings, "STAGES", (folder / "first.toml", folder / "last.toml"))
    patch.setattr(ablation, "MODELS", ("tracknet_v2_lite", trainings.V5))
    patch.setattr(trainings, "in_own_process", lambda function, *arguments: function(*arguments))
    patch.setattr("tracknetv5.training.loop.NORM_WINDOWS", 4)


def arguments(rallies: Path, folder: Path, experiment=ablation) -> list[str]:
    output = folder / f"{experiment.__name__.rpartition('.')[2]}.json"
    options = {"data": rallies, "cache": rallies / "cache", "runs": folder / "runs", "output": output}
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def test_the_results_are_complete(finished, rallies):
    result, leaked = (json.loads((finished / f"{name}.json").read_text()) for name in ("ablation", "leak"))
    for each in (result, leaked):
        assert {"command", "machine", "env", "configs", "size", "tolerance_px"} < set(each)
        assert [len(each["data"][split]) for split in ("train", "val")] == [4, 1]
        assert [set(each["configs"])] == [{"first.toml", "last.toml"}] and "model" not in each["configs"]["first.toml"]
    labelled = sum(int((clip.visibility >= 0).sum()) for clip in read_clips(rallies, "val"))
    v2, v5 = result["networks"]
    assert (v2["model"], v5["model"]) == ("tracknet_v2_lite", "tracknet_v5_lite")
    assert v2["parameters"] < v5["parameters"] and v2["sha256"] != v5["sha256"]
    for network in (v2, v5, *leaked["networks"].values()):
        assert 0 < network["threshold"] < 1
        assert [stage["windows"] for stage in network["training"]] == [12, 12]
        for stage in network["training"]:
            assert stage["hours"] > 0 and [windows for windows, _ in stage["loss"]] == [4, 8, 12]
    for network in (v2, v5):
        assert list(network["val"]) == ["all", "tennis", "tennis/court-e"]
        assert network["val"]["all"]["total"] == labelled and "f1" in network["val"]["all"]["interval_95"]
    assert list(v2["v5_less_this"]) == ["all", "tennis", "tennis/court-e"] and "v5_less_this" not in v5
    f1 = [network["val"]["all"]["f1"] for network in (v5, v2)]
    assert None in f1 or v2["v5_less_this"]["all"]["f1"] == pytest.approx(f1[0] - f1[1])

    assert set(leaked["networks"]) == {"windows", "clips"}
    windows, clips = leaked["networks"]["windows"], leaked["networks"]["clips"]
    assert (windows["train_windows"], windows["held_out_windows"]) == (11, 5)  # 4 clips of 4 windows
    assert (clips["train_windows"], clips["held_out_windows"]) == (8, 8)
    assert windows["leak"]["windows_sharing_a_frame"] > 0 == clips["leak"]["windows_sharing_a_frame"]
    for network in (windows, clips):
        for scores in network["scores"].values():
            totals = {place: parts["all"]["total"] for place, parts in scores.items()}
            assert totals == {
                "held_out": 3 * network["held_out_windows"], "shared": 3 * leaked["shared_windows"], "val": 12,
            }  # fmt: skip
    assert set(leaked["windows_less_clips"]["chosen_threshold"]) == {"shared", "val"}


def test_what_is_finished_is_not_trained_again(finished, rallies, monkeypatch):
    small(monkeypatch, finished)
    monkeypatch.setattr(Trainer, "run", lambda self: pytest.fail("trained again"))
    options = Namespace(data=rallies, cache=rallies / "cache", runs=finished / "runs")
    weights, stages = trainings.train(trainings.V5, trainings.V5, options)
    assert weights == finished / "runs" / trainings.V5 / "last" / "weights" and weights.is_dir()
    assert stages == json.loads((finished / "ablation.json").read_text())["networks"][1]["training"]


def test_an_interrupted_run_goes_on(finished, rallies, tmp_path, monkeypatch):
    small(monkeypatch, tmp_path)
    options = Namespace(data=rallies, cache=rallies / "cache", runs=tmp_path / "runs")
    save = Trainer.save

    def killed(self) -> None:
        save(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            trainings.train("v5", trainings.V5, options)
    assert not (tmp_path / "runs" / "v5" / "first" / "finished").exists()
    weights, stages = trainings.train("v5", trainings.V5, options)
    log = np.genfromtxt(tmp_path / "runs" / "v5" / "first" / "log.csv", delimiter=",", names=True)
    assert log["windows"].tolist() == [4, 8, 12]  # the first batch was not repeated
    whole = finished / "runs" / trainings.V5 / "last" / "weights"
    assert (weights / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_another_configuration_is_not_mixed_with_runs_that_are_there(finished, rallies, tmp_path, monkeypatch, capsys):
    small(monkeypatch, tmp_path)
    (tmp_path / "first.toml").write_text(CONFIG.replace("windows = 12", "windows = 16"))
    words = arguments(rallies, tmp_path)
    words[words.index("--runs") + 1] = str(finished / "runs")
    with pytest.raises(SystemExit):
        ablation.main(words)
    assert "begun by another configuration" in capsys.readouterr().err


def test_the_stages_are_alike_but_for_what_they_say(monkeypatch):
    first, last = (read_config(stage) for stage in trainings.STAGES)
    assert first.data.crop and last.data.crop is None
    assert first.sampling == last.sampling and first.data.split == last.data.split == "train"
    assert first.optim.windows + last.optim.windows >= 30_000
    for config in (first, last):
        assert config.optim.windows % config.output.log_every == config.optim.windows % config.optim.batch == 0


def test_another_process_gives_back_what_it_made_and_what_stopped_it():
    assert trainings.in_own_process(int, "7") == 7
    with pytest.raises(ValueError, match="seven"):
        trainings.in_own_process(int, "seven")


@pytest.mark.parametrize("divide", leak.DIVISIONS.values(), ids=leak.DIVISIONS)
def test_every_training_window_of_a_split_is_drawn_and_none_of_the_rest(rallies, tmp_path, divide):
    clips = read_clips(rallies, "train")
    lengths = {clip.full_name: len(clip) for clip in clips}
    train, held_out = divide(lengths)
    leak.write_windows(train, lengths, tmp_path / "windows.csv")
    sampling = SamplingOptions(window_list=str(tmp_path / "windows.csv"))
    size = (72, 128)
    options = dict(count=300, length=3, size=size, cache=rallies / "cache", augmentation=STILL, sampling=sampling)
    dataset = WindowDataset(clips, **options)
    drawn = {dataset[index][0].numpy().tobytes() for index in range(len(dataset))}

    def pixels(windows: splits.Windows) -> set[bytes]:
        """What the windows of a split look like."""
        by_name = {clip.full_name: np.stack(list(clip.images(size))).transpose(0, 3, 1, 2) for clip in clips}
        names = splits.path_order(lengths)
        return {by_name[names[clip]][centre - 1 : centre + 2].tobytes() for clip, centre in windows.tolist()}

    assert drawn == pixels(train) and not drawn & pixels(held_out)


def test_the_tables_and_the_pictures(finished, tmp_path, monkeypatch):
    report_pictures = pytest.importorskip("benchmarks.report_pictures")
    result, leaked = (json.loads((finished / f"{name}.json").read_text()) for name in ("ablation", "leak"))
    tables = {"ablation": report.ablation_table(result), "leak": report.leak_table(leaked)}
    assert tables["ablation"].count("| tracknet_v") == 2 and tables["leak"].count("windows minus clips") == 2
    assert "24 windows" in tables["ablation"] and "first.toml`, `last.toml" in tables["ablation"]
    report_pictures.draw_ablation(result, tmp_path / "docs" / "a.png")
    report_pictures.draw_leak(leaked, tmp_path / "docs" / "b.png")
    assert all((tmp_path / "docs" / f"{name}.png").stat().st_size > 5_000 for name in "ab")

    (tmp_path / "accuracy_val.json").write_text((report.RESULTS / "accuracy_val.json").read_text())
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    for name, table in tables.items():
        text = f"<!-- accuracy -->\n<!-- /accuracy -->\n<!-- {name} -->\nold\n<!-- /{name} -->\n"
        assert "old" in report.filled(text, report.pages()["README.md"])  # no result, no table
        shutil.copy(finished / f"{name}.json", tmp_path)
        made = report.pages()["README.md"]
        assert f"<!-- {name} -->\n{table}" in report.filled(text, made)
        with pytest.raises(ValueError, match=f"no block {name}"):
            report.filled("<!-- accuracy -->\n<!-- /accuracy -->\n", made)
        (tmp_path / f"{name}.json").unlink()


def test_every_stage_names_the_size_of_its_pictures():
    # Else it would be that of the weights that a network starts from, or a default that may change.
    assert [read_config(stage).data.size for stage in trainings.STAGES] == [SIZE, SIZE]


def test_a_run_of_before_an_option_was_there_is_not_begun_anew(finished, rallies, monkeypatch):
    small(monkeypatch, finished)
    monkeypatch.setattr(Trainer, "run", lambda self: pytest.fail("trained again"))
    path = finished / "runs" / trainings.V5 / "first" / "config.json"
    stated = json.loads(path.read_text())
    options = Namespace(data=rallies, cache=rallies / "cache", runs=finished / "runs")
    with monkeypatch.context():
        path.write_text(json.dumps(stated | {"augment": {key: stated["augment"][key] for key in ("flip", "scale")}}))
        trainings.train(trainings.V5, trainings.V5, options)
    path.write_text(json.dumps(stated))
