"""False balls a second where there is no ball: labelled footage with its ball erased.

    python -m benchmarks.erased --weights W --data DIR --split val --output FILE.json

The ball, with its blur, is painted over with what the same place shows shortly before and after, when the ball is
elsewhere. Whatever the tracker still finds in such a frame is a false ball. Frames without a label are seen by the
network but not counted; nor are frames that the data set calls free of a ball, which `benchmarks.accuracy` counts.

Erasing needs a camera that stands still for a second. A held or resting ball stays where it is and is not erased by its
own past: a frame counts if in 7 or more of those 15 before and 15 after the ball is known to be 12 pixels (of a picture
512 wide) away. In the windows at the edge of what is counted the network may still see a ball, in the frame before or
after.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.environment import write_result
from benchmarks.inputs import describe, weights_and_footage
from tracknetv5.data.erase import erase
from tracknetv5.data.readers import Clip
from tracknetv5.geometry import Letterbox
from tracknetv5.tracker import BallTracker


def false_balls(tracker: BallTracker, clip: Clip) -> dict[str, float]:
    """Frames whose ball was erased, the seconds that they are, and those in which the tracker finds one."""
    size = (tracker.config.height, tracker.config.width)
    images = np.stack(list(clip.images(size)))[: len(clip)]
    truth = Letterbox(clip.size, size).to_model(clip.xy)[: len(images)]
    images, erased = erase(images, truth)
    balls = tracker.link(heatmap for _, heatmap in tracker.heatmaps(images))
    found = np.array([ball is not None for ball in balls])
    count = int(erased.sum())
    return {"frames": count, "seconds": count / clip.fps, "found": int((found & erased).sum())}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erased", description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options, tracker, clips = weights_and_footage(parser, arguments)
    parts: dict[str, list[dict[str, float]]] = {}
    for clip in clips:
        parts.setdefault(clip.sport, []).append(false_balls(tracker, clip))
    parts["all"] = [part for sport in parts.values() for part in sport]
    rows = {}
    for sport, group in parts.items():
        row = {name: sum(part[name] for part in group) for name in ("frames", "seconds", "found")}
        seconds = row["seconds"]
        rate = round(row["found"] / seconds, 3) if seconds else None
        rows[sport] = row | {"seconds": round(seconds, 2), "false_balls_per_second": rate}
    report = {
        "sha256": tracker.config.sha256,
        "threshold": tracker.threshold,
        "step": tracker.step,
        "split": options.split,
        "data": describe(clips),
        "by_sport": rows,
    }
    write_result(options.output, report, "torch", "numpy", "opencv-python", "av")
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
