"""What computes a network: torch or ONNX Runtime behind one call.

A runtime is called with windows (B, T, 3, H, W) float32 in [0, 1] and, for networks that take one, backgrounds
(B, 3, H, W); it returns the heatmaps, probabilities (B, T, H, W) float32, as an array.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from copy import deepcopy
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tracknetv5.models.rstr import Attention
from tracknetv5.models.unet import Stem

Runtime = Callable[..., np.ndarray]

RUNTIMES = ("auto", "torch", "onnx")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
ONNX_PACKAGES = ("onnxruntime", "onnx", "onnxscript")  # to compute, and to make the file that is computed


class TorchRuntime:
    """A network in torch, on any device, made ready to be computed again and again."""

    def __init__(self, model: nn.Module, device: torch.device, precision: str = "float32", compiled: bool = False):
        """`precision`: one of PRECISIONS but "auto"; `compiled`: by `torch.compile`, at the first window."""
        self.model = fold_norms(model.eval())
        self.device = device
        self.precision = None if precision == "float32" else getattr(torch, precision)
        if self.precision is not None:
            self.model = deepcopy(self.model)
            _halve(self.model, self.precision)
        self.model = self.model.to(device, memory_format=torch.channels_last)
        self._compiling = compiled  # until the first window is through
        if compiled:
            self.model.compile()

    @torch.inference_mode()
    def __call__(self, *inputs: Tensor) -> np.ndarray:
        """Raises ValueError if the network cannot be compiled."""
        autocast = nullcontext() if self.precision is None else torch.autocast(self.device.type, self.precision)
        try:
            with autocast:
                logits = self.model(*(each.to(self.device) for each in inputs))
        except RuntimeError as error:
            if not self._compiling:
                raise
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"the network cannot be compiled ({reason}): on a CPU, that takes a C++ compiler such as g++; or leave "
                "compiling out"
            ) from error
        self._compiling = False
        return torch.sigmoid(logits.float()).cpu().numpy()


class OnnxRuntime:
    """A network that was exported (`tracknetv5.export`), in ONNX Runtime, on the CPU."""

    def __init__(self, content: bytes):
        """Raises ValueError if ONNX Runtime is not installed, and an error of its own for content it cannot load."""
        try:
            import onnxruntime  # an extra: torch alone does everything else
        except ImportError as error:
            remedy = 'in a copy of the project, pip install -e ".[onnx]"'
            raise ValueError(f"onnxruntime is not installed: {remedy}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1  # the networks are chains: there is little to run side by side
        # Threads that wait for the next window by spinning would take the decoder's core.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self.metadata = self.session.get_modelmeta().custom_metadata_map

    def __call__(self, *inputs: Tensor) -> np.ndarray:
        named = zip(self.session.get_inputs(), inputs, strict=True)
        return self.session.run(None, {spec.name: each.contiguous().numpy() for spec, each in named})[0]


def fold_norms(model: nn.Module) -> nn.Module:
    """A copy of a network in evaluation mode in which each batch norm that follows a convolution is part of it.

    The network itself where there is none to fold: behind a ReLU (V2, V4, V5 at full size) a norm stays.
    """
    if not any(_foldable(model)):
        return model
    folded = deepcopy(model)
    for unit, conv, norm in list(_foldable(folded)):
        setattr(unit, conv, fuse_conv_bn_eval(getattr(unit, conv), getattr(unit, norm)))
        setattr(unit, norm, nn.Identity())
    return folded


def _foldable(model: nn.Module) -> Iterator[tuple[nn.Sequential, str, str]]:
    """(sequence, name of the convolution in it, name of the norm right behind it)"""
    for unit in model.modules():
        if isinstance(unit, nn.Sequential):
            for (first, conv), (second, norm) in pairwise(unit.named_children()):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    yield unit, first, second


def _halve(model: nn.Module, precision: torch.dtype) -> None:
    """Round the weights that autocast would round at every call, in place; a stem stays in 32 bits."""
    for module in model.children():
        if isinstance(module, nn.Conv2d | nn.Linear | Attention):
            module.to(precision)
        elif not isinstance(module, Stem):
            _halve(module, precision)


def fastest_precision(model: nn.Module, device: torch.device) -> str:
    """What `precision="auto"` takes for a network in torch: 16 bits where the device multiplies matrices of them.

    On a CPU, that is one with AMX or AVX-512 BF16, and only networks whose stem stays in 32 bits (the lite sizes) are
    computed so: pixels themselves are too fine for bfloat16.
    """
    if device.type == "cuda":
        return "float16"
    stem = any(isinstance(module, Stem) for module in model.modules())
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # older torch does not say
    multiplies = any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16"))
    return "bfloat16" if device.type == "cpu" and stem and multiplies else "float32"


def fastest(model: nn.Module, device: torch.device) -> str:
    """The runtime that `runtime="auto"` takes.

    ONNX Runtime, if it is installed, computes the published sizes faster on a CPU; the lite sizes are as fast in torch
    (`benchmarks/results/speed-*.json`), which starts without an export. On a GPU, torch.
    """
    published = getattr(model.options, "stem", None) == 1
    return "onnx" if device.type == "cpu" and published and all(map(find_spec, ONNX_PACKAGES)) else "torch"


def available_cores() -> int:
    """Cores that this process may use: by affinity, and by the quota of a Linux container, which torch does not see."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no such file, or "max": no quota
        quota, period = map(int, Path("/sys/fs/cgroup/cpu.max").read_text().split())
        cores = min(cores, max(1, round(quota / period)))
    return cores


def keep_freed_memory() -> None:
    """Keep memory that tensors free for the next ones, where the C library is glibc: a CPU tracks a tenth faster.

    It would give large blocks back to the system each time, which then clears every page again. It holds for the whole
    process, so a program calls it, not the library.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 2**30)  # bytes from which a block is a mapping of its own
        libc.mallopt(m_trim_threshold, 2**31 - 1)  # free bytes at the end of the heap from which they are given back
