"""Folders of weights: saved, restored with nothing else said, and refused when something is wrong with them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from stand_ins import SMALL

from tracknetv5 import BallTracker, WeightsError, create_model, list_models
from tracknetv5.card import model_card
from tracknetv5.weights import (
    NOT_STATED,
    PRETRAINED,
    WeightsConfig,
    available,
    load_weights,
    read_config,
    resolve,
    round_weights,
    save_weights,
)


def small(name: str = "tracknet_v5_lite", **options) -> torch.nn.Module:
    torch.manual_seed(0)
    return create_model(name, **SMALL | options).eval()


@pytest.fixture
def folder(tmp_path):
    """Small weights, saved the way the trainer does."""
    config = WeightsConfig(model="tracknet_v5_lite", options={}, height=32, width=64, frames=3)
    return save_weights(small(), tmp_path / "weights", config, half=True)


def edit(folder, **entries):
    path = folder / "config.json"
    content = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


def test_a_folder_restores_the_network_with_nothing_else_said(folder):
    model, config = load_weights(folder)
    assert not model.training
    assert model.options == small().options
    assert (config.height, config.width, config.frames, config.licence) == (32, 64, 3, NOT_STATED)
    frames = torch.rand(1, 3, 3, 32, 64)
    with torch.inference_mode():
        rounded = small()
        rounded.load_state_dict(round_weights(rounded.state_dict()))
        expected = rounded(frames)
        assert torch.equal(model(frames), expected)
        assert torch.equal(create_model("tracknet_v5_lite", pretrained=str(folder))(frames), expected)
        torch.testing.assert_close(BallTracker.from_pretrained(folder, device="cpu").model(frames), expected)


def test_the_files(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    tensors = load_file(folder / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values() if tensor.ndim > 1} == {torch.float16}
    # statistics of batch norm keep their precision: a small variance would not survive
    assert {tensor.dtype for name, tensor in tensors.items() if "running" in name} == {torch.float32}
    facts = json.loads((folder / "config.json").read_text())
    assert facts["options"]["widths"] == [8, 16] and facts["options"]["attention"] == "divided"
    assert facts["format_version"] == 1 and facts["precision"] == "float16"


def test_saving_again_gives_the_same_tensors(folder, tmp_path):
    tracker = BallTracker.from_pretrained(folder)
    tracker.save_pretrained(tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert read_config(tmp_path / "again") == read_config(folder)
    card = (tmp_path / "again" / "README.md").read_text()
    assert "library_name: tracknetv5" in card and "not stated" in card
    assert (tmp_path / "again" / "picture.jpg").stat().st_size > 1000
    tracker.config = replace(tracker.config, metrics={"somewhere": {"f1": 0.1234}})
    tracker.save_pretrained(tmp_path / "again")
    assert "| somewhere | 0.123 |" in (tmp_path / "again" / "README.md").read_text()


def test_the_settings_of_a_tracker_are_saved_and_what_was_measured_with_others_is_not(folder, tmp_path):
    edit(folder, metrics={"somewhere": {"f1": 0.1234}})
    BallTracker.from_pretrained(folder, threshold=0.7, step=1).save_pretrained(tmp_path / "again")
    config = read_config(tmp_path / "again")
    assert (config.threshold, config.step, config.metrics) == (0.7, 1, {})
    assert "0.123" not in (tmp_path / "again" / "README.md").read_text()


def test_a_name_means_one_thing(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (bundled,) = available()
    own = folder.rename(tmp_path / bundled)
    assert resolve(Path(bundled)) == Path(bundled) and resolve(f"./{bundled}").samefile(own)
    assert resolve() == PRETRAINED / bundled
    with pytest.raises(WeightsError, match=f"write ./{bundled}"):
        resolve(bundled)
    for name in (None, own):
        with pytest.raises(WeightsError, match="no revision v9"):
            resolve(name, revision="v9")


def test_a_card_says_how_sure_its_figures_are(folder):
    figures = {"f1": 0.8, "f1_95": [0.7123, 0.9], "recall": 0.75}
    edit(folder, metrics={"all, 90 frames": figures, "tennis": {"f1": 0.5, "clips": 2}})
    card = str(model_card(read_config(folder)))
    assert "| measured on | f1 | recall | clips |\n|" in card and "| tennis | 0.500 |  | 2 |" in card
    assert "| all, 90 frames | 0.800 (0.712 to 0.900) | 0.750 |  |" in card and "In brackets: 95 %" in card
    assert "f1_95" not in card
    edit(folder, metrics={"tennis": {"f1": 0.5}})
    assert "95 %" not in str(model_card(read_config(folder)))


def test_a_card_says_what_is_not_in_the_paper(folder):
    assert "beyond that paper" not in str(model_card(read_config(folder)))
    edit(folder, background=True)
    card = str(model_card(read_config(folder)))
    assert "3 frames and the scene without what moves, the median of the pictures around" in card
    assert "beyond that paper it is given the background" in card


def test_weights_are_saved_over_older_ones(folder, monkeypatch):
    def rename(path, target):
        if target.exists():  # as on Windows
            raise FileExistsError(target)
        return path.replace(target)

    monkeypatch.setattr(Path, "rename", rename)
    model, config = load_weights(folder)
    save_weights(model, folder, replace(config, threshold=0.25), half=True)
    assert load_weights(folder)[1].threshold == 0.25


def test_a_save_that_is_broken_off_leaves_the_older_weights_whole(folder, monkeypatch):
    config = read_config(folder)

    def half_the_tensors(_, path, **__):
        path.write_bytes(b"half")
        raise OSError("disk full")

    def half_the_config(path, *_, **__):
        path.write_bytes(b"{")
        raise OSError("disk full")

    steps = {"tracknetv5.weights.save_file": half_the_tensors, "pathlib.Path.write_text": half_the_config}
    for name, broken in steps.items():
        with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
            patch.setattr(name, broken)
            save_weights(small(stem_width=16), folder, config, half=True)
        assert load_weights(folder)[0].options == small().options


def test_the_card_of_bundled_weights_is_the_one_that_is_written_today():
    for name in available():
        assert (PRETRAINED / name / "README.md").read_text() == str(model_card(read_config(PRETRAINED / name)))


def test_weights_may_bring_a_rectifier(folder, tmp_path):
    model, config = load_weights(folder)
    facts = WeightsConfig(model="inpaintnet", options={}, frames=16, height=None, width=None)
    rectifier = create_model("inpaintnet").eval()
    both = save_weights(model, tmp_path / "both", config, rectifier=(rectifier, facts))
    tracker = BallTracker.from_pretrained(both)
    assert torch.equal(tracker.rectifier[0].head.weight, rectifier.head.weight)
    tracker.save_pretrained(tmp_path / "again")
    assert BallTracker.from_pretrained(tmp_path / "again").rectifier is not None
    (both / "rectifier" / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="rectifier.*missing"):
        BallTracker.from_pretrained(both)


def test_an_older_config_without_the_newer_entries(folder):
    edit(folder, **{key: ... for key in ("ensemble", "rectifier", "precision", "provenance", "background", "step")})
    _, config = load_weights(folder)
    assert (config.ensemble, config.rectifier, config.background, config.step) == ("mean", False, False, 3)
    assert WeightsConfig(model="tracknet_v3", options={}, frames=8).step == 8


# --- errors


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        (dict(format_version=2), "format version 2, this package reads up to 1: upgrade"),
        (dict(format_version=...), "no format_version"),
        (dict(sha256="0" * 64), "damaged: its SHA-256 is not the one.*delete .*model.safetensors"),
        (dict(colour="red"), "unknown entry 'colour'"),
        (dict(model=...), "incomplete"),
        (dict(model="tracknet_v6"), "no model is called 'tracknet_v6'"),
        (dict(model="tracknet_v2_lite"), "tracknet_v2_lite has no such option"),
        (dict(options=SMALL | {"widths": [8, 32]}), "do not fit the model: .*expected"),
        (dict(options={"wings": 2}), "has no such option"),
        (dict(options=SMALL | {"pretrained": "tracknet_v5_lite"}), "a network has no option pretrained"),
        (dict(options=SMALL | {"stem": 0}), "config.json: stem must be 1 pixel or more, not 0"),
        (dict(options={"attention": "sparse"}), '"joint" or "divided"'),
        (dict(options={"heads": 3}), "config.json: dim 64 must be a multiple of the 3 heads"),
        (dict(options={"dim": -8}), "config.json: dim must be 1 or more, not -8"),
        (dict(options={"heads": 0}), "config.json: heads must be 1 or more, not 0"),
        (dict(options={"grid": [1]}), "config.json: grid must be .rows, columns. of patches"),
        (dict(options={"widths": None}), "config.json: tracknet_v5_lite cannot have the options"),
        (dict(height=100), "config.json: height and width must be multiples of 16, not 100 x 64"),
        (dict(licence=None), "licence must be text, not None"),
        (dict(sports=None), "sports must be a list of names, not None"),
        (dict(metrics={"val": {"f1": "high"}}), "metrics must be tables of numbers"),
        (dict(options=[1]), "must be tables"),
        (dict(sports="tennis"), "sports must be a list of names, not 'tennis'"),
        (dict(frames=4), "frames is 4, in its options 3"),
        (dict(background=True), "background is True, and the network takes none"),
        (dict(frames=0), "frames must be 1 or more"),
        (dict(step=9), "step must lie between 1 and the 3"),
        (dict(threshold=1.5), "threshold must lie between 0 and 1"),
        (dict(threshold="high"), "threshold must lie between 0 and 1"),
        (dict(height=-1), "height and width must be pixels"),
        (dict(width=None), "height and width must be pixels"),
        (dict(channel_order="GRB"), "channel_order must be RGB or BGR, not 'GRB'"),
        (dict(resize="lanczos"), "resize must be area"),
        (dict(ensemble="median"), "ensemble must be mean or triangular"),
    ],
)
def test_configs_that_cannot_be(folder, entries, message):
    edit(folder, **entries)
    with pytest.raises(WeightsError, match=message) as caught:
        load_weights(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1j])
def test_numbers_that_cannot_be_weights(folder, value):
    tensors = load_file(folder / "model.safetensors")
    tensors["head.conv.weight"] = tensors["head.conv.weight"].float() * value
    save_file(tensors, folder / "model.safetensors")
    edit(folder, sha256="")
    with pytest.raises(WeightsError, match="head.conv.weight is not made of finite real numbers"):
        load_weights(folder)


def test_no_name_is_no_folder():
    with pytest.raises(WeightsError, match="no weights are named"):
        resolve("")


def test_damaged_and_missing_files(folder):
    tensors, config = folder / "model.safetensors", folder / "config.json"
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged: its SHA-256"):
        load_weights(folder)
    edit(folder, sha256="")
    tensors.write_bytes(content[:100])
    with pytest.raises(WeightsError, match="not readable"):
        load_weights(folder)
    tensors.unlink()
    with pytest.raises(WeightsError, match="model.safetensors: missing"):
        load_weights(folder)
    config.write_text("{")
    with pytest.raises(WeightsError, match="config.json: not readable"):
        load_weights(folder)
    config.unlink()
    with pytest.raises(WeightsError, match="config.json: missing"):
        load_weights(folder)


def test_all_mismatched_tensors_are_listed(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["head.conv.weight"], tensors["mdd.attention.a"]
    save_file(tensors | {"extra": torch.zeros(1), "mdd.attention.b": torch.zeros(2)}, path)
    edit(folder, sha256="")
    with pytest.raises(WeightsError) as caught:
        load_weights(folder)
    for part in ("missing head.conv.weight", "missing mdd.attention.a", "unexpected extra", "b is (2,), expected ()"):
        assert part in str(caught.value)


def test_pretrained_is_checked_against_what_was_asked_for(folder):
    with pytest.raises(WeightsError, match="weights of tracknet_v5_lite, not of tracknet_v2"):
        create_model("tracknet_v2", pretrained=folder)
    with pytest.raises(WeightsError, match=r"its layers is 1, not 3"):
        create_model("tracknet_v5_lite", pretrained=folder, layers=3)
    assert create_model("tracknet_v5_lite", pretrained=folder, layers=1, widths=[8, 16]).options.layers == 1


def test_names_without_published_weights_say_which_have_some():
    for name in set(list_models()) - set(available()):
        with pytest.raises(WeightsError, match=f"{name} has no published weights; these have: "):
            create_model(name, pretrained=True)


def test_where_weights_can_be(folder, tmp_path, monkeypatch):
    assert resolve(folder) == folder and resolve(str(folder)) == folder
    monkeypatch.chdir(tmp_path)
    assert resolve("weights").samefile(folder)
    with pytest.raises(WeightsError, match="is a file, not a folder of weights: .*tracknetv5 convert"):
        resolve(folder / "config.json")
    for name in ("nowhere", "./no/where", "/no/where", "a/b/c"):
        with pytest.raises(WeightsError, match="no such folder of weights; give a folder, a Hub id"):
            resolve(name)
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        resolve("not a/valid id")


def test_16_bits_are_for_matrices_of_floats_alone_and_change_no_fact(folder):
    tensors = load_file(folder / "model.safetensors")
    counters = [tensors.pop(name) for name in list(tensors) if name.endswith("num_batches_tracked")]
    assert {counter.dtype for counter in counters} == {torch.int64}
    assert {tensor.dtype for tensor in tensors.values() if tensor.ndim < 2} == {torch.float32}
    config = read_config(folder)
    assert replace(config, sha256="", precision="float32", options={}) == WeightsConfig(
        model="tracknet_v5_lite", options={}, height=32, width=64
    )
