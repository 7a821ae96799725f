"""Weights on disk and on the Hugging Face Hub: a folder of `model.safetensors` and `config.json`.

The folder describes itself: architecture and options, preprocessing, decision threshold, licence, training data,
metrics and the hash of the tensors. Nothing is ever unpickled here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tracknetv5.models import create_model

FORMAT_VERSION = 1
TENSORS, CONFIG = "model.safetensors", "config.json"
NOT_STATED = "not stated"
PRETRAINED = Path(__file__).parent / "pretrained"  # weights inside the package, one folder a model name
DEFAULT = "tracknet_v5_lite"


class WeightsError(ValueError):
    """Weights that are missing, damaged or do not fit; the message names them and the remedy."""


@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """The facts that travel with the weights, as in `config.json`."""

    model: str  # name for create_model
    options: Mapping  # every option of the architecture
    height: int = 288  # pixels of the network's input
    width: int = 512
    frames: int = 3  # frames in a window
    background: bool = False  # whether the network also takes the clip's median frame
    channel_order: str = "RGB"  # values in [0, 1]
    resize: str = "area"  # averaging resize, letterboxed with black to keep the aspect ratio
    threshold: float = 0.5  # a heatmap's peak must exceed it to count as a ball
    step: int = 3  # frames between windows
    licence: str = NOT_STATED
    training_data: str = NOT_STATED
    metrics: Mapping = field(default_factory=dict)  # measured figures with their conditions
    sha256: str = ""  # of the tensors' file
    format_version: int = FORMAT_VERSION


def save_weights(model: nn.Module, folder: Path | str, config: WeightsConfig, *, half: bool = False) -> Path:
    """Write `model.safetensors` and `config.json`; `half` stores floating-point tensors in 16 bits.

    Returns:
        The folder. The hash, and the options of the model itself, are written in place of those in `config`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, tensor in model.state_dict().items():
        shrink = half and tensor.dtype == torch.float32
        tensors[name] = tensor.detach().cpu().to(torch.float16 if shrink else tensor.dtype).contiguous()
    # Both files are complete or absent: an interrupted save must not leave a half-written one under the final name.
    partial = folder / f".{TENSORS}.part"
    save_file(tensors, partial, metadata={"format": "pt"})
    config = replace(config, options=asdict(model.options), sha256=file_hash(partial))
    partial.rename(folder / TENSORS)
    partial = folder / f".{CONFIG}.part"
    partial.write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    partial.rename(folder / CONFIG)
    return folder


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available() -> list[str]:
    """Names of the models whose weights come with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))


def resolve(id_or_path: str | Path | None = None, *, revision: str | None = None) -> Path:
    """The local folder of some weights, downloaded if they are on the Hub.

    Args:
        id_or_path: a folder, the name of bundled weights, or a Hub id ("organisation/name"); None for the default.
        revision: branch, tag or commit on the Hub.

    Raises:
        WeightsError: no such folder, name or repository, or the Hub cannot be reached.
    """
    name = str(id_or_path) if id_or_path is not None else DEFAULT
    if name in available():
        return PRETRAINED / name
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WeightsError(
            f"{name}: no such folder of weights; give a folder, a Hub id (organisation/name), "
            f"or one of the bundled names: {', '.join(available()) or 'none'}"
        )
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=[TENSORS, CONFIG]))
    except RepositoryNotFoundError as error:
        raise WeightsError(f"{name}: no such repository on the Hub, or no access to it") from error
    except LocalEntryNotFoundError as error:
        raise WeightsError(f"{name}: not in the cache, and the Hub cannot be reached") from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise WeightsError(f"{name}: cannot be downloaded: {error}") from error


def read_config(folder: Path) -> WeightsConfig:
    """The checked `config.json` of a folder of weights.

    Raises:
        WeightsError: the file is missing or damaged, or written by a newer version.
    """
    path = Path(folder) / CONFIG
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: missing: a folder of weights holds {TENSORS} and {CONFIG}") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not readable: {error}") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise WeightsError(f"{path}: no format_version: not a config of this package")
    if version > FORMAT_VERSION:
        raise WeightsError(f"{path}: format version {version}, this package reads up to {FORMAT_VERSION}: upgrade it")
    known = {item.name for item in fields(WeightsConfig)}
    if unknown := sorted(set(content) - known):
        raise WeightsError(f"{path}: unknown entry {unknown[0]!r}")
    try:
        return WeightsConfig(**content)
    except TypeError as error:
        raise WeightsError(f"{path}: incomplete: {error}") from error


def load_weights(folder: Path) -> tuple[nn.Module, WeightsConfig]:
    """The network in a folder of weights, in evaluation mode and 32-bit, with its config.

    Raises:
        WeightsError: the files are missing, damaged, or do not fit each other.
    """
    folder = Path(folder)
    config = read_config(folder)
    path = folder / TENSORS
    if not path.is_file():
        raise WeightsError(f"{path}: missing: a folder of weights holds {TENSORS} and {CONFIG}")
    if config.sha256 and file_hash(path) != config.sha256:
        raise WeightsError(f"{path}: damaged: its SHA-256 is not the one in {CONFIG}: fetch the weights again")
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not readable: {error}") from error
    model = create_model(config.model, **config.options)
    load_strictly(model, tensors, path)
    return model.eval(), config


def load_strictly(model: nn.Module, tensors: Mapping[str, torch.Tensor], source: Path | str) -> None:
    """Load all tensors into the model, converted to its types.

    Raises:
        WeightsError: missing, unexpected or wrongly shaped tensors, all of them listed.
    """
    expected = model.state_dict()
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if problems:
        raise WeightsError(f"{source}: the tensors do not fit the model: {'; '.join(problems)}")
    model.load_state_dict(tensors)


def load_model(id_or_path: str | Path | None, *, name: str, overrides: Mapping) -> nn.Module:
    """`create_model(name, pretrained=id_or_path, **overrides)`: the weights' network, if it is what was asked for."""
    if id_or_path is None and name not in available():
        raise WeightsError(
            f"{name} has no published weights; these have: {', '.join(available()) or 'none'}. "
            "Give a folder or a Hub id as `pretrained`"
        )
    folder = resolve(name if id_or_path is None else id_or_path)
    model, config = load_weights(folder)
    if config.model != name:
        raise WeightsError(f"{folder}: these are weights of {config.model}, not of {name}")
    for option, value in overrides.items():
        actual = config.options.get(option)
        if actual != (list(value) if isinstance(value, tuple) else value):
            raise WeightsError(f"{folder}: its {option} is {actual}, not {value}: leave the option out")
    return model
