"""Training targets."""

import numpy as np

RADIUS = 2.5  # pixels of the model's input; the disc of the reference implementations at 512 x 288


def disc(xy: np.ndarray, size: tuple[int, int], radius: float = RADIUS) -> np.ndarray:
    """Binary heatmaps: 1 within `radius` pixels of the ball.

    Args:
        xy: (T, 2) ball centres in pixels of the model's input, NaN where there is no ball.
        size: (height, width) in pixels.

    Returns:
        (T, height, width) uint8; all zero where there is no ball.
    """
    height, width = size
    heatmaps = np.zeros((len(xy), height, width), np.uint8)
    for heatmap, (x, y) in zip(heatmaps, xy, strict=True):
        if np.isnan(x) or np.isnan(y):
            continue
        # Only the square around the ball: a distance for every pixel would take longer than the rest of a window.
        left, right = max(int(np.ceil(x - radius)), 0), min(int(np.floor(x + radius)) + 1, width)
        top, bottom = max(int(np.ceil(y - radius)), 0), min(int(np.floor(y + radius)) + 1, height)
        if left >= right or top >= bottom:
            continue
        columns, rows = np.arange(left, right) - x, np.arange(top, bottom) - y
        heatmap[top:bottom, left:right] = rows[:, None] ** 2 + columns**2 <= radius**2
    return heatmaps
