"""Weights on disk and on the Hugging Face Hub: a folder of `model.safetensors` and `config.json`.

The folder describes itself: architecture and options, preprocessing, decision threshold, licence, training data,
metrics and the hash of the tensors. Nothing is ever unpickled here.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,  # of the HTTP library in use: what is left when a connection breaks for good
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tracknetv5.models import create_model

FORMAT_VERSION = 1
TENSORS, CONFIG, RECTIFIER = "model.safetensors", "config.json", "rectifier"
NOT_STATED = "not stated"
PRETRAINED = Path(__file__).parent / "pretrained"  # weights inside the package, one folder a model name
DEFAULT = "tracknet_v5_lite"
HUB_ORGANISATION = "tracknetv5"  # whose repositories cards and commands name where no other is given


class WeightsError(ValueError):
    """Weights that are missing, damaged or do not fit; the message names them and the remedy."""


@dataclass(frozen=True, kw_only=True)
class WeightsConfig:
    """The facts that travel with the weights, as in `config.json`."""

    model: str  # name for create_model
    options: Mapping  # every option of the architecture
    height: int | None = 288  # pixels of the network's input; None if it takes coordinates instead of frames
    width: int | None = 512
    frames: int = 3  # frames in a window
    background: bool = False  # whether the network also takes the clip's median frame
    channel_order: str = "RGB"  # or "BGR"; values in [0, 1]
    resize: str = "area"  # averaging resize, letterboxed with black to keep the aspect ratio
    threshold: float = 0.5  # a heatmap's peak above it is a ball, if no frame around speaks against it
    step: int | None = None  # frames between windows; None becomes the window's length, which sees every frame once
    ensemble: str = "mean"  # of the windows that see a frame; "triangular": most weight on those that see it mid-window
    rectifier: bool = False  # whether the folder `rectifier` holds a network that fills the trajectory's gaps
    precision: str = "float32"  # of the stored tensors, or "float16"; computed with in 32 bits
    licence: str = NOT_STATED  # of the weights, an SPDX identifier in lower case, as the Hub writes it
    training_data: str = NOT_STATED
    sports: Sequence[str] = ()  # in the training data, in lower case
    provenance: str = NOT_STATED  # who made them, from what
    # {measured on: {metric: value}}, the overall result first; beside a metric, "<metric>_95" may be its 95 % interval
    metrics: Mapping = field(default_factory=dict)
    sha256: str = ""  # of the tensors' file
    format_version: int = FORMAT_VERSION

    def __post_init__(self):
        if self.step is None:
            object.__setattr__(self, "step", self.frames)
        pictures = self.height is not None or self.width is not None
        if pictures and not all(isinstance(size, int) and size > 0 for size in (self.height, self.width)):
            raise ValueError(f"height and width must be pixels, or null both, not {self.height} and {self.width}")
        if not isinstance(self.frames, int) or self.frames < 1:
            raise ValueError(f"frames must be 1 or more, not {self.frames!r}")
        if not isinstance(self.step, int) or not 1 <= self.step <= self.frames:
            raise ValueError(f"step must lie between 1 and the {self.frames} frames of a window, not {self.step!r}")
        if not isinstance(self.threshold, float) or not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, not {self.threshold!r}")
        if not isinstance(self.sports, list | tuple) or not all(isinstance(sport, str) for sport in self.sports):
            raise ValueError(f"sports must be a list of names, not {self.sports!r}")
        object.__setattr__(self, "sports", tuple(self.sports))  # JSON has lists alone
        if not isinstance(self.options, Mapping) or not isinstance(self.metrics, Mapping):
            raise ValueError("options and metrics must be tables")
        for measured_on, figures in self.metrics.items():
            if not isinstance(figures, Mapping) or not all(map(_is_figure, figures.values())):
                raise ValueError(f"metrics must be tables of numbers, not {figures!r} for {measured_on!r}")
        for name in ("model", "licence", "training_data", "provenance", "sha256"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name} must be text, not {getattr(self, name)!r}")
        choices = {
            "channel_order": ("RGB", "BGR"),
            "resize": ("area",),
            "ensemble": ("mean", "triangular"),
            "precision": ("float32", "float16"),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, not {getattr(self, name)!r}")

    @property
    def window_weights(self) -> list[float]:
        """Weight of each frame of a window in the mean over the windows that see a frame."""
        if self.ensemble == "mean":
            return [1.0] * self.frames
        return [float(min(position + 1, self.frames - position)) for position in range(self.frames)]


def _is_figure(value: object) -> bool:
    """Whether this is a number or an interval of two, as metrics have them."""
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    return all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)


def save_weights(
    model: nn.Module,
    folder: Path | str,
    config: WeightsConfig,
    *,
    half: bool = False,
    rectifier: tuple[nn.Module, WeightsConfig] | None = None,
) -> Path:
    """Write `model.safetensors` and `config.json`.

    Args:
        model: a network of `create_model`.
        folder: made if it is not there.
        config: the facts about the weights. Options, background, hash, precision and presence of a rectifier are
            written as they are, whatever it says.
        half: store weights in 16 bits, as `round_weights` rounds them.
        rectifier: a network that fills gaps and the facts about it, written to the folder `rectifier` within.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if rectifier is not None:
        save_weights(rectifier[0], folder / RECTIFIER, rectifier[1])
    tensors = {}
    for name, tensor in model.state_dict().items():
        dtype = torch.float16 if half and _is_weight(tensor) else tensor.dtype
        tensors[name] = tensor.detach().cpu().to(dtype).contiguous()
    # Each file is complete or absent, and both change at once, or nearly: an interrupted save leaves those of before.
    partial, stated = folder / f".{TENSORS}.part", folder / f".{CONFIG}.part"
    save_file(tensors, partial, metadata={"format": "pt"})
    config = replace(
        config,
        options=asdict(model.options),
        background=model.takes_background,
        rectifier=rectifier is not None,
        precision="float16" if half else "float32",
        sha256=file_hash(partial),
    )
    stated.write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    partial.replace(folder / TENSORS)
    stated.replace(folder / CONFIG)
    return folder


