"""What a training run is, read from a TOML file. Every field may be left out but `data.root`."""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tracknetv5.data.augment import AugmentOptions
from tracknetv5.data.dataset import SamplingOptions


@dataclass(frozen=True)
class ModelOptions:
    name: str = "tracknet_v5_lite"
    options: Mapping = field(default_factory=dict)  # overrides for create_model
    init: str = ""  # weights to start from: a folder or Hub id; empty for random weights


@dataclass(frozen=True)
class DataOptions:
    root: str = ""  # a folder that data/readers.py can read
    cache: str = "runs/cache"  # where decoded frames are kept
    split: str = ""  # "train"; empty: every clip
    hold_out: tuple[str, ...] = ()  # groups (venues, matches) that are validated on and never trained on
    validate: str = ""  # split to validate on where nothing is held out; empty: none
    size: tuple[int, int] = (288, 512)  # pixels (height, width) of the model's input
    crop: tuple[int, int] = ()  # pixels; train on random parts of this size; empty: whole frames


@dataclass(frozen=True)
class OptimOptions:
    windows: int = 100_000  # windows to see in all
    batch: int = 8  # windows in a step, on each process
    rate: float = 1e-3  # AdamW learning rate
    warmup: int = 2_000  # windows over which the rate rises from 0
    decay: int = 0  # windows at the end over which it falls to 0 as a half cosine; cut a release with it
    weight_decay: float = 0.01
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.999  # decay of the averaged weights, a step
    precision: str = "no"  # Accelerate's mixed precision: "no", "bf16", "fp16"
    seed: int = 0
    workers: int = 1  # processes that prepare windows


@dataclass(frozen=True)
class OutputOptions:
    folder: str = "runs/run"  # checkpoints, log.csv, log.png and the exported weights
    log: int = 800  # windows between lines of the log
    save: int = 8_000  # windows between checkpoints
    validate: int = 0  # windows between validations; 0: only at the end


@dataclass(frozen=True)
class TrainConfig:
    data: DataOptions
    model: ModelOptions = ModelOptions()
    optim: OptimOptions = OptimOptions()
    sampling: SamplingOptions = SamplingOptions()
    augment: AugmentOptions = AugmentOptions()
    output: OutputOptions = OutputOptions()

    def as_dict(self) -> dict:
        return asdict(self)


def read_config(path: Path | str) -> TrainConfig:
    """Read a TOML file with the tables of `TrainConfig`.

    Raises:
        ValueError: the file is missing or damaged, or has a table or key that does not exist; the message lists those
            that do.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from error
    sections = {item.name: item.type for item in fields(TrainConfig)}
    _check_names(path, "table", tables, sections)
    if not tables.get("data", {}).get("root"):
        raise ValueError(f"{path}: [data] root is missing: name the folder of labelled clips")
    parsed = {}
    for name, table in tables.items():
        options = {item.name for item in fields(sections[name])}
        _check_names(path, f"key of [{name}]", table, options)
        parsed[name] = sections[name](**{key: _frozen(value) for key, value in table.items()})
    return TrainConfig(**parsed)


def _check_names(path: Path, what: str, given, known) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise ValueError(f"{path}: no {what} is called {unknown[0]!r}: choose from {', '.join(known)}")


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value
