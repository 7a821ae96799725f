"""Checkpoints in every promised layout: converted, loaded, and compared with the networks written a second time."""

import argparse
import json
import re

import pytest
import torch
from reference import forward, state
from safetensors.torch import save_file
from typer.testing import CliRunner

from tracknetv5 import BallTracker, WeightsError, create_model
from tracknetv5.cli import app
from tracknetv5.convert import FORMATS, convert, read_checkpoint
from tracknetv5.weights import load_weights, read_config

HEIGHT, WIDTH = 32, 64


def inputs(name: str, height: int = HEIGHT, width: int = WIDTH) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    if name == "inpaintnet":
        mask = (torch.rand(2, 16, 1, generator=generator) < 0.3).float()
        return torch.rand(2, 16, 2, generator=generator) * (1 - mask), mask
    frames = torch.rand(1, 8 if name == "tracknet_v3" else 3, 3, height, width, generator=generator)
    return (frames, frames.median(1).values) if name == "tracknet_v3" else (frames,)


def difference(name: str, model: torch.nn.Module, tensors: dict, *shape: int) -> float:
    """Largest difference between a network and the one written a second time."""
    arguments = inputs(name, *shape)
    with torch.inference_mode():
        output = model(*arguments)
    output = output if name == "inpaintnet" else torch.sigmoid(output)
    expected = forward(name, tensors, *arguments)
    assert expected.std() > 0.01  # a network that answers the same everywhere would prove nothing
    return (output - expected).abs().max().item()


@pytest.mark.parametrize("name", FORMATS)
def test_converted_weights_give_the_published_networks_outputs(tmp_path, name):
    tensors = state(name)
    torch.save(tensors, tmp_path / "checkpoint.pt")
    folder = convert(tmp_path / "checkpoint.pt", tmp_path / "weights", name)
    model, config = load_weights(folder)
    assert difference(name, model, tensors) < 1e-5
    assert config.model == name and re.fullmatch("[0-9a-f]{64}", config.sha256)
    assert config.licence == config.training_data == "not stated" and config.metrics == {}
    facts = json.loads((folder / "config.json").read_text())
    assert facts["provenance"] == "converted from checkpoint.pt"
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "picture.jpg",
    ]
    restored = create_model(name, pretrained=folder)
    torch.testing.assert_close(restored.state_dict(), model.state_dict())


def save(path, content):
    torch.save(content, path)
    return path