def round_weights(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict with the values that storing it in 16 bits leaves, in its own types.

    Vectors and scalars keep their 32 bits: they are few, and batch norm does not survive rounding of its statistics
    where a feature's variance is far below its mean.
    """
    return {
        name: tensor.half().to(tensor.dtype) if _is_weight(tensor) else tensor for name, tensor in tensors.items()
    }


def _is_weight(tensor: torch.Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.ndim > 1


def file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available() -> list[str]:
    """Names of the models whose weights come with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))


def resolve(
    id_or_path: str | Path | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder of some weights, downloaded if they are on the Hub.

    Args:
        id_or_path: a folder, the name of bundled weights, or a Hub id ("organisation/name"); None for the default.
        revision: branch, tag or commit on the Hub. "organisation/name@revision" says the same.
        token: for private repositories; None for the one that `hf auth login` stored.
        cache_dir: where downloads are kept; None for the Hub's own cache.
        local_files_only: take what is in the cache and do not ask the Hub.

    Raises:
        WeightsError: no such folder, name, repository or revision, a name that means two things, or the Hub cannot be
            reached.
    """
    name = str(id_or_path) if id_or_path is not None else DEFAULT
    if not name:
        raise WeightsError("no weights are named: leave the option out for the bundled ones")
    path = Path(name).expanduser()
    bundled = name in available() and not (isinstance(id_or_path, Path) and path.is_dir())
    if bundled and id_or_path is not None and (path / CONFIG).is_file():
        raise WeightsError(f"{name}: the name of bundled weights and of a folder here: write ./{name} for the folder")
    if bundled or path.is_dir():
        if revision is not None:
            raise WeightsError(f"{name}: is on this disk, where there is no revision {revision}: leave it out")
        return PRETRAINED / name if bundled else path
    if path.is_file():
        raise WeightsError(f"{name}: is a file, not a folder of weights: turn it into one with tracknetv5 convert")
    name, _, suffix = name.partition("@")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WeightsError(
            f"{name}: no such folder of weights; give a folder, a Hub id (organisation/name), "
            f"or one of the bundled names: {', '.join(available()) or 'none'}"
        )
    revision = revision or suffix or None
    at = f" at revision {revision}" if revision else ""
    # Every file by name, so that nothing else of a repository, pickles least of all, is ever fetched.
    wanted = [f"{folder}{file}" for folder in ("", f"{RECTIFIER}/") for file in (CONFIG, TENSORS)]
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            allow_patterns=wanted,
        )
    except RevisionNotFoundError as error:
        raise WeightsError(f"{name}: the repository has no revision {revision}") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(
            f"{name}: no such repository on the Hub, or no access to it: check the name; if it is private, log in with "
            "`hf auth login` or pass a token"
        ) from error
    except LocalEntryNotFoundError as error:
        raise WeightsError(
            f"{name}{at}: not in the cache, or not complete, and the Hub is not asked or cannot be reached: "
            "connect and fetch it once"
        ) from error
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError) as error:
        if isinstance(error, HfHubHTTPError) and error.response.status_code == 401:
            raise WeightsError(
                f"{name}: the Hub refuses the token: log in with `hf auth login`, or pass one"
            ) from error
        raise WeightsError(f"{name}{at}: cannot be downloaded: {' '.join(str(error).split())}") from error
    return Path(folder)


def read_config(folder: Path) -> WeightsConfig:
    """The checked `config.json` of a folder of weights.

    Raises:
        WeightsError: the file is missing or damaged, or written by a newer version.
    """
    path = Path(folder) / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: missing: a folder of weights holds {TENSORS} and {CONFIG}") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: not readable: {error}") from error
    return parse_config(text, path)


def parse_config(text: str, path: Path) -> WeightsConfig:
    """The checked config in a JSON text, which is that of the file `path`; errors as in `read_config`."""
    try:
        content = json.loads(text)
    except ValueError as error:
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
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error


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
        # A cached download is a link; only without the file behind it are they fetched again.
        raise WeightsError(
            f"{path}: damaged: its SHA-256 is not the one in {CONFIG}: delete {path.resolve()} and fetch it again"
        )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: not readable: {error}") from error
    if "pretrained" in config.options:  # an argument of create_model, and no option of a network
        raise WeightsError(f"{folder / CONFIG}: a network has no option pretrained: remove it")
    try:
        model = create_model(config.model, **config.options)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:  # torch's layers raise any of these
        raise WeightsError(f"{folder / CONFIG}: {error}") from error
    if model.options.frames != config.frames:
        raise WeightsError(f"{folder / CONFIG}: frames is {config.frames}, in its options {model.options.frames}")
    if model.takes_background != config.background:
        takes = "takes one" if model.takes_background else "takes none"
        raise WeightsError(f"{folder / CONFIG}: background is {config.background}, and the network {takes}")
    multiple = getattr(model.options, "multiple", 1)  # InpaintNet takes no pictures
    if config.height is not None and (config.height % multiple or config.width % multiple):
        size = f"{config.height} x {config.width}"
        raise WeightsError(f"{folder / CONFIG}: height and width must be multiples of {multiple}, not {size}")
    load_strictly(model, tensors, path)
    return model.eval(), config


def load_strictly(
    model: nn.Module,
    tensors: Mapping[str, torch.Tensor],
    source: Path | str,
    *,
    rename: Callable[[str], str] = str,
) -> None:
    """Load all tensors into the model, converted to its types.

    Args:
        model: what to load them into.
        tensors: one for each parameter and buffer.
        source: named in errors.
        rename: what `tensors` call the parameter or buffer of a name.

    Raises:
        WeightsError: missing, unexpected or wrongly shaped tensors, all of them listed, or some that cannot be weights.
    """
    own = model.state_dict()
    expected = {rename(name): tensor for name, tensor in own.items()}
    problems = [f"missing {name}" for name in expected if name not in tensors]
    problems += [f"unexpected {name}" for name in tensors if name not in expected]
    problems += [
        f"{name} is {tuple(tensors[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    if problems:
        raise WeightsError(f"{source}: the tensors do not fit the model: {'; '.join(problems)}")
    for name in expected:
        tensor = tensors[name]
        if tensor.layout != torch.strided or tensor.is_complex() or not tensor.isfinite().all():
            raise WeightsError(f"{source}: {name} is not made of finite real numbers: get the weights again")
    model.load_state_dict({name: tensors[rename(name)] for name in own})


def load_model(id_or_path: str | Path | None, *, name: str, overrides: Mapping) -> nn.Module:
    """`create_model(name, pretrained=id_or_path, **overrides)`: the weights' network, if it is what was asked for."""
    if id_or_path is None and name not in available():
        raise WeightsError(
            f"{name} has no published weights; these have: {', '.join(available()) or 'none'}. "
            "Give a folder or a Hub id as `pretrained`"
        )
    folder = PRETRAINED / name if id_or_path is None else resolve(id_or_path)
    model, config = load_weights(folder)
    if config.model != name:
        raise WeightsError(f"{folder}: these are weights of {config.model}, not of {name}")
    for option, value in overrides.items():
        actual = getattr(model.options, option, "not an option")
        if actual != (tuple(value) if isinstance(value, list) else value):
            raise WeightsError(f"{folder}: its {option} is {actual}, not {value}: leave the option out")
    return model
