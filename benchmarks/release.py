"""From the weights of a training run to the weights in the package.

    python -m benchmarks.release RUN/weights --data DIR --history "what they were trained on, for how long"

chooses the threshold on training clips, without the labels that are known to be wrong, scores the validation split
once with it (benchmarks/results/accuracy_val.json) and writes tracknetv5/pretrained/MODEL with config and card.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.report import RESULTS
from benchmarks.trainings import TRAINING, choose_threshold
from tracknetv5 import BallTracker
from tracknetv5.data.readers import exclude, read_clips
from tracknetv5.weights import PRETRAINED, load_weights

# Frames between windows: as many looks as leave 40 frames a second (two cores with AVX-512 BF16, benchmarks.speed).
STEP = 3
RIGHTS = (
    "Trained on third-party match footage ({sports}) for research; the footage belongs to its broadcasters: check your "
    "rights before commercial use."
)


def stated_metrics(by_sport: Mapping[str, Mapping]) -> dict[str, dict]:
    """What a config says of the scores that `benchmarks.accuracy` has found: how good, on how much, and how sure."""
    metrics = {}
    for sport in sorted(by_sport, key=lambda sport: sport != "all"):  # the overall result first
        row = by_sport[sport]
        clips = f"{row['clips']} clip{'s' if row['clips'] > 1 else ''}"
        figures = metrics[f"{sport}, {row['total']} frames in {clips} of unseen matches (val), 4 px at 512 x 288"] = {}
        for name in ("f1", "precision", "recall"):
            figures[name] = round(row[name], 3)
            figures[f"{name}_95"] = [round(end, 3) for end in row["interval_95"][name]]
    return metrics


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.release", description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="folder of weights that a run wrote")
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips with splits train and val")
    parser.add_argument("--cache", default=Path("runs/cache"), type=Path, help="where decoded frames are kept")
    parser.add_argument("--history", required=True, help="what the weights were trained on, and for how long")
    options = parser.parse_args(arguments)
    output = RESULTS / "accuracy_val.json"
    if not output.is_relative_to(Path.cwd()):
        parser.error("to be started in the project's folder, as the recorded command will be")
    output = output.relative_to(Path.cwd())

    model, config = load_weights(options.weights)
    training = exclude(read_clips(options.data, "train"), TRAINING / "label_errors.csv")
    trained = sorted({clip.sport for clip in training})
    config = replace(
        config,
        threshold=choose_threshold(model, config, training, options.cache, STEP),
        step=STEP,
        licence="mit",
        training_data=f"{options.history} {RIGHTS.format(sports=', '.join(trained))}",
        sports=trained,
        provenance="trained with this package, `tracknetv5 train`",
        precision="float16",
    )
    folder = PRETRAINED / config.model
    BallTracker(model, config).save_pretrained(folder)
    score = ["--data", str(options.data), "--split", "val", "--weights", config.model, "--output", str(output)]
    subprocess.run([sys.executable, "-m", "benchmarks.accuracy", *score], check=True)
    (result,) = json.loads(output.read_text())["results"]
    BallTracker(model, replace(config, metrics=stated_metrics(result["by_sport"]))).save_pretrained(folder)


if __name__ == "__main__":
    main()
