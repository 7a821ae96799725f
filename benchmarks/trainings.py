"""Networks trained from random weights for an experiment, each from the same seed by the same STAGES.

Trainings take hours. Interrupted, they go on where they stopped; what is finished is not trained again.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from torch import nn

from benchmarks.environment import in_own_process, write_result
from benchmarks.inputs import describe
from benchmarks.protocols import SIZE
from tracknetv5.data.readers import Clip, read_clips
from tracknetv5.metrics import TOLERANCE
from tracknetv5.runtime import keep_freed_memory
from tracknetv5.training.config import TrainConfig, differences, read_config
from tracknetv5.training.loop import Trainer
from tracknetv5.training.validate import validate
from tracknetv5.weights import WeightsConfig

V5 = "tracknet_v5_lite"
TRAINING = Path(__file__).parent / "training"
EVERY = 4  # of the training clips, one in so many is enough to choose a threshold
LOOK = 2  # frames between windows
STAGES = (TRAINING / "ablation.toml", TRAINING / "ablation_end.toml")  # each goes on from the weights of the one before


def train(name: str, model: str, options: argparse.Namespace, windows: str = "") -> tuple[Path, list[dict]]:
    """Train a network by all STAGES in the folder `options.runs / name`, as far as that is not done yet.

    Args:
        windows: list of the windows to train on, as in `SamplingOptions`; empty for all.

    Returns:
        The folder of the weights, and of each stage the windows seen, the hours, and the loss after so many windows.

    Raises:
        ValueError: the data do not fit, or a run was begun by another configuration.
    """
    weights, stages = "", []
    for stage in STAGES:
        config = read_config(stage)
        config = replace(
            config,
            data=replace(config.data, root=str(options.data), cache=str(options.cache)),
            model=replace(config.model, name=model, init=str(weights)),
            sampling=replace(config.sampling, window_list=windows),
            output=replace(config.output, folder=str(options.runs / name / stage.stem)),
        )
        print(f"{name}: {stage.name}", flush=True)
        in_own_process(finish, config)
        weights = Path(config.output.folder) / "weights"
        log = pd.read_csv(Path(config.output.folder) / "log.csv")
        stages.append(
            {
                "config": stage.name,
                "windows": config.optim.windows,
                "hours": float(log["hours"].iloc[-1]),
                "loss": log[["windows", "loss"]].to_numpy().tolist(),
            }
        )
    return weights, stages


def finish(config: TrainConfig) -> None:
    """One run to its end, or what is left of it.

    Raises:
        ValueError: the data do not fit, or the run was begun by another configuration.
    """
    folder = Path(config.output.folder)
    stated, finished = folder / "config.json", folder / "finished"  # the first is the trainer's own
    if stated.is_file() and differences(json.loads(stated.read_text()), config):
        raise ValueError(f"{folder}: begun by another configuration: delete it, or choose another folder for --runs")
    if not finished.exists():
        keep_freed_memory()  # as `tracknetv5 train` does
        Trainer(config).run()
        finished.touch()


def choose_threshold(
    model: nn.Module, config: WeightsConfig, training: Sequence[Clip], cache: Path, step: int = LOOK
) -> float:
    """The threshold with the best mean of the sports' F1, on one in EVERY of the clips that the network was trained on.

    `step`: frames between windows.
    """
    size = (config.height, config.width)
    return validate(model, training[::EVERY], size=size, cache=cache, step=step)["threshold"]


def experiment(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    run: Callable[[Sequence[Clip], Sequence[Clip], argparse.Namespace], dict],
) -> dict:
    """Parse the folders, run the experiment, and write what it found beside what it was found with.

    Args:
        run: from training clips, validation clips and options to what is found; ValueError or OSError ends the program
            with the parser's usage.

    Returns:
        What was written.
    """
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips with splits train and val")
    parser.add_argument("--cache", required=True, type=Path, help="where decoded frames are kept")
    parser.add_argument("--runs", required=True, type=Path, help="folder of the trainings; they go on where they are")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    try:
        training, val = read_clips(options.data, "train"), read_clips(options.data, "val")
        found = run(training, val, options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {
        # The command names the network, the data and the folders.
        "configs": {stage.name: _settings(stage) for stage in STAGES},
        "tolerance_px": int(TOLERANCE),
        "size": SIZE,
        "data": {"train": describe(training), "val": describe(val)},
    } | found
    return write_result(options.output, report, "torch", "accelerate", "timm", "numpy", "opencv-python", "av")


def _settings(stage: Path) -> dict:
    return {name: options for name, options in read_config(stage).as_dict().items() if name != "model"}
