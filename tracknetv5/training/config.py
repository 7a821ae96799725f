"""What a training run is, read from a TOML file. Every field may be left out but `data.root`."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import get_args, get_origin

from tracknetv5.data.augment import AugmentOptions
from tracknetv5.data.dataset import SamplingOptions
from tracknetv5.data.targets import RADIUS
from tracknetv5.models import list_models

TRAINABLE = tuple(name for name in list_models() if name != "inpaintnet")  # which takes trajectories
PRECISIONS = ("no", "bf16", "fp16")

# Numbers are finite and not negative. These are above 0 as well, and those a share, at most 1.
POSITIVE = ("size", "crop", "radius", "windows", "batch", "learning_rate", "max_grad_norm", "scale")
SHARES = ("ema", "flip", "reverse", "blur", "noise", "hue", "saturation", "compression", "paste", "erase", "scenery")
IN_WORDS = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    tuple[str, ...]: "a list of strings",
    tuple[float, ...]: "a list of numbers",
    tuple[float, float]: "a list of two numbers",
    tuple[int, int] | None: "a list of two whole numbers",
    Mapping: "a table",
    Mapping[str, float]: "a table of numbers",
}


@dataclass(frozen=True)
class ModelOptions:
    name: str = "tracknet_v5_lite"  # one of TRAINABLE
    options: Mapping = field(default_factory=dict)  # overrides for create_model
    init: str = ""  # weights to start from, with their threshold: a folder or Hub id; empty for random weights


@dataclass(frozen=True)
class DataOptions:
    root: str = ""  # a folder that data/readers.py can read
    cache: str = "runs/cache"  # where decoded frames are kept
    split: str = ""  # "train"; empty: every clip
    hold_out: tuple[str, ...] = ()  # groups (venues, matches) that are validated on and never trained on
    exclude: str = ""  # CSV of labels not to train on, columns clip ("sport/name") and frame; validation keeps them
    validation_split: str = ""  # split to validate on where nothing is held out; empty: none
    size: tuple[int, int] | None = None  # (height, width) of the model's input; None: as the weights it starts from
    radius: float = RADIUS  # pixels of the model's input, of the target's disc; the V5 paper: 30 at 1280 x 720
    crop: tuple[int, int] | None = None  # pixels; train on random parts of this size; None: whole frames


@dataclass(frozen=True)
class OptimOptions:
    windows: int = 100_000  # windows to see in all
    batch: int = 8  # windows in a step, on each process
    learning_rate: float = 1e-3  # of AdamW
    warmup: int = 2_000  # windows over which the learning rate rises from 0
    decay: int = 0  # windows at the end over which it falls to 0 as a half cosine; cut a release with it
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0  # the gradient is scaled down to it
    ema: float = 0.999  # decay of the averaged weights, a step
    precision: str = "no"  # Accelerate's mixed precision, one of PRECISIONS
    seed: int = 0
    workers: int = 1  # processes that prepare windows


@dataclass(frozen=True)
class OutputOptions:
    folder: str = "runs/run"  # checkpoint, weights, log.csv and validation.jsonl
    log_every: int = 800  # windows between lines of the log
    save_every: int = 8_000  # windows between checkpoints
    validate_every: int = 0  # windows between validations; 0: only at the end


@dataclass(frozen=True)
class TrainConfig:
    """All there is to say about a run. Raises ValueError when built from values that cannot be meant."""

    data: DataOptions
    model: ModelOptions = ModelOptions()
    optim: OptimOptions = OptimOptions()
    sampling: SamplingOptions = SamplingOptions()
    augment: AugmentOptions = AugmentOptions()
    output: OutputOptions = OutputOptions()

    def __post_init__(self):
        for table in fields(self):
            options = getattr(self, table.name)
            for item in fields(options):
                value = getattr(options, item.name)
                if wanted := _wanted(item.name, item.type, value):
                    raise ValueError(f"[{table.name}] {item.name} must be {wanted}, not {value!r}")
        if not self.data.root:
            raise ValueError("[data] root is missing: name the folder of labelled clips")
        if self.model.name not in TRAINABLE:
            raise ValueError(
                f"[model] name must be that of a network that takes frames, {', '.join(TRAINABLE)}, "
                f"not {self.model.name!r}"
            )
        if self.optim.precision not in PRECISIONS:
            raise ValueError(f"[optim] precision must be {' or '.join(PRECISIONS)}, not {self.optim.precision!r}")
        if self.optim.windows < self.optim.batch:
            raise ValueError(f"[optim] windows must be a batch, {self.optim.batch}, or more, not {self.optim.windows}")
        if self.augment.scale[0] > self.augment.scale[1]:
            raise ValueError(f"[augment] scale must be (least, most), not {self.augment.scale}")
        if (sports := self.sampling.sports) and not any(sports.values()):
            raise ValueError(f"[sampling] sports must give a share above 0 to one at least, not {sports}")
        if not math.isclose(sum(self.sampling.strides), 1):
            raise ValueError(f"[sampling] strides must be probabilities that sum to 1, not {self.sampling.strides}")

    def as_dict(self) -> dict:
        return asdict(self)


def read_config(path: Path | str) -> TrainConfig:
    """Read a TOML file with the tables of `TrainConfig`.

    Raises:
        ValueError: the file is missing or damaged, has a table or key that does not exist (the message lists those
            that do), or a value of the wrong type or out of range.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise ValueError(f"{path}: not valid TOML: {error}") from error
    sections = {item.name: item.type for item in fields(TrainConfig)}
    _check_names(path, "table", tables, sections)
    parsed = {"data": DataOptions()}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {name} must be a table, [{name}], not {table!r}")
        options = {item.name for item in fields(sections[name])}
        _check_names(path, f"key of [{name}]", table, options)
        parsed[name] = sections[name](**{key: _frozen(value) for key, value in table.items()})
    try:
        return TrainConfig(**parsed)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def differences(stated: Mapping[str, Mapping], config: TrainConfig) -> list[tuple[str, str, object, object]]:
    """In what a config read from JSON differs from this one: (table, option, value stated, value here).

    An option that is not stated, as it did not exist then, had what is its default now.
    """
    wanted = json.loads(json.dumps(config.as_dict()))
    defaults = json.loads(json.dumps({item.name: asdict(item.type()) for item in fields(config)}))
    found = []
    for table, default in defaults.items():
        before = default | dict(stated.get(table, {}))
        for name, then in before.items():
            if then != (now := wanted[table].get(name)):
                found.append((table, name, then, now))
    return found


def _check_names(path: Path, what: str, given, known) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{path}: no {what} is called {unknown[0]!r}: choose from {', '.join(known)}")


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


def _wanted(name: str, kind, value) -> str:
    """What an option of this name and type must be if `value` is not that; empty if it is."""
    if not _fits(value, kind):
        return IN_WORDS[kind]
    if kind is Mapping:  # options of the network, which knows what it takes
        return ""
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else [value]
    numbers = [part for part in parts if isinstance(part, int | float)]
    if not all(0 <= number < math.inf for number in numbers):
        return "finite and not negative"
    if name in POSITIVE and 0 in numbers:
        return "above 0"
    if name in SHARES and value > 1:
        return "at most 1"
    return ""


def _fits(value, kind) -> bool:
    inner = get_args(kind)
    if isinstance(kind, UnionType):
        return any(_fits(value, each) for each in inner)
    if get_origin(kind) is tuple:
        kinds = inner[:1] * len(value) if ... in inner and isinstance(value, tuple) else inner
        return isinstance(value, tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    if get_origin(kind) is Mapping:
        return isinstance(value, Mapping) and all(_fits(each, inner[1]) for each in value.values())
    return isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)
