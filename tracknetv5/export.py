"""Networks as ONNX files that describe themselves: one input size, any number of windows.

Inputs `frames` (batch, T, 3, H, W) float32 in [0, 1] and, where the network takes one, `background`
(batch, 3, H, W); output `heatmaps` (batch, T, H, W), probabilities. The metadata holds the weights' `config.json`
under `config`, and in words what comes before and after the network.
"""

import hashlib
import json
import os
import tempfile
import warnings
from copy import deepcopy
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from huggingface_hub import cached_assets_path
from torch import Tensor, nn

from tracknetv5.runtime import ONNX_PACKAGES, OnnxRuntime, fold_norms
from tracknetv5.weights import WeightsConfig, WeightsError, parse_config

OPSET = 20


class _Heatmaps(nn.Module):
    """A network whose output is probabilities, which is all that its users want of it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, frames: Tensor, background: Tensor | None = None) -> Tensor:
        return torch.sigmoid(self.model(frames) if background is None else self.model(frames, background))


def export_onnx(model: nn.Module, config: WeightsConfig, path: Path) -> None:
    """Write a network and the facts about its weights as one ONNX file of opset 20, complete or not at all.

    Gaps are not filled by it: a rectifier stays behind.

    Raises:
        ValueError: a network that sees no frames, or the packages that export are not installed.
        OSError: the file cannot be written.
    """
    if config.height is None:
        raise ValueError(f"{config.model} fills gaps and sees no frames: only networks that find balls are exported")
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a directory: name a file in it")
    if missing := [name for name in ONNX_PACKAGES if not find_spec(name)]:
        names = ", ".join(missing)
        raise ValueError(f'{names} not installed: in a copy of the project, pip install -e ".[onnx]"')
    model = fold_norms(deepcopy(model).eval().cpu().to(memory_format=torch.contiguous_format))
    frames = torch.zeros(2, config.frames, 3, config.height, config.width)  # 2: a batch of 1 would be taken as fixed
    inputs = {"frames": frames} | ({"background": frames[:, 0]} if config.background else {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own use of torch
        program = torch.onnx.export(
            _Heatmaps(model),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=["heatmaps"],
            dynamic_shapes=tuple({0: torch.export.Dim("batch")} for _ in inputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    config = replace(config, options=asdict(model.options), rectifier=False)
    program.model.metadata_props.update(
        config=json.dumps(asdict(config)),
        preprocessing=(
            f"{config.frames} consecutive {config.channel_order} frames, divided by 255, each scaled by area averaging "
            f"to fit {config.width} x {config.height} pixels without distortion, centred on black"
            + ("; background: the median of the clip's frames, prepared alike" if config.background else "")
        ),
        postprocessing=(
            "heatmaps of windows that see the same frame are averaged; the ball is at the highest peak above "
            f"{config.threshold:g}: the mean position, weighted by heat, of the connected pixels around it that reach "
            "half its height; tracknetv5 also weighs all peaks of the frames before and after against each other"
        ),
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        program.save(partial, external_data=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_onnx(path: Path) -> tuple[OnnxRuntime, WeightsConfig]:
    """The network in a file of `export_onnx`, ready to compute, and the facts about its weights.

    Raises:
        WeightsError: no such file, not a readable one, or one that does not say what it takes.
        ValueError: ONNX Runtime is not installed.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; tracknetv5 export makes one from a folder of weights")
    try:
        network = OnnxRuntime(path.read_bytes())
    except ValueError:
        raise
    except Exception as error:  # ONNX Runtime has a dozen unrelated ones
        raise WeightsError(f"{path}: not a readable ONNX file: {' '.join(str(error).split())}") from error
    if "config" not in network.metadata:
        raise WeightsError(f"{path}: does not say what its network takes: make the file with tracknetv5 export")
    config = parse_config(network.metadata["config"], path)
    pictures = [3, config.height, config.width]
    expected = {"frames": [config.frames, *pictures]} | ({"background": pictures} if config.background else {})
    if (takes := {spec.name: spec.shape[1:] for spec in network.session.get_inputs()}) != expected:
        raise WeightsError(f"{path}: its network takes {takes}, its metadata say {expected}: export the weights anew")
    return network, config


def cached_onnx(model: nn.Module, config: WeightsConfig) -> bytes:
    """The content of `export_onnx`, made once for each network and kept in the user's cache (that of the Hub).

    Errors as in `export_onnx`; a cache that cannot be written is done without.
    """
    key = _key(model, config)
    try:
        folder = cached_assets_path("tracknetv5", subfolder="onnx")
        for path in folder.glob(f"{key}-*.onnx"):
            content = path.read_bytes()
            if path.stem == f"{key}-{_hash(content)}":
                return content
            path.unlink()  # damaged
    except (OSError, ValueError):
        folder = None
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "model.onnx"
        export_onnx(model, config, made)
        content = made.read_bytes()
    if folder is not None:
        partial = folder / f".{key}.{os.getpid()}.part"
        try:
            partial.write_bytes(content)
            partial.replace(folder / f"{key}-{_hash(content)}.onnx")
        except OSError:
            partial.unlink(missing_ok=True)
    return content


def _key(model: nn.Module, config: WeightsConfig) -> str:
    """A name for the file, from all that decides what is in it: weights, facts, code and versions."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    versions = {name: version(name) for name in ("torch", "onnx", "onnxscript") if find_spec(name)}
    digest.update(json.dumps([asdict(config), asdict(model.options), versions]).encode())
    here = Path(__file__)
    for source in [here, *sorted((here.parent / "models").glob("*.py"))]:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
