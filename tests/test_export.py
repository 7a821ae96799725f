"""ONNX files give the probabilities of the networks they come from, and need nothing else said."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from stand_ins import network  # noqa: E402

from tracknetv5 import export  # noqa: E402
from tracknetv5.cli import app  # noqa: E402
from tracknetv5.export import cached_onnx, export_onnx, load_onnx  # noqa: E402
from tracknetv5.models import list_models  # noqa: E402
from tracknetv5.runtime import TorchRuntime  # noqa: E402
from tracknetv5.tracker import BallTracker  # noqa: E402
from tracknetv5.weights import WeightsConfig, WeightsError, save_weights  # noqa: E402

HEIGHT, WIDTH = 32, 64
SMALL = dict(widths=(16, 16), depths=(1, 1), stem_width=16, dim=16, layers=1)


def facts(name: str, **others) -> WeightsConfig:
    frames = dict(frames=8, background=True, ensemble="triangular") if name == "tracknet_v3" else {}
    return WeightsConfig(model=name, options={}, height=HEIGHT, width=WIDTH, **(frames | others))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    config = facts("tracknet_v5_lite", channel_order="BGR", threshold=0.3, step=1)
    return save_weights(network("tracknet_v5_lite", **SMALL), folder, config)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(export, "cached_assets_path", lambda library, subfolder: folder)
    return folder


@pytest.mark.parametrize("name", [name for name in list_models() if name != "inpaintnet"])
def test_every_network_gives_the_same_probabilities(tmp_path, name):
    one_of_its_layers = dict(layers=1) if "v5" in name or "rstr" in name else {}  # all are alike
    model, config = network(name, **one_of_its_layers), facts(name)
    export_onnx(model, config, tmp_path / "x.onnx")
    exported, read = load_onnx(tmp_path / "x.onnx")
    assert read == replace(config, options=read.options) and read.options["widths"] == list(model.options.widths)
    for batch in (1, 3):
        inputs = (torch.rand(batch, config.frames, 3, HEIGHT, WIDTH), torch.rand(batch, 3, HEIGHT, WIDTH))
        inputs = inputs[: 1 + config.background]
        heatmaps = exported(*inputs)
        assert heatmaps.std() > 0.01
        np.testing.assert_allclose(heatmaps, TorchRuntime(model, torch.device("cpu"))(*inputs), atol=1e-4, rtol=0)


def test_a_file_loads_with_nothing_else_said(tmp_path, weights):
    result = CliRunner().invoke(app, ["export", str(tmp_path / "sub" / "x.onnx"), "--weights", str(weights)])
    assert result.exit_code == 0 and "opset 20" in result.stdout, result.output
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["x.onnx"]
    tracker = BallTracker.from_pretrained(tmp_path / "sub" / "x.onnx")
    assert (tracker.runtime, tracker.threshold, tracker.step) == ("onnx", 0.3, 1)
    frames = np.random.default_rng(0).integers(0, 256, (5, HEIGHT, WIDTH, 3), np.uint8)
    expected = BallTracker.from_pretrained(weights, runtime="torch", precision="float32").heatmaps(frames)
    for (frame, heatmap), (number, same) in zip(tracker.heatmaps(frames), expected, strict=True):
        assert frame == number
        np.testing.assert_allclose(heatmap, same, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="cannot be looked into: take the weights"):
        tracker.inspect(frames[:3])
    with pytest.raises(ValueError, match="cannot be turned back into weights"):
        tracker.save_pretrained(tmp_path / "saved")
    with pytest.raises(ValueError, match="runtime must be one of auto, onnx .* not 'torch'"):
        BallTracker.from_pretrained(tmp_path / "sub" / "x.onnx", runtime="torch")
    with pytest.raises(WeightsError, match="no revision v2: leave it out"):
        BallTracker.from_pretrained(tmp_path / "sub" / "x.onnx", revision="v2")


def test_the_metadata_says_what_comes_before_and_after(tmp_path, weights):
    import onnx

    export_onnx(BallTracker.from_pretrained(weights).model, facts("tracknet_v5_lite"), tmp_path / "x.onnx")
    model = onnx.load(tmp_path / "x.onnx")
    assert {domain.domain: domain.version for domain in model.opset_import}[""] == 20
    shapes = [
        [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [["batch", 3, 3, HEIGHT, WIDTH], ["batch", 3, HEIGHT, WIDTH]]
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["config"])["threshold"] == 0.5
    assert "3 consecutive RGB frames" in told["preprocessing"] and "highest peak above 0.5" in told["postprocessing"]


def test_the_runtime_onnx_exports_once_and_gives_the_same_heatmaps(weights, cache, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH, 3), np.uint8)
    heatmaps = [
        np.stack([heatmap for _, heatmap in tracker.heatmaps(frames)])
        for tracker in (
            BallTracker.from_pretrained(weights, runtime="torch", precision="float32"),
            BallTracker.from_pretrained(weights, runtime="onnx"),
        )
    ]
    np.testing.assert_allclose(*heatmaps, atol=1e-4, rtol=0)
    (path,) = cache.iterdir()
    monkeypatch.setattr(export, "export_onnx", lambda *_: pytest.fail("exported twice"))
    tracker = BallTracker.from_pretrained(weights, runtime="onnx")
    assert tracker.runtime == "onnx" and list(cache.iterdir()) == [path]
    assert tracker.inspect(frames[:3]).logits.shape == (1, 3, HEIGHT, WIDTH)


def test_a_damaged_cache_is_made_anew_and_other_weights_have_their_own(weights, cache, tmp_path, monkeypatch):
    exports = []

    def fake(model, config, path):
        exports.append(path)
        path.write_bytes(b"graph")

    monkeypatch.setattr(export, "export_onnx", fake)
    tracker = BallTracker.from_pretrained(weights, runtime="torch")
    assert cached_onnx(tracker.model, tracker.config) == cached_onnx(tracker.model, tracker.config) == b"graph"
    (path,) = cache.iterdir()
    assert len(exports) == 1
    path.write_bytes(b"grapf")
    assert cached_onnx(tracker.model, tracker.config) == b"graph" and path.read_bytes() == b"graph"
    assert len(exports) == 2 and list(cache.iterdir()) == [path]
    with torch.no_grad():
        tracker.model.head.conv.weight += 1e-3
    cached_onnx(tracker.model, tracker.config)
    assert len(exports) == 3 and len(list(cache.iterdir())) == 2
    monkeypatch.setattr(export, "cached_assets_path", lambda library, subfolder: tmp_path / "nowhere")
    assert cached_onnx(tracker.model, tracker.config) == b"graph"


def test_files_that_do_not_load(tmp_path):
    with pytest.raises(WeightsError, match="no such file; tracknetv5 export"):
        BallTracker.from_pretrained(tmp_path / "x.onnx")
    (tmp_path / "x.onnx").write_bytes(b"not a graph")
    with pytest.raises(WeightsError, match="not a readable ONNX file"):
        BallTracker.from_pretrained(tmp_path / "x.onnx")
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    ])  # fmt: skip
    other = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    (tmp_path / "x.onnx").write_bytes(other.SerializeToString())
    with pytest.raises(WeightsError, match="does not say what its network takes"):
        BallTracker.from_pretrained(tmp_path / "x.onnx")


@pytest.mark.parametrize("change", [{"height": 96}, {"frames": 4}, {"background": True}])
def test_metadata_that_are_not_of_the_network(tmp_path, change):
    import onnx

    path = tmp_path / "x.onnx"
    export_onnx(network("tracknet_v5_lite", **SMALL), facts("tracknet_v5_lite"), path)
    model = onnx.load(path)
    (entry,) = (entry for entry in model.metadata_props if entry.key == "config")
    entry.value = json.dumps(json.loads(entry.value) | change)
    onnx.save(model, path)
    with pytest.raises(WeightsError, match=r"x.onnx: its network takes .*frames.*, its metadata say"):
        BallTracker.from_pretrained(path)


def test_what_cannot_be_exported(tmp_path, weights, monkeypatch):
    with pytest.raises(IsADirectoryError, match="is a directory: name a file in it"):
        export_onnx(network("tracknet_v5_lite", **SMALL), facts("tracknet_v5_lite"), tmp_path)
    with pytest.raises(ValueError, match="sees no frames"):
        export_onnx(network("inpaintnet"), replace(facts("inpaintnet"), height=None, width=None), tmp_path / "x.onnx")
    result = CliRunner().invoke(app, ["export", str(tmp_path / "x"), "--weights", str(weights)])
    assert result.exit_code == 1 and "call it x.onnx" in result.stderr
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ValueError, match=r"onnxscript not installed: .* pip install -e \"\.\[onnx\]\""):
        export_onnx(network("tracknet_v5_lite", **SMALL), facts("tracknet_v5_lite"), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
