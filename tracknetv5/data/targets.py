"""Training targets."""

import numpy as np

RADIUS = 2.5  # pixels of the model's input; the disc of the reference implementations at 512 x 288


def disc(xy: np.ndarray, size: tuple[int, int], radius: float = RADIUS) -> np.ndarray:
    """Binary heatmaps: 1 within `radius` pixels of a ball.

    Args:
        xy: (K, T, 2) centres of the balls in pixels of the model's input, NaN where there is none.
        size: (height, width) in pixels.

    Returns:
        (T, height, width) uint8; all zero where there is no ball.
    """
    height, width = size
    heatmaps = np.zeros((xy.shape[1], height, width), np.uint8)
    for which, number in np.argwhere(~np.isnan(xy).any(2)):
        x, y = xy[which, number]
        # Only the square around the ball: a distance for every pixel would take longer than the rest of a window.
        left, right = max(int(np.ceil(x - radius)), 0), min(int(np.floor(x + radius)) + 1, width)
        top, bottom = max(int(np.ceil(y - radius)), 0), min(int(np.floor(y + radius)) + 1, height)
        if left >= right or top >= bottom:
            continue
        columns, rows = np.arange(left, right) - x, np.arange(top, bottom) - y
        heatmaps[number, top:bottom, left:right] |= rows[:, None] ** 2 + columns**2 <= radius**2
    return heatmaps
