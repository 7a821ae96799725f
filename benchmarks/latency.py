"""Frames per second beside F1: windows over the whole video at each step, and `BallTracker.stream` at each delay.

    python -m benchmarks.latency --data data --split val [--weights W] [--runtime torch onnx]
        [--precision float32 bfloat16] [--step 3 1] --output FILE.json

A frame's time is what passes from the moment the tracker is given it, at the size of the footage, until it asks for the
next. From those times follows what `BallTracker.follow` would make of a source of 30 frames a second, of which it takes
the newest when it is ready for one: a point's latency, from the moment its frame came until the point is there, and the
share of frames that are dropped; F1 is that of a tracker that drops none. `offline` stands for the windows of
`BallTracker.track`. Scored by protocol `frame` of benchmarks/protocols.py, but on frames that come at the size of the
footage and without their times, as to `BallTracker.stream`: a few decisions differ. ONNX Runtime computes in float32
alone. Measure on an idle machine.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.breakdown import KINDS, summarise
from benchmarks.environment import load_average, machine, write_result
from benchmarks.inputs import describe
from benchmarks.protocols import by_file, prediction_file
from tracknetv5.data.readers import Clip, read_clips
from tracknetv5.runtime import ONNX_PACKAGES, keep_freed_memory
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Trajectory

DELAYS = (2, 1, 0)  # frames, each with as few windows as it allows
RATE = 30.0  # frames a second at which latencies are told
WARM_UP = 3  # frames of a clip that are not timed


def timed(frames: Iterable[np.ndarray], seconds: list[float], ended: list[float]) -> Iterator[np.ndarray]:
    """The frames; how long each takes whoever asks for them is added to `seconds`, and when they ended to `ended`."""
    for frame in frames:
        given = time.perf_counter()
        yield frame
        seconds.append(time.perf_counter() - given)
    ended.append(time.perf_counter())


def at_rate(seconds: Sequence[float], waits: Sequence[int]) -> tuple[np.ndarray, float]:
    """What becomes of frames that come RATE times a second, each dropped if the next comes before it is taken.

    Args:
        seconds: (N,) what each frame takes that is looked at.
        waits: (N,) how many further frames must have been looked at when its point comes; it comes with the last.

    Returns:
        (N,) seconds from a frame's coming to its point, and the share of frames that were dropped.
    """
    came, done, number, clock = [], [], -1, 0.0
    for taken in seconds:
        number = max(number + 1, int(clock * RATE))  # the newest that has come, or the next
        clock = max(clock, number / RATE) + taken
        came.append(number / RATE)
        done.append(clock)
    return np.array([done[k + wait] - came[k] for k, wait in enumerate(waits)]), 1 - len(came) / (number + 1)


@dataclass(frozen=True)
class Way:
    """How frames are looked at: one row of the table."""

    runtime: str
    precision: str
    delay: int | None = None  # frames that are waited for; None: offline
    step: int | None = None  # frames between windows; None: that of the weights


def measure(weights: str | None, way: Way, clips: Sequence[Clip]) -> dict:
    """One row of the table.

    Raises:
        ValueError: weights that do not load, a step that does not fit them, or clips that cannot be read.
    """
    delay = way.delay
    tracker = BallTracker.from_pretrained(
        weights, runtime=way.runtime, precision=way.precision, step=way.step, device="cpu"
    )
    seconds, latencies, dropped, scored = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips:
            own, ended, points, at = [], [], [], []
            for point in tracker.stream(timed(clip.images(), own, ended), delay=delay):
                points.append(point)
                at.append(len(own))  # the number of the frame that is looked at
            if delay is None:  # much of the work may be left: it waits for frames around
                own[-1] += time.perf_counter() - ended[0]
            Trajectory.from_points(points).to_csv(prediction_file(Path(folder), clip))
            scored.append(by_file(Path(folder), clip))
            seconds += own[WARM_UP:]
            if delay is not None and len(own) > WARM_UP:
                waits = [min(last, len(own) - 1) - frame for frame, last in enumerate(at)]
                late, lost = at_rate(own[WARM_UP:], waits[WARM_UP:])
                latencies += late.tolist()
                dropped.append(lost)
    total = summarise(scored)
    milliseconds = 1e3 * np.array(seconds)
    row = {
        "weights": weights or tracker.config.model,
        "sha256": tracker.config.sha256,
        "runtime": tracker.runtime,
        "computed_in": tracker.precision,
        "delay": "offline" if delay is None else delay,
        "step": tracker.step if delay is None else min(tracker.step, delay + 1),
        "frames": len(milliseconds),
        "frames_per_second": round(1e3 / float(milliseconds.mean()), 2),
        "f1": total["f1"],
        "interval_95": total["interval_95"]["f1"],
        "precision": total["precision"],
        "recall": total["recall"],
    } | {kind: total[kind] for kind in KINDS}
    if delay is None:
        return row
    return row | {
        "frame_ms_mean": round(float(milliseconds.mean()), 2),
        "frame_ms_95": round(float(np.percentile(milliseconds, 95)), 2),
        "latency_ms_median": round(1e3 * float(np.median(latencies)), 2),
        "latency_ms_95": round(1e3 * float(np.percentile(latencies, 95)), 2),
        "dropped": round(float(np.mean(dropped)), 4),
    }


def markdown(rows: Sequence[dict]) -> str:
    lines = [
        "| weights | runtime | computed in | delay | step | frames/s | F1 (95 %) | ms a frame: mean, 95th "
        f"| latency at {RATE:g} frames/s, ms: median, 95th | dropped |",
        "|---|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        low, high = row["interval_95"]
        cells = [row[name] for name in ("weights", "runtime", "computed_in", "delay", "step", "frames_per_second")]
        cells += ["-" if row["f1"] is None else f"{row['f1']:.3f} ({low:.3f} to {high:.3f})"]
        if row["delay"] == "offline":
            cells += ["-"] * 3
        else:
            cells += [f"{row['frame_ms_mean']:.1f}, {row['frame_ms_95']:.1f}"]
            cells += [f"{row['latency_ms_median']:.1f}, {row['latency_ms_95']:.1f}", f"{row['dropped']:.1%}"]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips, see data/readers.py")
    parser.add_argument("--split", help="train or val, where the data set has splits")
    parser.add_argument("--weights", help="folder, .onnx file, Hub id or name; default: the bundled ones")
    parser.add_argument("--runtime", nargs="+", choices=("torch", "onnx"), default=["torch"])
    parser.add_argument("--precision", nargs="+", choices=("float32", "bfloat16"), default=["float32"])
    parser.add_argument("--step", nargs="+", type=int, default=[3, 1], help="frames between windows, offline")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    ways = [
        Way(runtime, precision, **how)
        for runtime in options.runtime
        for precision in options.precision
        if runtime == "torch" or precision == "float32"
        for how in (
            [{"step": step} for step in options.step]
            + [{"delay": delay, "step": delay + 1} for delay in DELAYS]
        )
    ]
    load = load_average()
    keep_freed_memory()  # as `tracknetv5 live` does
    try:
        clips = read_clips(options.data, options.split)
        rows = [measure(options.weights, way, clips) for way in ways]
    except (OSError, ValueError) as error:
        parser.error(str(error))
    packages = ["torch", "numpy", "opencv-python", "av", *(ONNX_PACKAGES if "onnx" in options.runtime else ())]
    result = {
        "machine": machine() | {"load_at_start": load},
        "split": options.split,
        "data": describe(clips),
        "rows": rows,
    }
    write_result(options.output, result, *packages)
    print(markdown(rows))


if __name__ == "__main__":
    main()
