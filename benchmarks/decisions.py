"""What a second look and linking through time are worth, and what they cost.

    python -m benchmarks.decisions --data DIR [--weights W] --output FILE.json

Heatmaps are made with windows that follow each other, with more that overlap, and once more from the mirrored picture;
positions are decided for each frame alone or along a path (`tracknetv5.linking`), after some frames or all. Every way
has the threshold that is best on one in EVERY of the clips of the split `train`, and is scored on `val`: protocol
`frame` of benchmarks/protocols.py, but that a clip is one shot without repeated frames.

Milliseconds a frame are medians over the clips of val, of the network and of the decision. Measure on an idle machine.
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.breakdown import summarise
from benchmarks.environment import write_result
from benchmarks.inputs import describe
from benchmarks.protocols import NONE, PRECISION, SIZE, THRESHOLDS, Scored
from tracknetv5.data.readers import UNLABELLED, VISIBLE, Clip, read_clips
from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import LEAST, Detection, peaks
from tracknetv5.linking import LAG, linked
from tracknetv5.metrics import Counts, count
from tracknetv5.tracker import BallTracker

EVERY = 8  # of the training clips, one in so many chooses the thresholds
ALONE = "each frame alone"
LAGS = {"path, at once": 0, "path, 2 frames later": 2, f"path, {LAG} frames later": LAG, "path, all frames": None}
IN_A_ROW, MIRRORED = "windows in a row", "windows in a row, mirrored too"
LOOKS = {IN_A_ROW: None, "a window at every second frame": 2, "a window at every frame": 1, MIRRORED: None}  # step

Candidates = Sequence[Sequence[Detection]]  # of each frame


def candidates(tracker: BallTracker, clip: Clip) -> dict[str, tuple[Candidates, float]]:
    """For each of LOOKS, where the ball may be in each frame of a clip, and the seconds that this took."""
    size = (tracker.config.height, tracker.config.width)
    images = list(clip.images(size))[: len(clip)]
    made = {}
    for look, step in LOOKS.items():
        tracker.step = step or tracker.config.frames
        began = time.perf_counter()
        heatmaps: Iterable[np.ndarray] = (heatmap for _, heatmap in tracker.heatmaps(images))
        if look == MIRRORED:
            mirrored = (heatmap[:, ::-1] for _, heatmap in tracker.heatmaps(image[:, ::-1] for image in images))
            heatmaps = ((one + other) / 2 for one, other in zip(heatmaps, mirrored, strict=True))
        made[look] = [peaks(heatmap, LEAST) for heatmap in heatmaps], time.perf_counter() - began
    return made


def decide(found: Candidates, decision: str, threshold: float, width: int) -> np.ndarray:
    """(N, 2) positions in pixels of the network's input, NaN where there is no ball."""
    if decision == ALONE:
        balls = [ball for frame in found for ball in linked([frame], threshold, width=width)]
    else:
        balls = linked(found, threshold, LAGS[decision], width=width)
    return np.array([NONE if ball is None else (ball.x, ball.y) for ball in balls])


def score(tracker: BallTracker, clip: Clip, predicted: np.ndarray) -> Scored:
    """Positions in the network's input, judged by the labels."""
    labelled = np.flatnonzero(clip.visibility[: len(predicted)] != UNLABELLED)
    source = Letterbox(clip.size, (tracker.config.height, tracker.config.width)).to_source(predicted[labelled])
    to_model = Letterbox(clip.size, SIZE).to_model
    ball = clip.visibility[labelled] == VISIBLE
    return Scored(clip, labelled, to_model(source), to_model(clip.xy[labelled]), ball)


def best_threshold(tracker: BallTracker, clips: Sequence[Clip], found: Sequence[Candidates], decision: str) -> float:
    """The one of THRESHOLDS with the highest F1 over the clips, given what may be a ball in each."""

    def f1(threshold: float) -> float:
        total = Counts()
        for clip, each in zip(clips, found, strict=True):
            part = score(tracker, clip, decide(each, decision, threshold, tracker.config.width))
            total += count(part.predicted, part.labelled)
        return total.f1

    return max(THRESHOLDS, key=f1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips with splits train and val")
    parser.add_argument("--weights", help="folder, Hub id or name of bundled weights; default: the bundled ones")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    tracker = BallTracker.from_pretrained(options.weights, precision=PRECISION)
    training, val = read_clips(options.data, "train")[::EVERY], read_clips(options.data, "val")
    seen = {clip.source: candidates(tracker, clip) for clip in (*training, *val)}
    rows = []
    for look in LOOKS:
        for decision in (ALONE, *LAGS):
            if look != IN_A_ROW and decision not in (ALONE, f"path, {LAG} frames later"):
                continue
            threshold = best_threshold(tracker, training, [seen[clip.source][look][0] for clip in training], decision)
            parts, network, deciding = [], [], []
            for clip in val:
                found, seconds = seen[clip.source][look]
                began = time.perf_counter()
                predicted = decide(found, decision, threshold, tracker.config.width)
                deciding.append(1000 * (time.perf_counter() - began) / len(found))
                network.append(1000 * seconds / len(found))
                parts.append(score(tracker, clip, predicted))
            sports = dict.fromkeys(clip.sport for clip in val)
            by_sport = {sport: summarise([part for part in parts if part.clip.sport == sport]) for sport in sports}
            rows.append(
                {
                    "look": look,
                    "decision": decision,
                    "threshold": threshold,
                    "network_ms_per_frame": round(float(np.median(network)), 2),
                    "decision_ms_per_frame": round(float(np.median(deciding)), 3),
                    "by_sport": by_sport | {"all": summarise(parts)},
                }
            )
    report = {
        "sha256": tracker.config.sha256,
        "thresholds_from": [clip.full_name for clip in training],
        "data": describe(val),
        "ways": rows,
    }
    write_result(options.output, report, "torch", "numpy", "opencv-python", "av")
    print("| heatmaps | decision | threshold | F1 on val (95 %) | network ms a frame | decision ms a frame |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        low, high = row["by_sport"]["all"]["interval_95"]["f1"]
        f1 = f"{row['by_sport']['all']['f1']:.3f} ({low:.3f} to {high:.3f})"
        print(
            f"| {row['look']} | {row['decision']} | {row['threshold']} | {f1} | {row['network_ms_per_frame']:.1f} "
            f"| {row['decision_ms_per_frame']:.2f} |"
        )


if __name__ == "__main__":
    main()
