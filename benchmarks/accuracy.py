"""Accuracy of weights, or of predictions in CSV files, on labelled footage.

    python -m benchmarks.accuracy --data DIR --split val --weights A B --predictions FOLDER --output FILE.json
    python -m benchmarks.accuracy --data TENNIS --split paper --protocol paper --weights A B C --output FILE.json

The second gives the rows of the V5 paper's tables 1, 4 and 5, from a folder of the TrackNet tennis data set.
What the protocols count is told in benchmarks/protocols.py, what the result holds in benchmarks/breakdown.py.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.breakdown import KINDS, breakdown, by_tolerance, counts, summarise
from benchmarks.environment import write_result
from benchmarks.inputs import describe
from benchmarks.protocols import (
    PAPER_THRESHOLD,
    PRECISION,
    SIZE,
    Scored,
    SweepingTracker,
    by_file,
    by_frame,
    by_heatmap,
    held_out,
    prediction_file,
)
from benchmarks.splits import SPLITS
from tracknetv5.data.readers import Clip, read_clips
from tracknetv5.metrics import TOLERANCE
from tracknetv5.tracker import BallTracker

PROTOCOLS = {
    "frame": "one prediction a frame",
    "paper": "every heatmap of every window, decoded to whole pixels",
}


def evaluate(
    weights: str,
    clips: Sequence[Clip],
    protocol: str,
    *,
    starts: Mapping[Path, set[int]] | None = None,
    threshold: float | None = None,
    step: int | None = None,
) -> dict:
    """Scores of one set of weights by sport, by clip and in all; with `frame` the breakdown, too, with `paper` its
    part by tolerance.

    Args:
        weights: folder, Hub id or name of bundled weights.
        protocol: one of PROTOCOLS.
        starts: first frames of the windows to score, by the clip's source, for `paper`; None for all windows.
        threshold: as in `BallTracker`, for `frame`; the papers' decoder has its own.
        step: as in `BallTracker`, for `frame`; the papers' windows begin at every frame.
    """
    if protocol == "paper":
        tracker = BallTracker.from_pretrained(weights, precision=PRECISION, threshold=PAPER_THRESHOLD, step=1)
        scored = [by_heatmap(tracker, clip, None if starts is None else starts[clip.source])[0] for clip in clips]
    else:
        tracker = SweepingTracker.from_pretrained(weights, precision=PRECISION, threshold=threshold, step=step)
        scored = [by_frame(tracker, clip) for clip in clips]
    facts = {
        "weights": weights,
        "sha256": tracker.config.sha256,
        "model": tracker.config.model,
        "protocol": protocol,
        "threshold": tracker.threshold,
        "step": tracker.step,
    }
    # The V5 paper has its 4 px "at the original resolution", its code at 512 x 288: for `paper`, too, both are told.
    more = {"breakdown": breakdown(scored)} if protocol == "frame" else {"tolerance": by_tolerance(scored)}
    return facts | _tables(scored) | more


def evaluate_predictions(folder: Path, clips: Sequence[Clip]) -> dict:
    """The same for the predictions in a folder of `CLIP.csv`, by protocol `frame`; its name stands for the weights."""
    scored = [by_file(folder, clip) for clip in clips]
    return {"weights": str(folder), "protocol": "frame"} | _tables(scored) | {"breakdown": breakdown(scored)}


def _tables(scored: Sequence[Scored]) -> dict:
    sports = dict.fromkeys(part.clip.sport for part in scored)
    rows = {sport: summarise([part for part in scored if part.clip.sport == sport]) for sport in sports}
    by_clip = {part.clip.full_name: counts(part.outcome).as_dict() for part in scored}
    return {"by_sport": rows | {"all": summarise(scored)}, "by_clip": by_clip}


def markdown(results: Sequence[dict]) -> str:
    """The table of the results, one line for each weights, protocol and sport."""
    lines = [
        "| weights | protocol | sport | F1 (95 %) | precision | recall | accuracy | total | TP | FP1 | FP2 | TN | FN "
        "| error px |",
        "|---|---|---|" + "---:|" * 11,
    ]
    for result in results:
        for sport, row in result["by_sport"].items():
            low, high = row["interval_95"]["f1"]
            names = ("precision", "recall", "accuracy")
            ratios = " | ".join("-" if row[name] is None else f"{row[name]:.3f}" for name in names)
            error = "-" if row["median_error_px"] is None else f"{row['median_error_px']:.2f}"
            numbers = " | ".join(str(row[name]) for name in ("total", *KINDS))
            f1 = "-" if row["f1"] is None else f"{row['f1']:.3f} ({low:.3f} to {high:.3f})"
            lines.append(
                f"| {result['weights']} | {result['protocol']} | {sport} | {f1} | {ratios} | {numbers} | {error} |"
            )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips, see data/readers.py")
    parser.add_argument(
        "--split", help=f"train or val, where the data set has splits; {', '.join(SPLITS)} for TrackNet tennis"
    )
    parser.add_argument("--weights", nargs="+", default=[], help="folders, Hub ids or names of bundled weights")
    parser.add_argument(
        "--predictions", nargs="+", default=[], type=Path, metavar="FOLDER",
        help="folders of CLIP.csv (Frame,Visibility,X,Y in pixels of the footage), always scored by protocol frame",
    )  # fmt: skip
    parser.add_argument("--protocol", nargs="+", default=["frame"], choices=list(PROTOCOLS))
    parser.add_argument("--threshold", type=float, help="for protocol frame; default: what the weights' config says")
    parser.add_argument("--step", type=int, help="for protocol frame; default: what the weights' config says")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    if not options.weights and not options.predictions:
        parser.error("nothing to score: give --weights or --predictions")
    if options.split == "paper" and (options.predictions or "frame" in options.protocol):
        parser.error(
            "--split paper divides windows, and most clips are on both sides: score heatmaps with --protocol paper, or "
            "frames with --split game or clip"
        )
    try:
        if options.split in SPLITS:
            clips, starts = held_out(options.data, options.split)
            if options.split != "paper":  # all windows of whole clips
                starts = None
        else:
            clips, starts = read_clips(options.data, options.split), None
        needed = [prediction_file(folder, clip) for folder in options.predictions for clip in clips]
        if missing := [str(path) for path in needed if not path.is_file()]:
            raise FileNotFoundError(f"no predictions for {len(missing)} of {len(needed)} clips: {', '.join(missing)}")
        results = [
            evaluate(weights, clips, protocol, starts=starts, threshold=options.threshold, step=options.step)
            for weights in options.weights
            for protocol in options.protocol
        ]
        results += [evaluate_predictions(folder, clips) for folder in options.predictions]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {
        "tolerance_px": int(TOLERANCE),
        "size": SIZE,
        "split": options.split,
        "data": describe(clips),
        "results": results,
    }
    write_result(options.output, report, "torch", "numpy", "opencv-python", "av")
    print(markdown(results))


if __name__ == "__main__":
    main()
