"""What a split that leaks adds to a figure, trained and measured here.

    python -m benchmarks.leak --data DIR --cache DIR --runs DIR --output FILE.json

trains the lite V5 twice as benchmarks/trainings.py says, on parts of the train split: on 70 % of its *windows*, those
of all clips shuffled together as in the V5 paper (`benchmarks.splits.paper_split`), and on the windows of 70 % of its
*clips* (`clip_split`). Both are scored by protocol `paper` on the other 30 %, on the windows that neither was trained
on (the same for both), and on val. The network of the windows has seen frames of nearly every window that it was not
trained on; of val, neither has.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import splits
from benchmarks.paired import by_group, differences, sport
from benchmarks.protocols import PAPER_THRESHOLD, PRECISION, by_heatmap
from benchmarks.report import leak_table
from benchmarks.trainings import V5, choose_threshold, experiment, train
from tracknetv5.data.readers import Clip
from tracknetv5.tracker import BallTracker
from tracknetv5.weights import load_weights

CUTS = ("papers_threshold", "chosen_threshold")
DIVISIONS = {"windows": splits.paper_split, "clips": splits.clip_split}


def leak(training: Sequence[Clip], val: Sequence[Clip], options: argparse.Namespace) -> dict:
    """V5 trained on a part of the windows and on the windows of a part of the clips, and scored on what is left."""
    lengths = {clip.full_name: len(clip) for clip in training}
    divided = {name: divide(lengths) for name, divide in DIVISIONS.items()}
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
        tracker = BallTracker(model, config, precision=PRECISION)
        for place, where in ({"held_out": unseen[name]} | common).items():
            both = [
                by_heatmap(tracker, clips[clip], chosen, (PAPER_THRESHOLD, threshold))
                for clip, chosen in where.items()
                if chosen
            ]
            for at, scored in zip(CUTS, zip(*both, strict=True), strict=True):
                compared.setdefault((name, at), {})[place] = scored
        networks[name] = {
            "sha256": config.sha256,
            "threshold": threshold,
            "training": stages,
            "train_windows": len(divided[name][0]),
            "held_out_windows": len(divided[name][1]),
            "leak": splits.leak(*divided[name]),
            "scores": {
                at: {place: by_group(parts, sport) for place, parts in compared[name, at].items()} for at in CUTS
            },
        }
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
    """Write a list of windows that a training can be kept to (`SamplingOptions.window_list`)."""
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
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leak", description=__doc__.splitlines()[0])
    print(leak_table(experiment(parser, arguments, leak)))


if __name__ == "__main__":
    main()
