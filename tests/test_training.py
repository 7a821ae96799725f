"""Loss, schedule, configuration and a tiny run, resumed."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate")

from tracknetv5 import create_model
from tracknetv5.data.synthetic import write_rally
from tracknetv5.models.motion import interleave
from tracknetv5.training.config import OptimOptions, read_config
from tracknetv5.training.loop import NORM_WINDOWS, Trainer, learning_rate
from tracknetv5.training.loss import weighted_bce
from tracknetv5.weights import load_weights


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
    options = OptimOptions(windows=1000, batch=10, rate=1.0, warmup=100, decay=200)
    rates = [learning_rate(windows, options) for windows in range(0, 1000, 10)]
    assert rates[0] == pytest.approx(0.1) and rates[9:81] == [1.0] * 72
    assert learning_rate(900, options) == pytest.approx(0.5) and learning_rate(1000, options) == 0
    assert all(a >= b for a, b in zip(rates[80:], rates[81:], strict=False))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nroot='x'\nsplt='train'", "splt"),
        ("[data]\nroot='x'\n[optimiser]\nrate=1", "optimiser"),
        ("[data]\nsplit='train'", "root is missing"),
        ("[data", "not valid TOML"),
    ],
)
def test_faults_in_a_config_are_named(tmp_path, text, message):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_config(tmp_path / "run.toml")


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
        validate = "val"
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
        log = 2
        save = 4
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

    start = create_model("tracknet_v5_lite", **whole.config.model.options)
    model, config = load_weights(weights)
    assert (config.height, config.width, config.frames) == (32, 64, 3)
    assert any(not torch.equal(a, b) for a, b in zip(model.parameters(), start.parameters(), strict=True))
    log = np.genfromtxt(tmp_path / "parts" / "log.csv", delimiter=",", names=True)
    assert log["windows"].tolist() == [2, 4, 6, 8]
    lines = (tmp_path / "whole" / "validation.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["windows"] == 8 and "tennis_f1" in json.loads(lines[-1])


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


def test_a_run_starts_from_given_weights(tmp_path, rallies):
    weights = Trainer(write_config(tmp_path, rallies, "first", 2)).run()
    config = write_config(tmp_path, rallies, "second", 2)
    object.__setattr__(config.model, "init", str(weights))
    trained, _ = load_weights(weights)
    started = Trainer(config).model.state_dict()
    assert all(torch.equal(started[name], tensor) for name, tensor in trained.state_dict().items())


def test_an_unknown_group_to_hold_out_is_named(tmp_path, rallies):
    config = write_config(tmp_path, rallies, "held", 2)
    object.__setattr__(config.data, "hold_out", ("wimbledon",))
    with pytest.raises(ValueError, match="wimbledon"):
        Trainer(config)
