"""One call, the same numbers from every runtime, and no more threads than cores."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tracknetv5 import runtime
from tracknetv5.models import create_model
from tracknetv5.models.unet import ConvUnit, Stem
from tracknetv5.runtime import OnnxRuntime, TorchRuntime, available_cores, fold_norms

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]


def network(name: str, **options) -> nn.Module:
    """A random network whose norms are far from the identity, as training leaves them."""
    torch.manual_seed(0)
    model = create_model(name, **options).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.3, 0.3)
            norm.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return model


@torch.inference_mode()
def test_norms_behind_convolutions_are_folded_and_the_rest_stays():
    model = network("tracknet_v5_lite")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = fold_norms(model)
    kinds = [type(module) for module in folded.modules()]
    assert nn.BatchNorm2d not in kinds and kinds.count(ConvUnit) + kinds.count(Stem) == kinds.count(nn.Identity) > 10
    frames = torch.rand(2, 3, 3, 64, 128)
    torch.testing.assert_close(folded(frames).sigmoid(), model(frames).sigmoid(), atol=1e-5, rtol=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    behind_relu = network("tracknet_v2")
    assert fold_norms(behind_relu) is behind_relu


def test_torch_gives_probabilities_as_an_array():
    model = network("tracknet_v2_lite")
    frames = torch.rand(2, 3, 3, 32, 64)
    heatmaps = TorchRuntime(model, CPU)(frames)
    assert heatmaps.shape == (2, 3, 32, 64) and heatmaps.dtype == np.float32
    with torch.no_grad():
        np.testing.assert_allclose(heatmaps, model(frames).sigmoid(), atol=1e-5)


def test_autocast_computes_in_16_bits_and_answers_in_32():
    model = network("tracknet_v5_lite")
    frames = torch.rand(1, 3, 3, 64, 128)
    exact, rounded = (TorchRuntime(model, CPU, half)(frames) for half in (None, torch.bfloat16))
    assert rounded.dtype == np.float32
    assert 1e-5 < np.abs(rounded - exact).max() < 0.1


def test_the_published_sizes_run_in_onnxruntime_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(runtime, "find_spec", lambda name: name)
    published, lite = create_model("tracknet_v2"), create_model("tracknet_v2_lite")
    assert [runtime.fastest(model, CPU) for model in (published, lite)] == ["onnx", "torch"]
    assert runtime.fastest(published, torch.device("cuda")) == "torch"
    monkeypatch.setattr(runtime, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert runtime.fastest(published, CPU) == "torch"


def test_without_onnxruntime_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install tracknetv5\[onnx\]"):
        OnnxRuntime(b"")


@pytest.mark.parametrize(
    ("quota", "cores"), [("150000 100000", 2), ("20000 100000", 1), ("max 100000", 8), ("900000 100000", 8)]
)
def test_the_quota_of_a_container_counts(monkeypatch, quota, cores):
    monkeypatch.setattr(runtime.os, "sched_getaffinity", lambda process: range(8), raising=False)
    monkeypatch.setattr(runtime.Path, "read_text", lambda path: quota)
    assert available_cores() == cores


def test_freed_memory_is_kept():
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("not glibc")
    code = (
        "import numpy as np; from resource import getrusage; from tracknetv5.runtime import keep_freed_memory\n"
        "{}\n"
        "def work(): a, b = np.ones(6_000_000, np.uint8), np.ones(9_000_000, np.uint8)\n"
        "work(); before = getrusage(0).ru_minflt\n"
        "for _ in range(100): work()\n"
        "print(getrusage(0).ru_minflt - before)"
    )
    given_back, kept = (
        int(subprocess.run([sys.executable, "-c", code.format(call)], capture_output=True, check=True, cwd=ROOT).stdout)
        for call in ("", "keep_freed_memory()")
    )
    assert kept < 100 <= given_back
