"""One call, the same numbers from every runtime, and no more threads than cores."""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from stand_ins import network
from torch import nn

from tracknetv5 import runtime
from tracknetv5.models import create_model
from tracknetv5.models.unet import ConvUnit, Stem
from tracknetv5.runtime import OnnxRuntime, TorchRuntime, available_cores, fastest_precision, fold_norms

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[1]


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


SMALL = dict(widths=(8, 16), depths=(1, 1), dim=16, layers=1, feedforward=32)


@pytest.mark.parametrize(
    ("name", "options"), [("tracknet_v5_lite", {}), ("tracknet_v4_lite", {}), ("tracknet_v5", SMALL)]
)
def test_16_bits_are_those_of_autocast_and_the_answer_has_32(name, options):
    model = network(name, **options)
    frames = torch.rand(1, 3, 3, 64, 128)
    exact, rounded = (TorchRuntime(model, CPU, precision)(frames) for precision in ("float32", "bfloat16"))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = fold_norms(model)(frames).float().sigmoid().numpy()
    np.testing.assert_array_equal(rounded, expected)
    assert rounded.dtype == np.float32
    assert 1e-5 < np.abs(rounded - exact).max() < 0.1


def test_weights_are_rounded_once_and_neither_a_stem_nor_the_given_network_is():
    given = network("tracknet_v5_lite")
    model = TorchRuntime(given, CPU, "bfloat16").model
    assert model.backbone.stem.conv.weight.dtype == torch.float32
    halved = [model.head.conv, model.rstr.embed, model.rstr.encoder[0].space, model.rstr.encoder[0].feedforward[0]]
    assert {weight.dtype for part in halved for weight in part.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in given.parameters()} == {torch.float32}
    published = network("tracknet_v2")
    assert TorchRuntime(published, CPU, "bfloat16").model.head.conv.weight.dtype == torch.bfloat16
    assert published.head.conv.weight.dtype == torch.float32


def test_16_bits_are_chosen_where_they_are_fast_and_fine_enough(monkeypatch):
    lite, published = create_model("tracknet_v5_lite"), create_model("tracknet_v2")
    assert fastest_precision(published, torch.device("cuda")) == "float16"
    for known, expected in (({"amx_bf16"}, "bfloat16"), ({"avx512_bf16"}, "bfloat16"), ({"avx512_f"}, "float32")):
        capabilities = {name: name in known for name in ("amx_bf16", "avx512_bf16", "avx512_f")}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda of=capabilities: of, raising=False)
        assert fastest_precision(lite, CPU) == expected
        assert fastest_precision(published, CPU) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert fastest_precision(lite, CPU) == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_compiled_network_gives_the_same_numbers(monkeypatch, precision):
    whole = []
    compile = nn.Module.compile

    def traced(module):  # by the tracer itself, but without its C++ compiler, which takes long
        whole.append(module)
        compile(module, backend="eager", fullgraph=True)

    monkeypatch.setattr(nn.Module, "compile", traced)
    model = network("tracknet_v5_lite")
    frames = torch.rand(1, 3, 3, 32, 64)
    plain, compiled = (TorchRuntime(model, CPU, precision, compiled) for compiled in (False, True))
    np.testing.assert_allclose(compiled(frames), plain(frames), atol=1e-6)
    assert whole == [compiled.model]


def test_without_a_compiler_the_error_names_it(monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nand much more")

    monkeypatch.setattr(nn.Module, "compile", lambda module: monkeypatch.setattr(module, "forward", broken))
    compiled = TorchRuntime(network("tracknet_v2_lite"), CPU, compiled=True)
    with pytest.raises(ValueError, match=r"cannot be compiled \(InvalidCxxCompiler: No working .* found\): .*g\+\+"):
        compiled(torch.rand(1, 3, 3, 32, 64))


def test_the_published_sizes_run_in_onnxruntime_where_it_is_installed(monkeypatch):
    monkeypatch.setattr(runtime, "find_spec", lambda name: name)
    published, lite = create_model("tracknet_v2"), create_model("tracknet_v2_lite")
    assert [runtime.fastest(model, CPU) for model in (published, lite)] == ["onnx", "torch"]
    assert runtime.fastest(published, torch.device("cuda")) == "torch"
    monkeypatch.setattr(runtime, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert runtime.fastest(published, CPU) == "torch"


def test_without_onnxruntime_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"in a copy of the project, pip install -e \"\.\[onnx\]\""):
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
