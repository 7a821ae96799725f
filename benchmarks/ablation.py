"""What each part of V5 is worth at the lite size, and what a split that leaks is worth, trained and measured here.

    python -m benchmarks.ablation --data DIR --cache DIR --runs DIR --output FILE.json

trains MODELS from random weights by STAGES, the same windows from the same seed for each, and scores them on the val
split by protocol `frame`, at a threshold chosen on training clips.

Then V5 twice more, on parts of the train split: on 70 % of its *windows*, those of all clips shuffled together as in
the V5 paper (`benchmarks.splits.paper_split`), and on the windows of 70 % of its *clips* (`clip_split`). Both are
scored by protocol `paper` on the other 30 %, on the windows that neither was trained on (the same for both), and on
val. The network of the windows has seen frames of nearly every window that it was not trained on; of val, neither has.

Trainings take hours. Interrupted, the command goes on where it stopped; what is finished in RUNS is not trained again.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import splits
from benchmarks.accuracy import describe
from benchmarks.breakdown import KINDS, RESAMPLES, summarise
from benchmarks.environment import command, machine, versions
from benchmarks.protocols import PAPER_THRESHOLD, SIZE, Scored, SweepingTracker, by_frame, by_heatmap
from benchmarks.release import choose_threshold
from benchmarks.report import ablation_table
from tracknetv5.data.readers import Clip, read_clips
from tracknetv5.metrics import TOLERANCE, Counts
from tracknetv5.tracker import BallTracker
from tracknetv5.training.config import TrainConfig, read_config
from tracknetv5.training.loop import Trainer
from tracknetv5.weights import load_weights

V5 = "tracknet_v5_lite"
MODELS = ("tracknet_v2_lite", "tracknet_v4_lite", "tracknet_v2_mdd_lite", "tracknet_v2_rstr_lite", V5)
TRAINING = Path(__file__).parent / "training"
STAGES = (TRAINING / "ablation.toml", TRAINING / "ablation_end.toml")  # each goes on from the weights of the one before
CUTS = ("papers_threshold", "chosen_threshold")
LEAKS = {"windows": splits.paper_split, "clips": splits.clip_split}


class CuttingTracker(BallTracker):
    """A tracker at whose own threshold the papers' decoder cuts, instead of at 128/255."""

    def heatmaps(self, *frames, **options) -> Iterator[tuple[int, np.ndarray]]:
        for number, heatmap in super().heatmaps(*frames, **options):
            yield number, np.minimum(heatmap * (PAPER_THRESHOLD / self.threshold), 1)


def train(name: str, model: str, options: argparse.Namespace, windows: str = "") -> tuple[Path, list[dict]]:
    """Train a network by all STAGES in the folder `options.runs / name`, as far as that is not done yet.

    Args:
        windows: list of the windows to train on, as in `SamplingOptions`; empty for all.

    Returns:
        The folder of the weights, and of each stage the windows seen, the hours, and both ends of the loss curve.

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
            sampling=replace(config.sampling, windows=windows),
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
                "loss": [float(log["loss"].iloc[0]), float(log["loss"].iloc[-1])],
            }
        )
    return weights, stages


def in_own_process(function: Callable, *arguments):
    """Call a function in a new process: Accelerate keeps one precision to the end of a process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def finish(config: TrainConfig) -> None:
    """One run to its end, or what is left of it.

    Raises:
        ValueError: the data do not fit, or the run was begun by another configuration.
    """
    folder = Path(config.output.folder)
    stated, finished = folder / "config.json", folder / "finished"  # the first is the trainer's own
    if stated.is_file() and json.loads(stated.read_text()) != json.loads(json.dumps(config.as_dict())):
        raise ValueError(f"{folder}: begun by another configuration: delete it, or choose another folder for --runs")
    if not finished.exists():
        Trainer(config).run()
        finished.touch()


def groups(scored: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, list[Scored]]:
    """All clips, and those for which a key has the same name."""
    parts = {"all": list(scored)}
    for key in keys:
        for part in scored:
            parts.setdefault(key(part.clip), []).append(part)
    return parts


def sport(clip: Clip) -> str:
    return clip.sport


def venue(clip: Clip) -> str:
    return f"{clip.sport}/{clip.group}"


def rows(scored: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, dict]:
    return {name: summarise(parts) for name, parts in groups(scored, *keys).items()}


def differences(first: Sequence[Scored], second: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, dict]:
    others = groups(second, *keys)
    return {name: difference(parts, others[name]) for name, parts in groups(first, *keys).items()}


def difference(first: Sequence[Scored], second: Sequence[Scored]) -> dict[str, float | list | None]:
    """F1 of `first` less F1 of `second`, two predictions of the same rows.

    The interval is that of `summarise`, but paired: every resample takes the same blocks of both, so what makes a
    block easy or hard for both of them cancels.

    Raises:
        ValueError: other rows.
    """
    if [part.frame.tolist() for part in first] != [part.frame.tolist() for part in second]:
        raise ValueError("only predictions of the same frames can be compared pair by pair")
    tables = np.stack([_blocks(first), _blocks(second)])  # (2, blocks, kinds)
    count = tables.shape[1]
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    below = _f1_below(tables[:, drawn].sum(axis=2))
    below = below[~np.isnan(below)]
    whole = float(_f1_below(tables.sum(axis=1, keepdims=True))[0])
    return {
        "f1": None if np.isnan(whole) else whole,
        "interval_95": np.percentile(below, [2.5, 97.5]).round(4).tolist() if len(below) else [None, None],
        "blocks": count,
    }


