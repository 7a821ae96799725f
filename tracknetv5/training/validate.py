"""A quick look at a network while it trains. The figures that are published come from `benchmarks.accuracy`."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tracknetv5.background import median_background
from tracknetv5.data.readers import UNLABELLED, VISIBLE, Clip, cached_frames
from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import HeatmapMerger, peaks
from tracknetv5.linking import linked
from tracknetv5.metrics import SIZE, TOLERANCE, Counts, count
from tracknetv5.runtime import TorchRuntime
from tracknetv5.windows import windows

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


def validate(
    model: nn.Module,
    clips: Sequence[Clip],
    *,
    size: tuple[int, int],
    cache: Path,
    step: int | None = None,
) -> dict[str, float]:
    """Scores by sport and over all, at 4 px of 512 x 288.

    Args:
        model: takes windows (1, T, 3, *size) in [0, 1].
        size: (height, width) of its input.
        cache: folder of decoded frames.
        step: frames from a window to the next; None for windows in a row, which see each frame once.

    Returns:
        For each sport and "all": `argmax`, the share of visible frames whose highest pixel is within 4 px of the ball;
        `f1` at the threshold whose mean over the sports is best, `f1_at_half` at 0.5; and that `threshold`.
    """
    runtime = TorchRuntime(model, next(model.parameters()).device)
    near, seen = defaultdict(int), defaultdict(int)
    counts = defaultdict(lambda: [Counts()] * len(THRESHOLDS))
    for clip in clips:
        to_source, to_scored = Letterbox(clip.size, size).to_source, Letterbox(clip.size, SIZE).to_model
        truth = to_scored(clip.xy)
        scored, visible = clip.visibility != UNLABELLED, clip.visibility == VISIBLE
        highest, candidates = [], []
        length = model.options.frames
        for _, heatmap in _heatmaps(runtime, cached_frames(clip, cache, size), length, step or length):
            highest.append(np.unravel_index(heatmap.argmax(), heatmap.shape)[::-1])
            candidates.append(peaks(heatmap))
        distance = np.linalg.norm(to_scored(to_source(np.array(highest))) - truth, axis=1)
        near[clip.sport] += int((distance < TOLERANCE)[visible].sum())
        seen[clip.sport] += int(visible.sum())
        scores = []
        for threshold in THRESHOLDS:
            balls = linked(candidates, threshold, width=size[1])
            predicted = np.array([(ball.x, ball.y) if ball else (np.nan, np.nan) for ball in balls])
            scores.append(count(to_scored(to_source(predicted[scored])), truth[scored]))
        counts[clip.sport] = [a + b for a, b in zip(counts[clip.sport], scores, strict=True)]
    # Each sport counts alike, however much footage there is of it; no F1 where there is nothing to find.
    by_sport = np.nan_to_num([[each.f1 for each in of_sport] for of_sport in counts.values()])
    best = int(by_sport.mean(axis=0).argmax())
    near["all"], seen["all"] = sum(near.values()), sum(seen.values())
    counts["all"] = [sum(column, Counts()) for column in zip(*counts.values(), strict=True)]
    result = {"threshold": THRESHOLDS[best]}
    for sport in counts:
        result[f"{sport}_argmax"] = near[sport] / max(seen[sport], 1)
        result[f"{sport}_f1"] = counts[sport][best].f1
        result[f"{sport}_f1_at_half"] = counts[sport][THRESHOLDS.index(0.5)].f1
    return result


def _heatmaps(runtime: TorchRuntime, frames: np.ndarray, length: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
    merger = HeatmapMerger(length, step)
    behind = [_input(median_background(frames))] if runtime.model.takes_background else []
    for start, chosen in windows(range(len(frames)), length, step):
        (heatmaps,) = runtime(_input(frames[chosen]), *behind)
        yield from merger.add(start, heatmaps)
    yield from merger.flush(len(frames))


def _input(pictures: np.ndarray) -> torch.Tensor:
    """(..., H, W, 3) uint8 -> (1, ..., 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pictures).movedim(-1, -3)[None].float() / 255
