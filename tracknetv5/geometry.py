"""Pixels of the source frame <-> pixels of the model input. No other file converts between the two.

Coordinates are (x, y) with pixel centres at integers; sizes are (height, width). Both directions follow the half-pixel
rule of `cv2.resize`: x_source = (x_model + 0.5) * width_source / width_content - 0.5.
"""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np


def resized(xy: np.ndarray, before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) of a picture of size `before` (height, width), in the same whole picture at the size `after`."""
    return (np.asarray(xy, np.float64) + 0.5) * (after[1] / before[1], after[0] / before[0]) - 0.5


@dataclass(frozen=True)
class Letterbox:
    """The largest centred copy of a `source` frame that fits the `model` input without distortion; the rest is black.

    A frame whose pixels are not square is stretched to its true shape. Raises ValueError for a size below one pixel.
    """

    source: tuple[int, int]  # height, width of the video frame
    model: tuple[int, int]  # height, width of the model input
    pixel_aspect: Fraction = Fraction(1)  # width of a pixel of the video frame over its height

    def __post_init__(self) -> None:
        if min(*self.source, *self.model) < 1:
            raise ValueError(f"sizes must be at least 1 pixel, not {self.source} and {self.model}")

    @property
    def content(self) -> tuple[int, int, int, int]:
        """(top, left, height, width) of the picture in the model input, whole pixels."""
        (source_height, source_width), (model_height, model_width) = self.source, self.model
        source_width *= float(self.pixel_aspect)
        scale = min(model_height / source_height, model_width / source_width)
        height = min(model_height, max(1, round(source_height * scale)))
        width = min(model_width, max(1, round(source_width * scale)))
        return (model_height - height) // 2, (model_width - width) // 2, height, width

    def to_model(self, xy: np.ndarray) -> np.ndarray:
        """Source pixels (..., 2) to model pixels (..., 2) float64; NaN stays NaN."""
        scale, offset = self._scale_and_offset()
        return (np.asarray(xy, np.float64) + 0.5) / scale - 0.5 + offset

    def to_source(self, xy: np.ndarray) -> np.ndarray:
        """Model pixels (..., 2) to source pixels (..., 2) float64; NaN stays NaN, points on the border lie outside."""
        scale, offset = self._scale_and_offset()
        return (np.asarray(xy, np.float64) - offset + 0.5) * scale - 0.5

    def _scale_and_offset(self) -> tuple[np.ndarray, np.ndarray]:
        """Source pixels per model pixel and the corner of the content, both (x, y)."""
        top, left, height, width = self.content
        return np.array([self.source[1] / width, self.source[0] / height]), np.array([left, top])

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Place `image` (H, W, 3) uint8 RGB on a black (H_model, W_model, 3) canvas.

        An image of the content's size, as `read_frames(size=...)` yields, is only placed; one of the source size is
        resized first. Raises ValueError for any other size.
        """
        top, left, height, width = self.content
        if image.shape[:2] != (height, width):
            if image.shape[:2] != self.source:
                raise ValueError(f"expected an image of {self.source} or {(height, width)}, got {image.shape[:2]}")
            shrinks = height < self.source[0]
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        if (height, width) == self.model:
            return image
        canvas = np.zeros((*self.model, 3), np.uint8)
        canvas[top : top + height, left : left + width] = image
        return canvas