def _blocks(scored: Sequence[Scored]) -> np.ndarray:
    """(blocks, kinds) counts in each second of each clip."""
    tables = []
    for part in scored:
        seconds, row = np.unique(part.second, return_inverse=True)
        tables.append(np.stack([np.bincount(row[part.outcome == kind], minlength=len(seconds)) for kind in KINDS], 1))
    return np.concatenate(tables)


def _f1_below(counts: np.ndarray) -> np.ndarray:
    """(2, N, kinds) counts -> (N,) F1 of the first less that of the second."""
    first, second = ([Counts(*row).f1 for row in part] for part in counts.tolist())
    return np.array(first) - np.array(second)


def ablation(training: Sequence[Clip], val: Sequence[Clip], options: argparse.Namespace) -> list[dict]:
    """MODELS trained on the train split and scored on val; V5, the last, is compared with each of the others."""
    trained = {name: train(name, name, options) for name in MODELS}
    results, scored = [], {}
    for name, (weights, stages) in trained.items():
        model, config = load_weights(weights)
        threshold = choose_threshold(model, config, training, options.cache)
        print(f"{name}: scored at {threshold}", flush=True)
        tracker = SweepingTracker(model, config, threshold=threshold)
        scored[name] = [by_frame(tracker, clip) for clip in val]
        results.append(
            {
                "model": name,
                "parameters": sum(each.numel() for each in model.parameters()),
                "sha256": config.sha256,
                "threshold": threshold,
                "training": stages,
                "val": rows(scored[name], sport, venue),
            }
        )
    for result in results:
        if result["model"] != V5:
            result["v5_less_this"] = differences(scored[V5], scored[result["model"]], sport, venue)
    return results


def leak(training: Sequence[Clip], val: Sequence[Clip], options: argparse.Namespace) -> dict:
    """V5 trained on a part of the windows and on the windows of a part of the clips, and scored on what is left."""
    lengths = {clip.full_name: len(clip) for clip in training}
    divided = {name: divide(lengths) for name, divide in LEAKS.items()}
    unseen = {name: starts(held_out, lengths) for name, (_, held_out) in divided.items()}
    common = {  # of both networks
        "shared": {clip: unseen["windows"][clip] & unseen["clips"][clip] for clip in lengths},
        "val": {clip.full_name: set(range(len(clip))) for clip in val},
    }
    clips = {clip.full_name: clip for clip in [*training, *val]}
    trained = {}
    for name, (windows, _) in divided.items():
        listing = options.runs / f"{name}.csv"
        write_windows(windows, lengths, listing)
        trained[name] = train(f"leak_{name}", V5, options, windows=str(listing))
    # Both thresholds come from the same clips. The network of the windows was trained on 70 % of them, as its split is.
    whole_clips = [clip for clip in training if not unseen["clips"][clip.full_name]]
    networks, compared = {}, {}
    for name, (weights, stages) in trained.items():
        model, config = load_weights(weights)
        threshold = choose_threshold(model, config, whole_clips, options.cache)
        print(f"leak_{name}: scored at {threshold}", flush=True)
        networks[name] = {
            "sha256": config.sha256,
            "threshold": threshold,
            "training": stages,
            "train_windows": len(divided[name][0]),
            "held_out_windows": len(divided[name][1]),
            "leak": splits.leak(*divided[name]),
            "scores": {},
        }
        for at, cut in zip(CUTS, (PAPER_THRESHOLD, threshold), strict=True):
            tracker = CuttingTracker(model, config, threshold=cut)
            scored = {
                place: [by_heatmap(tracker, clips[clip], chosen) for clip, chosen in where.items() if chosen]
                for place, where in ({"held_out": unseen[name]} | common).items()
            }
            networks[name]["scores"][at] = {place: rows(parts, sport) for place, parts in scored.items()}
            compared[name, at] = scored
    return {
        "networks": networks,
        "shared_windows": sum(map(len, common["shared"].values())),
        "windows_less_clips": {
            at: {
                place: differences(compared["windows", at][place], compared["clips", at][place], sport)
                for place in common
            }
            for at in CUTS
        },
    }


def write_windows(windows: splits.Windows, lengths: Mapping[str, int], path: Path) -> None:
    """Write a list of windows that a training can be kept to (`SamplingOptions.windows`)."""
    names = np.array(splits.path_order(lengths))
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame({"clip": names[windows[:, 0]], "centre": windows[:, 1]}).to_csv(path, index=False)


def starts(windows: splits.Windows, lengths: Mapping[str, int]) -> dict[str, set[int]]:
    """The first frames of the windows in each clip; some clips may have none."""
    return {
        name: set((windows[windows[:, 0] == index, 1] - splits.RADIUS).tolist())
        for index, name in enumerate(splits.path_order(lengths))
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips with splits train and val")
    parser.add_argument("--cache", required=True, type=Path, help="where decoded frames are kept")
    parser.add_argument("--runs", required=True, type=Path, help="folder of the trainings; they go on where they are")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    try:
        training, val = read_clips(options.data, "train"), read_clips(options.data, "val")
        networks = ablation(training, val, options)
        leaked = leak(training, val, options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {
        "command": command(),
        "machine": machine(),
        "env": versions("torch", "accelerate", "timm", "numpy", "opencv-python", "av"),
        "configs": {stage.name: read_config(stage).as_dict() for stage in STAGES},
        "tolerance_px": int(TOLERANCE),
        "size": SIZE,
        "data": {"train": describe(training), "val": describe(val)},
        "networks": networks,
        "leak": leaked,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(ablation_table(report))


if __name__ == "__main__":
    main()
