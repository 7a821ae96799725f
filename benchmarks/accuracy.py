"""Accuracy of weights on labelled footage.

    python -m benchmarks.accuracy --data DIR --split val --weights A B --protocol frame --output FILE.json

Protocol `frame`: one prediction a frame by `BallTracker`, as a user gets it; right if less than 4 px away, in pixels of
a 512 x 288 picture letterboxed like the network's input.

Intervals are 95 % percentile intervals of a bootstrap over blocks of one second of footage. Blocks of one clip are
not independent of each other, so they are optimistic where a split has few clips.
"""

import argparse
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.environment import command, versions
from tracknetv5.data.readers import UNLABELLED, Clip, read_clips
from tracknetv5.geometry import Letterbox
from tracknetv5.metrics import Counts, outcomes
from tracknetv5.tracker import BallTracker
from tracknetv5.video import probe

SIZE = (288, 512)  # pixels (height, width) in which distances are measured
RESAMPLES = 1000
NONE = (np.nan, np.nan)


def predict_frames(tracker: BallTracker, clip: Clip) -> Iterator[tuple[int, tuple[float, float]]]:
    """(frame, (x, y) in pixels of `SIZE`) as `BallTracker` finds them; NaN for no ball."""
    letterbox = Letterbox(clip.size, SIZE)
    if clip.source.is_dir():
        xy = np.array([point.xy or NONE for point in tracker.stream(clip.images())], float)
    else:
        xy = tracker.track(clip.source).xy
    yield from enumerate(letterbox.to_model(xy[: len(clip)]))


PROTOCOLS: dict[str, Callable] = {"frame": predict_frames}


def score_clip(predictions: Iterator[tuple[int, tuple[float, float]]], clip: Clip) -> dict[str, np.ndarray]:
    """Outcome, distance (px of `SIZE`) and second of footage of each prediction in a labelled frame."""
    frames, predicted = (np.array(column) for column in zip(*predictions, strict=True))
    labelled = Letterbox(clip.size, SIZE).to_model(clip.xy)[frames]
    scored = clip.visibility[frames] != UNLABELLED
    rate = 30.0 if clip.source.is_dir() else float(probe(clip.source).fps)
    return {
        "outcome": outcomes(predicted, labelled)[scored],
        "distance": np.linalg.norm(predicted - labelled, axis=1)[scored],
        "second": (frames[scored] / rate).astype(int),
    }


def summarise(clips: Sequence[dict[str, np.ndarray]]) -> dict:
    """Counts, ratios with intervals, and the median distance of the predictions that are right."""
    total = _counts(np.concatenate([clip["outcome"] for clip in clips]))
    near = np.concatenate([clip["distance"][clip["outcome"] == "tp"] for clip in clips])
    blocks = [
        _counts(clip["outcome"][clip["second"] == second]) for clip in clips for second in np.unique(clip["second"])
    ]
    table = np.array([[b.tp, b.fp1, b.fp2, b.tn, b.fn] for b in blocks])
    rng = np.random.default_rng(0)
    sums = np.stack([table[rng.integers(len(table), size=len(table))].sum(0) for _ in range(RESAMPLES)])
    draws = [Counts(*map(int, row)) for row in sums]
    intervals = {
        name: np.nanpercentile([getattr(draw, name) for draw in draws], [2.5, 97.5]).round(4).tolist()
        for name in ("precision", "recall", "f1")
    }
    return total.as_dict() | {
        "interval_95": intervals,
        "blocks": len(blocks),
        "clips": len(clips),
        "median_error_px": float(np.median(near)) if len(near) else None,
    }


def _counts(names: np.ndarray) -> Counts:
    return Counts(**{name: int((names == name).sum()) for name in ("tp", "fp1", "fp2", "tn", "fn")})


def evaluate(weights: str, clips: Sequence[Clip], protocol: str, **options) -> dict:
    """Scores of one set of weights, by sport and in all."""
    tracker = BallTracker.from_pretrained(weights, **options)
    scored = [(clip, score_clip(PROTOCOLS[protocol](tracker, clip), clip)) for clip in clips]
    rows = {
        sport: summarise([scores for clip, scores in scored if clip.sport == sport])
        for sport in dict.fromkeys(clip.sport for clip in clips)
    }
    return {
        "weights": weights,
        "sha256": tracker.config.sha256,
        "model": tracker.config.model,
        "protocol": protocol,
        "threshold": tracker.threshold,
        "step": tracker.step,
        "by_sport": rows | {"all": summarise([scores for _, scores in scored])},
        "by_clip": {f"{clip.sport}/{clip.name}": _counts(scores["outcome"]).as_dict() for clip, scores in scored},
    }


def describe(clips: Sequence[Clip]) -> list[dict]:
    """The clips by name, size and content, so that a figure says what it was measured on."""
    return [
        {
            "clip": f"{clip.sport}/{clip.name}",
            "group": clip.group,
            "frames": len(clip),
            "scored": int((clip.visibility != UNLABELLED).sum()),
            "sha256": "" if clip.source.is_dir() else hashlib.sha256(clip.source.read_bytes()).hexdigest(),
        }
        for clip in clips
    ]


def markdown(results: Sequence[dict]) -> str:
    """The table of the results, one line for each weights, protocol and sport."""
    lines = ["| weights | protocol | sport | F1 (95 %) | precision | recall | TP | FP1 | FP2 | TN | FN | error px |"]
    lines.append("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for result in results:
        for sport, row in result["by_sport"].items():
            low, high = row["interval_95"]["f1"]
            ratios = " | ".join("-" if row[name] is None else f"{row[name]:.3f}" for name in ("precision", "recall"))
            error = "-" if row["median_error_px"] is None else f"{row['median_error_px']:.2f}"
            counts = " | ".join(str(row[name]) for name in ("tp", "fp1", "fp2", "tn", "fn"))
            f1 = "-" if row["f1"] is None else f"{row['f1']:.3f} ({low:.3f} to {high:.3f})"
            lines.append(
                f"| {result['weights']} | {result['protocol']} | {sport} | {f1} | {ratios} | {counts} | {error} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips, see data/readers.py")
    parser.add_argument("--split", help="train or val, where the data set has splits")
    parser.add_argument("--weights", nargs="+", required=True, help="folders, Hub ids or names of bundled weights")
    parser.add_argument("--protocol", nargs="+", default=["frame"], choices=list(PROTOCOLS))
    parser.add_argument("--threshold", type=float, help="default: what the weights' config says")
    parser.add_argument("--step", type=int, help="default: what the weights' config says")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    clips = read_clips(options.data, options.split)
    results = [
        evaluate(weights, clips, protocol, threshold=options.threshold, step=options.step)
        for weights in options.weights
        for protocol in options.protocol
    ]
    report = {
        "command": command(),
        "env": versions("torch", "numpy", "opencv-python", "av"),
        "tolerance_px": 4,
        "size": SIZE,
        "split": options.split,
        "data": describe(clips),
        "results": results,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    print(markdown(results))


if __name__ == "__main__":
    main()
