"""Trajectory rectification: a network fills in the frames in which the ball was missed, where that is plausible.

Source: Chen and Wang, "TrackNetV3: Enhancing shuttlecock tracking with augmentations and trajectory rectification",
MMAsia 2023.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from tracknetv5.trajectory import Trajectory
from tracknetv5.windows import windows

TOP = 0.05  # share of the frame's height; a ball above it may have left the picture, and no gap next to it is filled
NOWHERE = 50 / np.hypot(288, 512)  # a point with both coordinates (shares of the frame) below it means "no ball"
BATCH = 256  # windows


def repair_mask(trajectory: Trajectory) -> np.ndarray:
    """(N,) bool: frames without a ball that are to be filled in.

    A gap is filled if the ball was below the top of the frame just before it and just after it, in one shot; one at the
    very start needs only the ball after it, and one at the end stays.
    """
    low = np.nan_to_num(trajectory.xy[:, 1], nan=-1.0) > TOP * trajectory.size[0]
    mask, shot = np.zeros(len(trajectory), bool), trajectory.shot
    seen = np.flatnonzero(trajectory.visible)
    for before, after in pairwise([-1, *seen]):
        mask[before + 1 : after] = (before < 0 or low[before]) and low[after] and shot[max(before, 0)] == shot[after]
    return mask


@torch.inference_mode()
def rectify(trajectory: Trajectory, model: nn.Module, weights: Sequence[float]) -> Trajectory:
    """A copy of a trajectory whose repairable gaps are filled; those points are `rectified`, with score 0.

    Every frame is seen by several windows, whose results are averaged. A window in which no ball was detected is left
    out, as it holds nothing to go by: a frame that only such windows see stays empty. A repeated frame gets the point
    of the one that it repeats.

    Args:
        trajectory: consecutive frames, with the size of the frame known.
        model: InpaintNet; its options tell the length of a window.
        weights: one for each frame of a window, by which the windows that see a frame are averaged.
    """
    mask, visible = repair_mask(trajectory), trajectory.visible
    size = np.array(trajectory.size[::-1], np.float64)  # width, height
    xy = np.nan_to_num(trajectory.xy / size)
    chosen = [
        rows
        for _, rows in windows(range(len(mask)), model.options.frames, 1)
        if mask[rows].any() and visible[rows].any()
    ]
    sums, totals = np.zeros_like(xy), np.zeros(len(mask))
    device = next(model.parameters()).device
    for first in range(0, len(chosen), BATCH):
        rows = np.array(chosen[first : first + BATCH])  # (B, L)
        inputs = [torch.from_numpy(part).float().to(device) for part in (xy[rows], mask[rows][..., None])]
        filled = model(*inputs).double().cpu().numpy()  # (B, L, 2)
        for position, weight in enumerate(weights[: len(mask)]):  # without the padding of a short video
            sums[rows[:, position]] += weight * filled[:, position]
            totals[rows[:, position]] += weight
    mask &= totals > 0
    sums[mask] /= totals[mask, None]
    mask &= (sums >= NOWHERE).any(axis=1)
    xy, source = trajectory.xy.copy(), trajectory.source.copy()
    xy[mask], source[mask] = sums[mask] * size, "rectified"
    return trajectory.with_filled(xy, source)