TENSORS = state("inpaintnet")
CONTAINERS = {
    "bare": TENSORS,
    "model": {"epoch": 3, "model": TENSORS, "param_dict": {"seq_len": 16, "bg_mode": ""}},
    "model_state_dict": {"model_state_dict": TENSORS, "optimizer": {"lr": 0.1}},
    "state_dict": {"state_dict": TENSORS},
    "data parallel": {f"module.{name}": tensor for name, tensor in TENSORS.items()},
    "both": {"state_dict": {f"module.{name}": tensor for name, tensor in TENSORS.items()}},
    "half": {name: tensor.half() for name, tensor in TENSORS.items()},
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers(tmp_path, container):
    folder = convert(save(tmp_path / "a.pth", CONTAINERS[container]), tmp_path / "weights", "inpaintnet")
    model, _ = load_weights(folder)
    torch.testing.assert_close(model.head.weight, TENSORS["predictor.weight"], atol=1e-3, rtol=1e-3)
    assert model.head.weight.dtype == torch.float32


def test_safetensors(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors")
    model, _ = load_weights(convert(tmp_path / "a.safetensors", tmp_path / "weights", "inpaintnet"))
    assert torch.equal(model.head.weight, TENSORS["predictor.weight"])


@pytest.mark.parametrize("name", ["tracknet_v5_lite", "inpaintnet"])
def test_our_own_layout(tmp_path, name):
    torch.manual_seed(0)
    model = create_model(name)
    folder = convert(save(tmp_path / "a.pt", {"model": model.state_dict()}), tmp_path / "weights", name)
    torch.testing.assert_close(load_weights(folder)[0].state_dict(), model.state_dict())


def test_scalars_and_embeddings_with_axes_of_length_one(tmp_path):
    tensors = state("tracknet_v5")
    tensors |= {key: tensors[key].reshape(1) for key in ("mdd.a", "mdd.b")}
    tensors["head.spatial_pos_embed"] = tensors["head.spatial_pos_embed"].reshape(1, 1, 576, 256)
    tensors["head.time_embed"] = tensors["head.time_embed"].reshape(1, 3, 1, 256)
    convert(save(tmp_path / "a.pt", tensors), tmp_path / "weights", "tracknet_v5")


def test_the_trackers_facts_are_in_the_config(tmp_path):
    assert (
        read_config(convert(save(tmp_path / "v2.pt", state("tracknet_v2")), tmp_path / "v2", "tracknet_v2")).frames == 3
    )
    v3 = {"model": state("tracknet_v3"), "param_dict": {"seq_len": 8, "bg_mode": "concat"}}
    inpaint = {"model": TENSORS, "param_dict": {"seq_len": 16, "bg_mode": ""}}
    v3, inpaint = save(tmp_path / "v3.pt", v3), save(tmp_path / "inpaint.pt", inpaint)
    config = read_config(convert(v3, tmp_path / "v3", "tracknet_v3"))
    assert (config.frames, config.background, config.step, config.rectifier) == (8, True, 1, False)
    assert config.window_weights == [1, 2, 3, 4, 4, 3, 2, 1]
    assert BallTracker.from_pretrained(tmp_path / "v3").rectifier is None
    separate = convert(inpaint, tmp_path / "inpaint", "inpaintnet")
    for rectifier in (inpaint, separate):
        tracker = BallTracker.from_pretrained(convert(v3, tmp_path / "both", "tracknet_v3", rectifier=rectifier))
        assert tracker.rectifier[1].window_weights == [*range(1, 9), *range(8, 0, -1)]
    tracker = BallTracker.from_pretrained(tmp_path / "v3", rectifier=separate)
    assert torch.equal(tracker.rectifier[0].head.weight, TENSORS["predictor.weight"])


# --- errors


def test_all_mismatches_are_listed(tmp_path):
    tensors = state("inpaintnet")
    del tensors["predictor.bias"], tensors["down_1.conv.bias"]
    tensors["surplus"] = torch.zeros(2)
    tensors["up_1.conv.weight"] = torch.zeros(128, 384, 5)
    with pytest.raises(WeightsError) as caught:
        convert(save(tmp_path / "a.pt", tensors), tmp_path / "weights", "inpaintnet")
    message = str(caught.value)
    for part in ("missing predictor.bias", "missing down_1.conv.bias", "unexpected surplus"):
        assert part in message
    assert "up_1.conv.weight is (128, 384, 5), expected (128, 384, 3)" in message
    assert not (tmp_path / "weights").exists()


def test_another_model_than_named(tmp_path):
    with pytest.raises(WeightsError, match="looks like inpaintnet, not tracknet_v2"):
        convert(save(tmp_path / "a.pt", TENSORS), tmp_path / "weights", "tracknet_v2")
    with pytest.raises(ValueError, match="no model is called 'tracknet_v9'"):
        convert(tmp_path / "a.pt", tmp_path / "weights", "tracknet_v9")


def test_luminance_weights_that_are_not_the_published(tmp_path):
    tensors = state("tracknet_v2_mdd") | {"backbone.learnable_mvdr_module.R_WEIGHT": torch.tensor(0.4)}
    with pytest.raises(WeightsError, match="not the published"):
        convert(save(tmp_path / "a.pt", tensors), tmp_path / "weights", "tracknet_v2_mdd")


def test_background_modes_that_are_not_the_published(tmp_path):
    content = {"model": state("tracknet_v3"), "param_dict": {"seq_len": 8, "bg_mode": "subtract"}}
    with pytest.raises(WeightsError, match="background mode is 'subtract'"):
        convert(save(tmp_path / "a.pt", content), tmp_path / "weights", "tracknet_v3")


def test_a_pickle_with_code_in_it_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for content in ({"model": TENSORS, "args": argparse.Namespace(a=1)}, {"model": TENSORS, "trap": Trap()}):
        with pytest.raises(WeightsError, match="nothing else is unpickled"):
            read_checkpoint(save(tmp_path / "a.pt", content))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pt", b"", "damaged or no checkpoint"),
        ("a.pt", b"hello", "damaged or no checkpoint"),
        ("a.pt", b'{"lr": 1}', "damaged or no checkpoint"),
        ("a.safetensors", b"hello", "damaged or no checkpoint"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_checkpoint(tmp_path / name)
    assert name in str(caught.value)


def test_a_checkpoint_that_was_cut_off_anywhere(tmp_path):
    """One in the format of torch before 1.6, a row of pickles, which ends in many errors."""
    path = tmp_path / "old.pth"
    torch.save({"a": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(WeightsError, match="old.pth"):
            read_checkpoint(path)


def test_checkpoints_without_a_state_dict(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_checkpoint(tmp_path / "nothing.pt")
    with pytest.raises(WeightsError, match="no tensors are called epoch, lr"):
        read_checkpoint(save(tmp_path / "a.pt", {"epoch": 1, "lr": 0.1}))
    for content in ([1, 2], {}, torch.zeros(3), {0: torch.zeros(3)}):
        with pytest.raises(WeightsError, match="holds no state dict"):
            read_checkpoint(save(tmp_path / "a.pt", content))


def test_a_window_is_as_long_as_the_checkpoint_says(tmp_path):
    content = {"model": create_model("tracknet_v3", frames=4).state_dict(), "param_dict": {"seq_len": 4}}
    folder = convert(save(tmp_path / "a.pt", content), tmp_path / "weights", "tracknet_v3")
    assert read_config(folder).frames == 4


@pytest.mark.parametrize("length", ["8", -1, None, [8], 8.0])
def test_a_window_is_a_number_of_frames(tmp_path, length):
    content = {"model": state("tracknet_v3"), "param_dict": {"seq_len": length}}
    with pytest.raises(WeightsError, match="its seq_len is .*, not a number of frames"):
        convert(save(tmp_path / "a.pt", content), tmp_path / "weights", "tracknet_v3")


def test_files_of_others_are_not_written_over_and_facts_of_our_own_stay(tmp_path):
    checkpoint, folder = save(tmp_path / "a.pt", TENSORS), tmp_path / "weights"
    convert(checkpoint, folder, "inpaintnet")
    for name in ("README.md", "config.json"):
        project = tmp_path / name
        project.mkdir()
        (project / name).write_text("mine")
        with pytest.raises(WeightsError, match=f"{name}: is there and is not of weights: choose another folder"):
            convert(checkpoint, project, "inpaintnet")
        assert [path.read_text() for path in project.iterdir()] == ["mine"]
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"licence": "not stated"', '"licence": "mit"'))
    convert(folder / "model.safetensors", folder, "inpaintnet")
    assert read_config(folder).licence == "mit"


def test_the_command(tmp_path):
    checkpoint, folder = save(tmp_path / "a.pt", TENSORS), tmp_path / "weights"
    result = CliRunner().invoke(app, ["convert", str(checkpoint), str(folder), "--model", "inpaintnet"])
    assert result.exit_code == 0 and str(folder) in result.output
    assert read_config(folder).model == "inpaintnet"
    for name, message in [("tracknet_v2", "looks like inpaintnet"), ("tracknet_v9", "no model is called")]:
        result = CliRunner().invoke(app, ["convert", str(checkpoint), str(tmp_path / "other"), "--model", name])
        assert result.exit_code == 1 and result.output.startswith("error: ") and message in result.output
        assert result.output.count("\n") == 1 and not (tmp_path / "other").exists()
