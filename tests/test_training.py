"""Loss, schedule, configuration and a tiny run, resumed."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from typer.testing import CliRunner

pytest.importorskip("accelerate")

from tracknetv5 import create_model
from tracknetv5.cli import app
from tracknetv5.data.readers import UNLABELLED, read_clips
from tracknetv5.data.synthetic import write_rally
from tracknetv5.geometry import Letterbox
from tracknetv5.linking import linked
from tracknetv5.models.motion import interleave
from tracknetv5.training.config import ModelOptions, OptimOptions, read_config
from tracknetv5.training.loop import NORM_WINDOWS, Trainer, _divide, learning_rate
from tracknetv5.training.loss import weighted_bce
from tracknetv5.training.validate import THRESHOLDS, validate
from tracknetv5.weights import WeightsConfig, WeightsError, load_weights, round_weights, save_weights


def test_loss_is_the_formula():
    torch.manual_seed(0)
    logits, target = torch.randn(2, 3, 4, 5), (torch.rand(2, 3, 4, 5) > 0.5).float()
    p = torch.sigmoid(logits.double())
    expected = -((1 - p) ** 2 * target * p.log() + p**2 * (1 - target) * (1 - p).log()).mean()
    assert weighted_bce(logits, target, torch.ones(2, 3, dtype=torch.bool)).item() == pytest.approx(expected.item())


def test_loss_leaves_out_frames_without_a_label():
    logits, target = torch.randn(1, 3, 4, 5), torch.zeros(1, 3, 4, 5)
    labelled = torch.tensor([[True, False, True]])
    alone = weighted_bce(logits[:, [0, 2]], target[:, [0, 2]], torch.ones(1, 2, dtype=torch.bool))
    assert weighted_bce(logits, target, labelled).item() == pytest.approx(alone.item())
    assert weighted_bce(logits, target, torch.zeros(1, 3, dtype=torch.bool)).item() == 0


def test_loss_of_extreme_logits_is_finite():
    logits = torch.tensor([1e4, -1e4]).reshape(1, 1, 1, 2).requires_grad_()
    loss = weighted_bce(logits, torch.tensor([0, 1]).reshape(1, 1, 1, 2), torch.ones(1, 1, dtype=torch.bool))
    loss.backward()
    assert loss.item() == pytest.approx(1e4) and logits.grad.isfinite().all()


def test_learning_rate_rises_holds_and_falls():
    options = OptimOptions(windows=1000, batch=10, learning_rate=1.0, warmup=100, decay=200)
    rates = [learning_rate(windows, options) for windows in range(0, 1000, 10)]
    assert rates[0] == pytest.approx(0.1) and rates[9:81] == [1.0] * 72
    assert learning_rate(900, options) == pytest.approx(0.5) and learning_rate(1000, options) == 0
    assert all(a >= b for a, b in zip(rates[80:], rates[81:], strict=False))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nroot='x'\nsplt='train'", "splt"),
        ("[data]\nroot='x'\n[optimiser]\nrate=1", "optimiser"),
        ("[data]\nsplit='train'", r"\[data\] root is missing"),
        ("[model]\n", r"\[data\] root is missing"),
        ("[data", "not valid TOML"),
        ("data = 3", "data must be a table"),
        ("[data]\nroot=1", r"\[data\] root must be a string, not 1"),
        ("[data]\nroot='x'\nsize=[288, 512.0]", r"\[data\] size must be a list of two whole numbers"),
        ("[data]\nroot='x'\nsize=288", "size must be a list of two"),
        ("[data]\nroot='x'\ncrop=[]", "crop must be a list of two"),
        ("[data]\nroot='x'\ncrop=[0, 64]", "crop must be above 0"),
        ("[data]\nroot='x'\nhold_out='court'", "hold_out must be a list of strings"),
        ("[data]\nroot='x'\nhold_out=[1]", "hold_out must be a list of strings"),
        ("[data]\nroot='x'\n[optim]\nwindows='many'", r"\[optim\] windows must be a whole number, not 'many'"),
        ("[data]\nroot='x'\n[optim]\nwindows=1e3", "windows must be a whole number"),
        ("[data]\nroot='x'\n[optim]\nwindows=-1", "windows must be finite and not negative, not -1"),
        ("[data]\nroot='x'\n[optim]\nbatch=0", "batch must be above 0"),
        ("[data]\nroot='x'\n[optim]\nbatch=8\nwindows=7", "windows must be a batch, 8, or more, not 7"),
        ("[data]\nroot='x'\n[optim]\nbatch=true", "batch must be a whole number, not True"),
        ("[data]\nroot='x'\n[optim]\nlearning_rate='1e-3'", "learning_rate must be a number"),
        ("[data]\nroot='x'\n[optim]\nlearning_rate=nan", "learning_rate must be finite"),
        ("[data]\nroot='x'\n[optim]\nema=1.5", "ema must be at most 1"),
        ("[data]\nroot='x'\n[optim]\nprecision='half'", "precision must be no or bf16 or fp16, not 'half'"),
        ("[data]\nroot='x'\n[model]\noptions=[1]", r"\[model\] options must be a table"),
        ("[data]\nroot='x'\n[model]\nname='inpaintnet'", "tracknet_v2, .*tracknet_v5_lite.* not 'inpaintnet'"),
        ("[data]\nroot='x'\n[sampling]\nsports={padel='half'}", "sports must be a table of numbers"),
        ("[data]\nroot='x'\n[sampling]\nsports={padel=-1}", "sports must be finite and not negative"),
        ("[data]\nroot='x'\n[sampling]\nsports={padel=0, tennis=0}", r"\[sampling\] sports must give a share above 0"),
        ("[data]\nroot='x'\n[sampling]\nstrides=[0.5, 0.4]", "strides must be probabilities that sum to 1"),
        ("[data]\nroot='x'\n[augment]\nscale=[1.3, 0.8]", "scale must be"),
        ("[data]\nroot='x'\n[augment]\nflip=2", r"\[augment\] flip must be at most 1"),
        ("[data]\nroot='x'\n[augment]\npaste=2", r"\[augment\] paste must be at most 1"),
    ],
)
def test_faults_in_a_config_are_named(tmp_path, text, message):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ValueError, match=rf"run\.toml: .*{message}"):
        read_config(tmp_path / "run.toml")


def test_whole_numbers_are_numbers(tmp_path):
    text = "[data]\nroot='x'\nsplit='train'\ncrop=[32, 64]\n[optim]\nlearning_rate=1\n"
    text += "[sampling]\nsports={padel=1, tennis=0.5}"
    (tmp_path / "run.toml").write_text(text)
    config = read_config(tmp_path / "run.toml")
    assert (config.optim.learning_rate, config.data.crop, config.sampling.sports["padel"]) == (1, (32, 64), 1)


def test_the_committed_configurations_are_read():
    configs = list((Path(__file__).parents[1] / "benchmarks" / "training").glob("*.toml"))
    assert configs and all(read_config(config).optim.windows > 0 for config in configs)


@pytest.fixture(scope="module")
def rallies(tmp_path_factory):
    """A data set of two short synthetic clips in the `clips.csv` layout."""
    root = tmp_path_factory.mktemp("rallies")
    (root / "tennis").mkdir()
    rows = ["sport,clip,split,group"]
    for seed, (clip, split) in enumerate((("a", "train"), ("b", "val"))):
        labels = write_rally(root / "tennis" / f"{clip}.mp4", frames=9, size=(72, 128), seed=seed)
        lines = [f"{k},{visibility},{x * visibility},{y * visibility}" for k, (x, y, visibility) in enumerate(labels)]
        (root / "tennis" / f"{clip}.csv").write_text("Frame,Visibility,X,Y\n" + "\n".join(lines).replace("nan", "0"))
        rows.append(f"tennis,{clip},{split},court-{clip}")
    (root / "clips.csv").write_text("\n".join(rows))
    return root


def write_config(folder, rallies, name, windows):
    path = folder / f"{name}.toml"
    path.write_text(
        f"""
        [data]
        root = "{rallies}"
        cache = "{rallies / "cache"}"
        split = "train"
        validation_split = "val"
        size = [32, 64]
        [model]
        name = "tracknet_v5_lite"
        options = {{widths = [16, 16], depths = [1, 1], stem_width = 16, dim = 16, feedforward = 16, grid = [2, 4]}}
        [optim]
        windows = {windows}
        batch = 2
        warmup = 2
        workers = 0
        [output]
        folder = "{folder / name}"
        log_every = 2
        save_every = 4
        """
    )
    return read_config(path)


def test_a_run_resumed_equals_a_run_in_one_piece(tmp_path, rallies):
    whole = Trainer(write_config(tmp_path, rallies, "whole", 8))
    weights = whole.run()
    Trainer(write_config(tmp_path, rallies, "parts", 4)).run()
    parts = Trainer(write_config(tmp_path, rallies, "parts", 8))
    parts.run()
    assert parts.progress.windows == whole.progress.windows == 8
    for (name, a), b in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    for a, b in zip(whole.ema.module.parameters(), parts.ema.module.parameters(), strict=True):
        assert torch.equal(a, b)

    _, config = load_weights(weights)
    assert (config.height, config.width, config.frames) == (32, 64, 3)
    log = np.genfromtxt(tmp_path / "parts" / "log.csv", delimiter=",", names=True)
    assert log["windows"].tolist() == [2, 4, 6, 8]
    lines = (tmp_path / "whole" / "validation.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["windows"] == 8 and "tennis_f1" in json.loads(lines[-1])


def test_a_step_sees_values_up_to_one_clips_the_gradient_and_goes_as_far_as_the_learning_rate(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "step", 8)
    optim = replace(config.optim, warmup=8, weight_decay=0.0, max_grad_norm=1e-6)
    trainer = Trainer(replace(config, optim=optim))
    weights = list(trainer.model.parameters())
    before, seen, norms = [weight.detach().clone() for weight in weights], [], []

    def note(*_):
        norms.append(torch.stack([weight.grad.norm() for weight in weights]).norm())

    trainer.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    trainer.optimizer.optimizer.register_step_pre_hook(note)
    trainer._step(*default_collate([trainer.dataset[k] for k in range(2)]))
    assert 0.1 < seen[0].max() <= 1 and norms[0] <= 1.01e-6
    farthest = max((a - b).abs().max().item() for a, b in zip(before, weights, strict=True))
    assert farthest == pytest.approx(learning_rate(0, optim), rel=0.02)  # as AdamW's first step is, without its eps


def test_the_weights_that_are_stored_follow_those_that_are_trained(tmp_path, rallies):
    trainer = Trainer(write_config(tmp_path, rallies, "averaged", 4))
    before = round_weights(trainer.ema.module.state_dict())
    model, _ = load_weights(trainer.run())
    assert not any(torch.equal(before[name], weight) for name, weight in model.named_parameters() if weight.ndim > 1)


def test_a_finished_run_has_nothing_to_add(tmp_path, rallies):
    folder = Trainer(write_config(tmp_path, rallies, "run", 4)).run().parent
    Trainer(write_config(tmp_path, rallies, "run", 4)).run()
    assert len((folder / "validation.jsonl").read_text().splitlines()) == 1


def test_a_run_of_another_config_is_not_gone_on_with(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "run", 2)
    Trainer(config).run()
    with pytest.raises(ValueError, match=r"run: holds a run with \[optim\] seed = 0, not 1: choose another"):
        Trainer(replace(config, optim=replace(config.optim, seed=1))).run()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["optim"]["seed"] == 0
    # An option that did not exist when the run was begun had what is its default now.
    stated = json.loads((tmp_path / "run" / "config.json").read_text())
    del stated["augment"]["scenery"]
    (tmp_path / "run" / "config.json").write_text(json.dumps(stated))
    Trainer(config).run()
    for change in (
        {"augment": replace(config.augment, scenery=0.5)},
        {"sampling": replace(config.sampling, window_list=str(tmp_path / "list.csv"))},  # [optim] windows may change
    ):
        (tmp_path / "list.csv").write_text("clip,frame\n")
        (tmp_path / "run" / "config.json").write_text(json.dumps(stated))
        with pytest.raises(ValueError, match="choose another"):
            trainer = Trainer(config)
            trainer.config = replace(config, **change)
            trainer.run()
    other = replace(config.model, options={**config.model.options, "dim": 32})
    with pytest.raises(ValueError, match=r"\[model\] options"):
        Trainer(replace(config, model=other)).run()


@pytest.mark.parametrize("saves", [0, 1])
def test_what_was_noted_after_the_checkpoint_is_not_there_twice(tmp_path, rallies, monkeypatch, saves):
    config = write_config(tmp_path, rallies, "killed", 8)
    config = replace(config, output=replace(config.output, validate_every=3))
    save, saved = Trainer.save, []

    def killed(self):
        if len(saved) == saves:
            raise KeyboardInterrupt
        saved.append(save(self))

    def noted() -> tuple[list[int], list[int]]:
        log = np.genfromtxt(tmp_path / "killed" / "log.csv", delimiter=",", names=True)
        lines = (tmp_path / "killed" / "validation.jsonl").read_text().splitlines()
        return log["windows"].tolist(), [json.loads(line)["windows"] for line in lines]

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            Trainer(config).run()
    if saves:
        assert noted() == ([2, 4, 6, 8], [4, 6])  # the checkpoint is of 4
    Trainer(config).run()
    assert noted() == ([2, 4, 6, 8], [4, 6, 8])


@pytest.mark.parametrize("moment", ["while the state is written", "between the two moves"])
def test_killed_while_saving_a_whole_checkpoint_is_left(tmp_path, rallies, monkeypatch, moment):
    whole = Trainer(write_config(tmp_path, rallies, "whole", 8))
    whole.run()
    config = write_config(tmp_path, rallies, "killed", 8)
    trainer = Trainer(config)
    save_state, rename = trainer.accelerator.save_state, Path.rename

    def half_written(folder):
        save_state(folder)
        if trainer.progress.windows == 8:
            (folder / "optimizer.bin").unlink()
            raise KeyboardInterrupt

    def moved(path, target):
        if path.name == "checkpoint.part" and trainer.progress.windows == 8:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if moment == "between the two moves":
            patch.setattr(Path, "rename", moved)
        else:
            patch.setattr(trainer.accelerator, "save_state", half_written)
        trainer.run()
    parts = Trainer(config)
    parts._resume()
    assert parts.progress.windows == 4
    parts.run()
    for (name, a), b in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert [path.name for path in (tmp_path / "killed").glob("checkpoint*")] == ["checkpoint"]


@pytest.mark.parametrize("name", ["optimizer.bin", "model.safetensors", "custom_checkpoint_0.pkl"])
def test_a_damaged_checkpoint_is_named(tmp_path, rallies, name):
    config = write_config(tmp_path, rallies, "run", 4)
    Trainer(config).run()
    path = tmp_path / "run" / "checkpoint" / name
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"checkpoint: cannot be resumed: start from .*weights with \[model\] init"):
        Trainer(config).run()


def test_a_run_that_collapses_ends_with_the_weights_of_before(tmp_path, rallies, monkeypatch):
    steps = itertools.count(1)

    def loss(*tensors):
        step = next(steps)
        return weighted_bce(*tensors) * (50.0 if step == 13 or step >= 17 else 1.0)  # one alone may be

    monkeypatch.setattr("tracknetv5.training.loop.weighted_bce", loss)
    with pytest.raises(ValueError, match="run: the training has collapsed: .* 36 windows, .* Go on from .*weights"):
        Trainer(write_config(tmp_path, rallies, "run", 60)).run()
    log = np.genfromtxt(tmp_path / "run" / "log.csv", delimiter=",", names=True)
    assert log["windows"][-1] == 36
    model, _ = load_weights(tmp_path / "run" / "weights")
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_a_loss_that_is_no_number_ends_a_run_at_once_and_a_resumed_run_knows_what_its_loss_was(
    tmp_path, rallies, monkeypatch
):
    worse = 1.0
    monkeypatch.setattr("tracknetv5.training.loop.weighted_bce", lambda *tensors: weighted_bce(*tensors) * worse)
    config = write_config(tmp_path, rallies, "run", 32)
    Trainer(config).run()
    config, worse = replace(config, optim=replace(config.optim, windows=60)), 50.0
    with pytest.raises(ValueError, match=r"collapsed: its loss is .* after 36 windows, and was "):
        Trainer(config).run()
    worse = float("nan")
    with pytest.raises(ValueError, match="collapsed: its loss is nan after 2 windows. Go on from"):
        Trainer(write_config(tmp_path, rallies, "new", 60)).run()
    assert not (tmp_path / "new" / "weights").exists()


def test_stored_weights_have_the_statistics_of_what_they_compute(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "norm", 8)
    weights = Trainer(config).run()
    before = load_weights(weights)[0].state_dict()
    trainer = Trainer(config)
    model, _ = load_weights(trainer.run())  # nothing is left to do, and nothing changes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    frames = torch.stack([trainer.dataset[max(7 - k, 0)][0] for k in range(NORM_WINDOWS)]).float() / 255
    with torch.no_grad():
        _, attention = model.mdd(frames)
        stem = model.backbone.stem
        features = stem.conv(interleave(frames, attention))
    assert torch.allclose(stem.norm.running_mean, features.mean((0, 2, 3)), atol=1e-5)


SMALL_V3 = ModelOptions("tracknet_v3", {"widths": (4, 4), "depths": (1, 1), "frames": 2})


@pytest.mark.parametrize("model", [SMALL_V3, None])
def test_networks_that_take_a_background_are_trained_with_one(tmp_path, rallies, model):
    config = write_config(tmp_path, rallies, "behind", 4)
    model = model or replace(config.model, options=config.model.options | {"background": True})
    trainer = Trainer(replace(config, model=model))
    frames, background, target, labelled = trainer.dataset[0]
    assert background.shape == frames[0].shape and len(frames) == len(target) == len(labelled)
    _, facts = load_weights(trainer.run())
    assert facts.background and facts.frames == len(frames)
    assert (tmp_path / "behind" / "validation.jsonl").is_file()


def test_a_run_starts_from_given_weights_and_keeps_what_holds_of_them(tmp_path, rallies):
    weights = Trainer(write_config(tmp_path, rallies, "first", 2)).run()
    trained, facts = load_weights(weights)
    assert (facts.threshold, facts.training_data, facts.sports) == (0.5, "not stated", ("tennis",))
    stated = dict(training_data="Footage of others.", provenance="somebody", sports=["padel"])
    save_weights(trained, weights, replace(facts, threshold=0.35, step=2, ensemble="triangular", **stated))
    config = write_config(tmp_path, rallies, "second", 2)
    config = replace(config, model=replace(config.model, init=str(weights)))
    trainer = Trainer(config)
    started = trainer.model.state_dict()
    assert all(torch.equal(started[name], tensor) for name, tensor in trained.state_dict().items())
    trainer.save()
    facts = load_weights(tmp_path / "second" / "weights")[1]
    assert (facts.threshold, facts.step, facts.ensemble) == (0.35, 2, "triangular")
    assert facts.sports == ("padel", "tennis")
    assert facts.training_data == f"Went on from {weights}: Footage of others."
    assert facts.provenance == f"Went on from {weights}: somebody"
    assert (facts.height, facts.width) == (32, 64)
    save_weights(trained, weights, replace(facts, channel_order="BGR"))
    with pytest.raises(ValueError, match=r"\[model\] init .* takes BGR"):
        Trainer(config)


@pytest.mark.parametrize(("init", "size"), [("", (288, 512)), ("weights", (64, 96))])
def test_pictures_have_the_size_of_the_weights_that_a_run_starts_from(tmp_path, rallies, init, size):
    config = write_config(tmp_path, rallies, "sized", 2)
    if init:
        init = str(tmp_path / init)
        facts = WeightsConfig(model=config.model.name, options={}, height=64, width=96)
        save_weights(create_model(config.model.name, **config.model.options), init, facts)
    config = replace(config, data=replace(config.data, size=None), model=replace(config.model, init=init))
    assert Trainer(config).size == size
    config = replace(config, data=replace(config.data, crop=(32, size[1] + 32)))
    with pytest.raises(ValueError, match=rf"\[data\] crop must fit into the size \({size[0]}, {size[1]}\)"):
        Trainer(config)
    config = replace(config, data=replace(config.data, crop=(32, 40)))
    with pytest.raises(ValueError, match=r"\[data\] crop must be multiples of 16 .*, not \(32, 40\)"):
        Trainer(config)


def test_weights_that_take_no_frames_are_named(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "gaps", 2)
    facts = WeightsConfig(model="inpaintnet", options={}, height=None, width=None, frames=16)
    save_weights(create_model("inpaintnet"), tmp_path / "inpaintnet", facts)
    model = replace(config.model, init=str(tmp_path / "inpaintnet"))
    with pytest.raises(WeightsError, match="these are weights of inpaintnet"):
        Trainer(replace(config, data=replace(config.data, size=None, crop=(32, 32)), model=model))


def test_an_unknown_group_to_hold_out_is_named(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "held", 2)
    with pytest.raises(ValueError, match="wimbledon"):
        Trainer(replace(config, data=replace(config.data, hold_out=("wimbledon",))))
    with pytest.raises(ValueError, match="none is left to train on"):
        Trainer(replace(config, data=replace(config.data, hold_out=("court-a",))))


def test_labels_are_excluded_from_training_alone(tmp_path, rallies):
    listing = tmp_path / "wrong.csv"
    listing.write_text("clip,frame\ntennis/a,2\ntennis/b,2\n")
    config = write_config(tmp_path, rallies, "excluded", 4)
    by_split = replace(config.data, exclude=str(listing))
    by_group = replace(by_split, split="", validation_split="", hold_out=("court-b",))
    for data in (by_split, by_group, replace(by_split, split="")):  # what is validated on is never trained on
        (training,), (held_out,) = _divide(replace(config, data=data))
        assert (training.name, held_out.name) == ("a", "b")
        assert training.visibility[2] == UNLABELLED and held_out.visibility[2] != UNLABELLED


@pytest.mark.parametrize(("size", "right"), [((36, 64), 0), ((288, 512), 1)])
def test_a_ball_is_right_by_the_pixels_of_the_papers_whatever_the_size_of_the_input(
    tmp_path, rallies, monkeypatch, size, right
):
    (clip,) = read_clips(rallies, "val")
    still = replace(clip, visibility=np.ones(9, np.int8), xy=np.full((9, 2), 63.5))
    x, y = np.rint(Letterbox(clip.size, size).to_model(np.array([63.5, 63.5]))).astype(int)

    def one_pixel_off(frames):  # 8 pixels of 512 x 288 at a size of 36 x 64
        heat = torch.full_like(frames[:, :, 0], -20)
        heat[:, :, y, x + 1] = 20
        seen.append(len(frames))
        return heat

    def link(candidates, threshold, *, width):
        assert width == size[1]
        return linked(candidates, threshold, width=width)

    network = torch.nn.Linear(1, 1)
    network.options, network.forward = SimpleNamespace(frames=3), one_pixel_off
    network.takes_background = False
    monkeypatch.setattr("tracknetv5.training.validate.linked", link)
    for step, count in ((None, 3), (2, 4)):  # windows of 3 in 9 frames
        seen = []
        scores = validate(network, [still], size=size, cache=tmp_path, step=step)
        assert (scores["all_argmax"], scores["all_f1"], len(seen)) == (right, right, count)


def test_the_threshold_is_the_one_that_finds_most(tmp_path, rallies):
    (clip,) = read_clips(rallies, "val")
    still = replace(clip, visibility=np.ones(9, np.int8), xy=np.full((9, 2), 63.5))

    def doubtful(frames):
        heat = torch.full_like(frames[:, :, 0], -20)
        heat[:, :, 31:33, 31:33] = np.log(0.42 / 0.58)  # at the ball
        return heat

    network = torch.nn.Linear(1, 1)
    network.options, network.forward = SimpleNamespace(frames=3), doubtful
    network.takes_background = False
    scores = validate(network, [still], size=(36, 64), cache=tmp_path)
    assert scores["threshold"] < 0.42 and (scores["all_f1"], scores["all_f1_at_half"]) == (1, 0)


def test_nothing_to_find_has_no_best_threshold(tmp_path, rallies):
    (clip,) = read_clips(rallies, "val")
    empty = replace(clip, visibility=np.zeros(9, np.int8), xy=np.full((9, 2), np.nan))
    blind = torch.nn.Linear(1, 1)
    blind.options, blind.forward = SimpleNamespace(frames=3), lambda frames, background: frames[:, :, 0] - 20
    blind.takes_background = True
    scores = validate(blind, [empty], size=(32, 64), cache=tmp_path)
    assert scores["threshold"] in THRESHOLDS and np.isnan(scores["all_f1"])


def test_options_that_no_network_can_have_are_named(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "odd", 2)
    with pytest.raises(ValueError, match=r"options .*wide"):
        Trainer(replace(config, model=replace(config.model, options={"dim": "wide"})))


def test_the_command_tells_what_stops_a_run_in_one_line(tmp_path, rallies, monkeypatch):
    def stopped(self):
        raise ValueError("the ball is lost")

    write_config(tmp_path, rallies, "stopped", 2)
    monkeypatch.setattr(Trainer, "run", stopped)
    result = CliRunner().invoke(app, ["train", str(tmp_path / "stopped.toml")])
    assert result.exit_code == 1 and result.stderr == "error: the ball is lost\n"
