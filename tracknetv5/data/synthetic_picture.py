"""Drawing tools for made-up rallies: a pinhole camera, see-through layers, and a painter of flat things in the world.

World axes as in `synthetic_rally`: metres, x right, y away from the camera, z up. Pictures are RGB uint8; pixel
centres are at integers. Everything is drawn at twice the size or more and averaged down, so that edges are soft.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, sin

import cv2
import numpy as np

Colour = tuple[int, int, int]
WHITE, BLACK = (238, 238, 232), (18, 18, 20)


@dataclass(frozen=True)
class Camera:
    """Pinhole camera. Turned by `yaw` to the right and `pitch` downwards (radians)."""

    position: np.ndarray  # (3,) m
    yaw: float
    pitch: float
    focal: float  # pixels
    size: tuple[int, int]  # height, width of the picture

    @cached_property
    def rotation(self) -> np.ndarray:
        """World to camera, (3, 3): rows are the directions right, down and forward."""
        (sy, cy), (sp, cp) = ((sin(angle), cos(angle)) for angle in (self.yaw, self.pitch))
        return np.array(((cy, -sy, 0), (-sy * sp, -cy * sp, -cp), (sy * cp, cy * cp, -sp)))

    @cached_property
    def intrinsics(self) -> np.ndarray:
        height, width = self.size
        return np.array(((self.focal, 0, (width - 1) / 2), (0, self.focal, (height - 1) / 2), (0, 0, 1)))

    @cached_property
    def _projection(self) -> np.ndarray:
        return (self.intrinsics @ self.rotation).T

    def enlarged(self, factor: int) -> "Camera":
        """The same view with `factor` times the pixels."""
        return replace(self, focal=self.focal * factor, size=(self.size[0] * factor, self.size[1] * factor))

    def project(self, points: np.ndarray) -> np.ndarray:
        """World (..., 3) to pixels (..., 2)."""
        seen = (np.asarray(points, float) - self.position) @ self._projection
        return seen[..., :2] / seen[..., 2:]

    def scale(self, point: np.ndarray) -> float:
        """Pixels a metre at a world point."""
        return float(self.focal / ((point - self.position) @ self.rotation[2]))

    def homography(self, other: "Camera") -> np.ndarray:
        """Pixels of this camera to pixels of one that stands at the same place, (3, 3)."""
        return other.intrinsics @ other.rotation @ self.rotation.T @ np.linalg.inv(self.intrinsics)


@dataclass(frozen=True)
class Layer:
    """A part of a picture to be laid over another: colours already multiplied by their opacity."""

    left: int
    top: int
    colour: np.ndarray  # (h, w, 3) uint8
    keep: np.ndarray  # (h, w, 3) uint8, what is left of the picture below, of 255

    @classmethod
    def from_rgba(cls, left: int, top: int, rgba: np.ndarray) -> "Layer":
        """From premultiplied (h, w, 4)."""
        return cls(left, top, np.ascontiguousarray(rgba[..., :3]), cv2.cvtColor(255 - rgba[..., 3], cv2.COLOR_GRAY2RGB))

    def over(self, image: np.ndarray) -> None:
        """Lay it over `image`, in place; parts outside are cut off."""
        top, left = max(0, self.top), max(0, self.left)
        bottom = min(image.shape[0], self.top + self.colour.shape[0])
        right = min(image.shape[1], self.left + self.colour.shape[1])
        if top < bottom and left < right:
            below = image[top:bottom, left:right]
            here = np.s_[top - self.top : bottom - self.top, left - self.left : right - self.left]
            below[:] = cv2.add(cv2.multiply(below, self.keep[here], scale=1 / 255), self.colour[here])

    def warped(self, homography: np.ndarray, size: tuple[int, int]) -> "Layer":
        """As seen after `homography`, cut to a picture of `size`."""
        height, width = self.colour.shape[:2]
        corners = np.array([[(x, y)] for x in (0, width) for y in (0, height)], float) + (self.left, self.top)
        corners = cv2.perspectiveTransform(corners, homography)[:, 0]
        left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, (size[1] - 1, size[0] - 1))
        right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), (left + 1, top + 1), size[::-1])
        move = _shift(-left, -top) @ homography @ _shift(self.left, self.top)
        box = (int(right - left), int(bottom - top))
        return Layer(
            int(left),
            int(top),
            cv2.warpPerspective(self.colour, move, box),
            cv2.warpPerspective(self.keep, move, box, borderValue=(255, 255, 255)),
        )


def _shift(x: float, y: float) -> np.ndarray:
    return np.array(((1, 0, x), (0, 1, y), (0, 0, 1)), float)


class Painter:
    """Draws flat things that stand in the world on an RGBA canvas; `finish` averages it down."""

    def __init__(self, camera: Camera, factor: int = 2):
        self.factor = factor
        self.camera = camera.enlarged(factor)
        self.canvas = np.zeros((*self.camera.size, 4), np.uint8)

    def polygon(self, points: list[tuple[float, float, float]], colour: Colour, alpha: float = 1.0) -> None:
        """Fill a polygon of world points; with `alpha` below 1 over an empty canvas it is see-through."""
        ink = (*(int(c * alpha) for c in colour), int(255 * alpha))
        spots = np.round(self.camera.project(np.array(points)) * 16).astype(np.int32)
        cv2.fillPoly(self.canvas, [spots], ink, cv2.LINE_AA, 4)

    def bar(self, start: tuple[float, float, float], end: tuple[float, float, float], width: float, colour: Colour,
            alpha: float = 1.0) -> None:
        """A round bar, `width` in metres."""
        start, end = np.array(start, float), np.array(end, float)
        a, b = self.camera.project(np.stack([start, end]))
        along = (b - a) / max(1e-6, np.hypot(*(b - a)))
        aside = np.array((-along[1], along[0])) * width / 2
        edge = [a + aside * self.camera.scale(start), b + aside * self.camera.scale(end),
                b - aside * self.camera.scale(end), a - aside * self.camera.scale(start)]
        ink = (*(int(c * alpha) for c in colour), int(255 * alpha))
        cv2.fillPoly(self.canvas, [np.round(np.array(edge) * 16).astype(np.int32)], ink, cv2.LINE_AA, 4)

    def picture(self, corners: list[tuple[float, float, float]], texture: np.ndarray) -> None:
        """Hang a texture (h, w, 3) between world points: its corners clockwise from the upper left."""
        height, width = texture.shape[:2]
        source = np.float32([(-0.5, -0.5), (width - 0.5, -0.5), (width - 0.5, height - 0.5), (-0.5, height - 0.5)])
        warp = cv2.getPerspectiveTransform(source, self.camera.project(np.array(corners)).astype(np.float32))
        opaque = cv2.cvtColor(texture, cv2.COLOR_RGB2RGBA)
        cv2.warpPerspective(opaque, warp, self.camera.size[::-1], self.canvas, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)

    def layer(self, layer: Layer) -> None:
        """Lay something over the canvas."""
        colours = np.ascontiguousarray(self.canvas[..., :3])
        layer.over(colours)
        self.canvas[..., :3] = colours

    def finish(self) -> np.ndarray:
        """(H, W, 4), premultiplied."""
        height, width = self.camera.size
        return cv2.resize(self.canvas, (width // self.factor, height // self.factor), interpolation=cv2.INTER_AREA)

    def cut_out(self) -> Layer:
        """What was drawn on an empty canvas."""
        rgba = self.finish()
        x, y, w, h = cv2.boundingRect(rgba[..., 3])
        return Layer.from_rgba(x, y, rgba[y : y + h, x : x + w])
