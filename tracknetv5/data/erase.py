"""Balls painted over with what the same place shows shortly before and after, when they are elsewhere.

This needs a camera that stands still for a second. A held or resting ball stays where it is and is not erased by its
own past.
"""

from math import ceil

import cv2
import numpy as np

from tracknetv5.metrics import SIZE

# Lengths are pixels of a picture 512 wide, and more in a larger one.
RADIUS = 6  # a ball with its soft edge
REACH = 15  # frames before and after whose pixels may stand in
CLEAR = 12.0  # nearer than this to the erased ball, a ball in another frame would be painted back
EDGE = 4  # over this what is painted fades out


def erase(images: np.ndarray, xy: np.ndarray, numbers: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a clip without their ball.

    Args:
        images: (N, H, W, 3) uint8 RGB, the whole clip.
        xy: (N, 2) balls in pixels of these images, NaN where there is none.
        numbers: (M,) the frames wanted; default: all.

    Returns:
        (M, H, W, 3) uint8 RGB, and (M,) bool: frames in which a ball was erased. A ball stays where in fewer than
        `REACH // 2` of the frames around it the ball is known to be `CLEAR` away.
    """
    numbers = np.arange(len(images)) if numbers is None else numbers
    result, erased = np.array(images[numbers]), np.zeros(len(numbers), bool)
    height, width = images.shape[1:3]
    radius, clear, edge = (length * max(1.0, width / SIZE[1]) for length in (RADIUS, CLEAR, EDGE))
    margin = ceil(radius + edge) + 1
    for which, number in enumerate(numbers):
        if np.isnan(xy[number, 0]):
            continue
        near = np.arange(max(number - REACH, 0), min(number + REACH + 1, len(images)))
        near = near[np.linalg.norm(xy[near] - xy[number], axis=1) >= clear]  # NaN: who knows where that ball is
        if len(near) < REACH // 2:
            continue
        # From halfway to the ball before to halfway to the ball after: the streak that a slow shutter leaves.
        ends = [
            (xy[number] + xy[k]) / 2 if 0 <= k < len(xy) and not np.isnan(xy[k, 0]) else xy[number]
            for k in (number - 1, number + 1)
        ]
        ball, *ends = (np.rint(point).astype(int) for point in (xy[number], *ends))
        left, top = np.maximum(np.min([ball, *ends], axis=0) - margin, 0)
        right, bottom = np.minimum(np.max([ball, *ends], axis=0) + margin + 1, (width, height))
        if left >= right or top >= bottom:
            continue
        cover = np.zeros((bottom - top, right - left), np.float32)
        for end in ends:
            cv2.line(cover, ball - (left, top), end - (left, top), 1.0, round(2 * radius))
        share = cv2.GaussianBlur(cover, (0, 0), edge / 4)[..., None]
        part = np.s_[top:bottom, left:right]
        behind = np.median(images[(near, *part)], axis=0)
        result[(which, *part)] = np.rint(share * behind + (1 - share) * images[(number, *part)])
        erased[which] = True
    return result, erased
