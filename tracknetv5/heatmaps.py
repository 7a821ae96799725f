"""Heatmaps of overlapping windows -> one heatmap a frame -> one position. Everything in model pixels.

Heatmaps are (H, W) float, probabilities in [0, 1]; positions are (x, y) with pixel centres at integers.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

PEAKS = 4  # places in a frame that may be the ball
LEAST = 0.05  # probability; what is less is not worth a thought
NEAR = 5  # pixels; a peak is the highest of all that is nearer


class HeatmapMerger:
    """Weighted mean, for each frame, of the heatmaps of all windows that cover it.

    Takes the windows in the order in which `windows(..., length, step)` makes them and holds at most `length` frames.
    """

    def __init__(self, length: int, step: int, weights: Sequence[float] | None = None) -> None:
        """`weights`: one positive weight for each position in a window, None for equal ones."""
        self.weights = [1.0] * length if weights is None else list(weights)
        if not 1 <= step <= length or len(self.weights) != length or min(self.weights) <= 0:
            raise ValueError(f"expected 1 <= step <= {length} and {length} positive weights, got {step} and {weights}")
        self.step = step
        self._start = -step  # of the last window
        self._first = 0  # frame of the first entry below
        self._sums: deque[np.ndarray] = deque()
        self._weights: deque[float] = deque()

    def add(self, start: int, heatmaps: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Add the window (T, H, W) that begins at frame `start`; (frame, heatmap (H, W)) of frames that are now final.

        Final is every frame up to `start`: a later window begins behind it, if it is the last perhaps by one frame.
        Raises ValueError for a window of another length or one that does not follow the last by 1 to `step` frames.
        """
        if len(heatmaps) != len(self.weights):
            raise ValueError(f"expected {len(self.weights)} heatmaps, got {len(heatmaps)}")
        if not self._start < start <= self._start + self.step or start < 0:
            raise ValueError(f"window {start} does not follow window {self._start} by 1 to {self.step} frames")
        self._start = start
        for frame, (heatmap, weight) in enumerate(zip(heatmaps, self.weights, strict=True), start):
            position = frame - self._first
            if position < len(self._sums):
                self._sums[position] += weight * heatmap
                self._weights[position] += weight
            else:
                self._sums.append(weight * heatmap)
                self._weights.append(weight)
        return self._release(start + 1)

    def flush(self, count: int) -> list[tuple[int, np.ndarray]]:
        """The remaining frames below `count`, the number of frames of the video; the rest was padding."""
        return self._release(count)

    def _release(self, end: int) -> list[tuple[int, np.ndarray]]:
        final = []
        while self._first < end and self._sums:
            final.append((self._first, self._sums.popleft() / self._weights.popleft()))
            self._first += 1
        return final


@dataclass(frozen=True, slots=True)
class Detection:
    """A ball in model pixels, sub-pixel; `score` is the highest probability of its blob."""

    x: float
    y: float
    score: float


def peaks(heatmap: np.ndarray, least: float = LEAST) -> list[Detection]:
    """Where the ball may be: the highest PEAKS of the local maxima above `least`, highest first.

    A peak's position is the heat-weighted centroid of the pixels around it that reach half its height and lie no nearer
    to a higher peak; a maximum among the pixels of a higher one is no peak of its own.
    """
    if not heatmap.max() > least:
        return []
    left, top, width, height = cv2.boundingRect((heatmap > least).view(np.uint8))
    box = np.ascontiguousarray(heatmap[top : top + height, left : left + width])
    highest = cv2.dilate(box, np.ones((2 * NEAR - 1, 2 * NEAR - 1), np.uint8))
    rows, columns = np.nonzero((box == highest) & (box > least))
    taken = np.zeros(box.shape, bool)
    higher: list[tuple[int, int]] = []
    found: list[Detection] = []
    for k in np.argsort(-box[rows, columns], kind="stable"):
        row, column = int(rows[k]), int(columns[k])
        if taken[row, column]:
            continue
        score = box[row, column]
        around = (box >= score / 2).view(np.uint8)
        _, _, _, (x, y, across, down) = cv2.floodFill(around, None, (column, row), 2, flags=8)
        part = np.s_[y : y + down, x : x + across]
        own = around[part] == 2
        for peak in higher:
            own &= _distances((row, column), part) <= _distances(peak, part)
        higher.append((row, column))
        taken[part] |= own
        dy, dx = np.nonzero(own)
        heat = box[part][own].astype(np.float64)
        position = left + x + dx @ heat / heat.sum(), top + y + dy @ heat / heat.sum()
        found.append(Detection(float(position[0]), float(position[1]), float(score)))
        if len(found) == PEAKS:
            break
    return found


def _distances(place: tuple[int, int], part: tuple[slice, slice]) -> np.ndarray:
    """Squared distances from `place` (row, column) to the pixels of a part of a picture."""
    rows, columns = np.ogrid[part]
    return (rows - place[0]) ** 2 + (columns - place[1]) ** 2


def decode_reference(heatmap: np.ndarray) -> tuple[int, int] | None:
    """The papers' decoder: uint8(255 p) > 127, external contour of the largest area, its centroid truncated to int.

    None without a contour and for a largest contour of zero area (one or two pixels, or a thin line).
    """
    contour = _largest_contour(heatmap, cv2.contourArea)
    moments = None if contour is None else cv2.moments(contour)
    if moments is None or moments["m00"] == 0:
        return None
    return int(moments["m10"] / moments["m00"]), int(moments["m01"] / moments["m00"])


def decode_reference_v3(heatmap: np.ndarray) -> tuple[int, int] | None:
    """TrackNetV3's decoder: as `decode_reference`, but the centre of the largest bounding box, truncated to int."""

    def box_area(contour: np.ndarray) -> int:
        _, _, width, height = cv2.boundingRect(contour)
        return width * height

    contour = _largest_contour(heatmap, box_area)
    if contour is None:
        return None
    x, y, width, height = cv2.boundingRect(contour)
    return x + width // 2, y + height // 2


def _largest_contour(heatmap: np.ndarray, area: Callable[[np.ndarray], float]) -> np.ndarray | None:
    mask = ((255 * heatmap).astype(np.uint8) > 127).view(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return max(contours, key=area, default=None)
