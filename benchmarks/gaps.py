"""How well gaps in flight are filled: labelled balls hidden from `Trajectory.fill_gaps`.

    python -m benchmarks.gaps --data DIR --split val --output FILE.json

The labels stand for a perfect detector: this measures the rule alone, on flights, bounces and hits as matches have
them. Of every 6 + N frames N are hidden, in three ways of beginning; counted are those in which the ball is labelled. A
label that says "no ball" within a flight may mean a ball behind a player: what is filled there is counted apart.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.environment import write_result
from benchmarks.inputs import describe
from tracknetv5.data.readers import HIDDEN, VISIBLE, Clip, read_clips
from tracknetv5.geometry import Letterbox
from tracknetv5.metrics import SIZE, TOLERANCE
from tracknetv5.trajectory import GAP, Trajectory

SEEN = 6  # frames between two gaps
BEGINNINGS = 3


def labels(clip: Clip) -> Trajectory:
    """A clip's labels as if they had been detected."""
    seen = clip.visibility == VISIBLE
    number = np.arange(len(clip))
    xy = np.where(seen[:, None], clip.xy, np.nan)
    return Trajectory(number, number / clip.fps, xy, seen.astype(float), np.where(seen, "detected", ""), size=clip.size)


def hidden_and_filled(clips: Iterable[Clip], length: int) -> np.ndarray:
    """(N,) distance in pixels of 512 x 288 between label and filled point, of each hidden ball; NaN: not filled."""
    distances = []
    for clip in clips:
        truth, to_scored = labels(clip), Letterbox(clip.size, SIZE).to_model
        period = SEEN + length
        for beginning in range(0, period, -(-period // BEGINNINGS)):
            hidden = (truth.frame + beginning) % period >= SEEN
            xy = np.where(hidden[:, None], np.nan, truth.xy)
            seen = ~np.isnan(xy[:, 0])
            source = np.where(seen, "detected", "")
            filled = replace(truth, xy=xy, score=seen.astype(float), source=source).fill_gaps(length)
            distance = np.linalg.norm(to_scored(filled.xy) - to_scored(truth.xy), axis=1)
            distances.append(distance[hidden & truth.visible])
    return np.concatenate(distances)


def by_length(clips: Sequence[Clip]) -> list[dict[str, float]]:
    """For gaps of 1 to GAP frames: balls hidden, filled, and of these right within TOLERANCE and the farthest."""
    rows = []
    for length in range(1, GAP + 1):
        distance = hidden_and_filled(clips, length)
        filled = distance[~np.isnan(distance)]
        rows.append(
            {
                "frames": length,
                "hidden": len(distance),
                "filled": len(filled),
                "right": int((filled < TOLERANCE).sum()),
                "farthest_px": round(float(filled.max()), 1) if len(filled) else None,
            }
        )
    return rows


def without_a_ball(clips: Iterable[Clip]) -> dict[str, dict[str, int]]:
    """For each sport, frames labelled "no ball", and those of them that are filled between labelled balls."""
    rows: dict[str, dict[str, int]] = {}
    for clip in clips:
        empty = clip.visibility == HIDDEN
        row = rows.setdefault(clip.sport, {"frames": 0, "filled": 0})
        row["frames"] += int(empty.sum())
        row["filled"] += int((labels(clip).fill_gaps().visible & empty).sum())
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gaps", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips")
    parser.add_argument("--split", default="val", help="default: val")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    try:
        clips = read_clips(options.data, options.split)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    report = {
        "split": options.split,
        "data": describe(clips),
        "by_length": by_length(clips),
        "without_a_ball": without_a_ball(clips),
    }
    write_result(options.output, report, "numpy", "av")
    print(json.dumps({name: report[name] for name in ("by_length", "without_a_ball")}, indent=1))


if __name__ == "__main__":
    main()
