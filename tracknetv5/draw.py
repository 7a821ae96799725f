"""Pictures of what the network sees and finds. RGB uint8 (H, W, 3) in and out, no files; inputs are never changed.

Positions are (x, y) in pixels of the picture, pixel centres at integers.
"""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

# Told apart on clay, grass and blue courts and with the common colour-vision deficiencies.
COLOURS = {
    "detected": (255, 225, 25),  # yellow
    "rectified": (86, 180, 233),  # sky blue
    "interpolated": (240, 80, 170),  # pink
}
STYLES = (
    "comet",  # a ring around the ball and a tail that thins out into the past
    "dots",  # a ring around the ball and a dot at each position before: wide gaps are a fast ball
    "ring",  # a ring around the ball and nothing else
)
_SHIFT = 4  # OpenCV draws at 1 / 2**4 pixel


def draw_ball(
    image: np.ndarray,
    xy: tuple[float, float] | None,
    source: str,
    trail: Sequence[tuple[float, float]] = (),
    style: str = "comet",
) -> np.ndarray:
    """A copy of `image` with a ring around the ball, coloured by `source`, and where it was before, fading.

    `trail` holds the positions before, oldest first; NaN where there was no ball. Without a ball, `xy` None, only the
    trail is drawn. Widths grow with the height of the image. `style` is one of STYLES.

    Raises:
        ValueError: a ball of unknown source, or an unknown style.
    """
    if xy is not None and source not in COLOURS:
        raise ValueError(f"source must be one of {tuple(COLOURS)} where there is a ball, not {source!r}")
    if style not in STYLES:
        raise ValueError(f"style must be one of {STYLES}, not {style!r}")
    out = image.copy()
    unit = image.shape[0] / 720  # sizes below are pixels at 720 lines
    radius = round(12 * unit * 2**_SHIFT)
    if style == "dots":
        cover = _dots(trail, image.shape[:2], unit)
    else:
        points = [*trail, *([] if xy is None else [xy])] if style == "comet" else []
        cover = _tail(points, image.shape[:2], unit)
    if xy is not None:
        cv2.circle(cover, _fixed(xy), radius, 0, cv2.FILLED, cv2.LINE_8, _SHIFT)  # the ball itself stays visible
    box = _extent(cover)
    out[box] = _blend(out[box], np.array(COLOURS["detected"], np.float32), cover[box] / np.float32(255))
    if xy is not None:
        line = max(2, round(2.5 * unit))
        # A dark rim keeps the ring visible on bright ground.
        for colour, width in (((0, 0, 0), 2 * line), (COLOURS[source], line)):
            cv2.circle(out, _fixed(xy), radius, colour, width, cv2.LINE_AA, _SHIFT)
    return out


def _tail(points: list[tuple[float, float]], size: tuple[int, int], unit: float) -> np.ndarray:
    """Opacity (H, W) uint8 of the tail through `points`, oldest first."""
    cover = np.zeros(size, np.uint8)
    for age, (begin, end) in enumerate(pairwise(points), 1):
        if np.isfinite([*begin, *end]).all():
            share = age / (len(points) - 1)  # 1 at the ball
            line = max(1, round(5 * unit * share))
            cv2.line(cover, _fixed(begin), _fixed(end), 200 * share, line, cv2.LINE_AA, _SHIFT)
    return cover


def _dots(points: Sequence[tuple[float, float]], size: tuple[int, int], unit: float) -> np.ndarray:
    """Opacity (H, W) uint8 of a dot at each of `points`, oldest first."""
    cover = np.zeros(size, np.uint8)
    radius = round(max(1.5, 4 * unit) * 2**_SHIFT)
    for age, point in enumerate(points, 1):
        if np.isfinite([*point]).all():
            cv2.circle(cover, _fixed(point), radius, 220 * age / len(points), cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return cover


def _fixed(xy: tuple[float, float]) -> tuple[int, int]:
    return round(float(xy[0]) * 2**_SHIFT), round(float(xy[1]) * 2**_SHIFT)


def _extent(cover: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns outside of which `cover` (H, W) uint8 is 0: blending is dear, and most of a picture is bare."""
    left, top, width, height = cv2.boundingRect(cover)
    return np.s_[top : top + height, left : left + width]


def _blend(image: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """`colour` (3,) or (H, W, 3) over `image` with `opacity` (H, W) in [0, 1]."""
    return (image + (colour - image) * opacity[..., None] + 0.5).astype(np.uint8)


def heat_overlay(image: np.ndarray, heatmap: np.ndarray, opacity: float) -> np.ndarray:
    """`heatmap` (h, w), probabilities in [0, 1], over the picture it covers; cold places stay as they are.

    A heatmap of another size is stretched to the picture. `opacity` in [0, 1] is that of the hottest place.
    """
    height, width = image.shape[:2]
    heat = np.clip(heatmap, 0, 1).astype(np.float32)
    if heat.shape != (height, width):
        heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR)
    levels = (255 * heat).astype(np.uint8)
    box = _extent(levels)
    out = image.copy()
    if levels[box].size:
        colours = cv2.applyColorMap(levels[box], cv2.COLORMAP_INFERNO)[..., ::-1]  # OpenCV's are BGR
        out[box] = _blend(image[box], colours.astype(np.float32), heat[box] * np.float32(opacity))
    return out


def polarity_image(plus: np.ndarray, minus: np.ndarray) -> np.ndarray:
    """Two fields (H, W) in [0, 1] on white: `plus`, brightening, in red, `minus`, darkening, in blue; both is dark."""
    plus, minus = np.clip(plus, 0, 1), np.clip(minus, 0, 1)
    light = np.stack([1 - minus, 1 - np.maximum(plus, minus), 1 - plus], -1)
    return (255 * light + 0.5).astype(np.uint8)


def signed_image(field: np.ndarray) -> np.ndarray:
    """A signed field (H, W) on white, positive red and negative blue, full colour at its largest magnitude."""
    largest = np.abs(field).max()
    scaled = field / largest if largest > 0 else field
    return polarity_image(scaled, -scaled)
