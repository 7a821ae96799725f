"""Made-up balls on real footage: more balls, flights and backgrounds than were ever filmed.

A ball flies through the window on a smooth path and is drawn with the streak that an open shutter leaves. It may pass
behind what moves, and is as compressed as the picture around it. Lengths are pixels of the network's input.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from tracknetv5.data.erase import erase

SPEED = 25.0  # pixels a frame, of the fastest; balls of real matches have a median of 3 to 8, and 99 % are below 22
GRAVITY = 0.8  # pixels a frame, each frame: the largest
DRAG = 0.15  # share of its speed that a ball loses in a frame: the largest; shuttles brake hard
EXPOSURE = (0.2, 0.8)  # share of the time between frames for which the shutter is open
RADIUS = (0.8, 3.0)  # pixels; most balls are small
SOFTNESS = (0.8, 1.8)  # pixels over which the edge fades: lens, encoder and the way to a small picture
OPACITY = (0.7, 1.0)  # share of the colour that gets through the same
SHUTTLES = 0.3  # share of balls that are longer than wide
STRETCH = (1.2, 2.0)  # their length, of their width
# Probability, and least and largest (R, G, B): white, yellow, anything but dark, dark.
COLOURS = (
    (0.45, (185, 185, 185), (255, 255, 255)),
    (0.4, (180, 195, 60), (245, 255, 180)),
    (0.1, (60, 60, 60), (255, 255, 255)),
    (0.05, (10, 10, 10), (90, 90, 90)),
)
QUALITY = (70, 95)  # of JPEG
FAINT = 20  # of 255: a ball that changes the picture by less at its best is seen by nobody
MOVED = 25  # of 255: pixels that differ by more from those of all other frames belong to something that moves
MARGIN = 6  # pixels around a ball in which such things are looked for, and within which they are whole


@dataclass(frozen=True)
class Ball:
    """What a ball looks like and how it flies. Times are in frames from the beginning of the window."""

    moment: float  # time at which it is at `place`
    place: np.ndarray  # (2,) pixels
    velocity: np.ndarray  # (2,) pixels a frame, at that time
    acceleration: np.ndarray  # (2,) pixels a frame, each frame
    heading: np.ndarray  # (2,) of length 1: where a shuttle points
    exposure: float  # share of the time between frames
    radius: float  # pixels, along the heading
    stretch: float  # radius along the heading, of that across it
    softness: float  # pixels over which the edge fades
    colour: np.ndarray  # (3,) RGB, 0 to 255
    opacity: float  # 0 to 1

    @classmethod
    def random(cls, count: int, size: tuple[int, int], rng: np.random.Generator) -> Self:
        """One that is somewhere in a picture of `size` (height, width) at one of `count` frames."""
        angle = rng.uniform(0, 2 * np.pi)
        heading = np.array([np.cos(angle), np.sin(angle)])
        velocity = SPEED * rng.random() ** 2 * heading
        chances, least, largest = zip(*COLOURS, strict=True)
        kind = rng.choice(len(COLOURS), p=chances)
        return cls(
            moment=rng.integers(count),
            place=rng.uniform(0, (size[1] - 1, size[0] - 1)),
            velocity=velocity,
            acceleration=(0, rng.uniform(0, GRAVITY)) - rng.uniform(0, DRAG) * velocity,
            heading=heading,
            exposure=rng.uniform(*EXPOSURE),
            radius=RADIUS[0] + (RADIUS[1] - RADIUS[0]) * rng.random() ** 2,
            stretch=rng.uniform(*STRETCH) if rng.random() < SHUTTLES else 1.0,
            softness=rng.uniform(*SOFTNESS),
            colour=rng.uniform(least[kind], largest[kind]),
            opacity=rng.uniform(*OPACITY),
        )

    def at(self, times: np.ndarray) -> np.ndarray:
        """Where it is at times (n,): (n, 2) pixels."""
        later = (times - self.moment)[:, None]
        return self.place + self.velocity * later + self.acceleration * later**2 / 2

    def streak(self, number: int) -> np.ndarray:
        """Where it is while the shutter is open for frame `number`: (n, 2) pixels, less than a pixel apart."""
        shutter = number + self.exposure * np.array([-0.5, 0.5])
        count = 2 + int(np.linalg.norm(np.diff(self.at(shutter), axis=0)))
        return self.at(np.linspace(*shutter, count))

    def cover(self, streak: np.ndarray, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
        """The part of a picture of `size` around a streak, and for which share of the exposure each of its pixels is
        covered: (h, w), 0 to 1, empty outside the picture."""
        reach = self.radius + self.softness
        left, top = np.maximum(np.floor(streak.min(0) - reach).astype(int), 0)
        right, bottom = np.minimum(np.ceil(streak.max(0) + reach).astype(int) + 1, size[::-1])
        x = (np.arange(left, right) - streak[:, :1])[:, None]  # (n, 1, w)
        y = (np.arange(top, bottom) - streak[:, 1:])[..., None]  # (n, h, 1)
        cos, sin = self.heading
        distance = np.hypot(cos * x + sin * y, (cos * y - sin * x) * self.stretch)  # (n, h, w)
        share = np.clip((self.radius - distance) / self.softness + 0.5, 0, 1).mean(0)
        return np.s_[top:bottom, left:right], share


def paste(
    images: np.ndarray, xy: np.ndarray, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A window of a clip with one more ball; in half of the cases in place of the real one, if that can be erased.

    Args:
        images: (N, H, W, 3) uint8 RGB, the clip.
        xy: (N, 2) its real balls in pixels of these images, NaN where there is none.
        chosen: (T,) the frames of the window.

    Returns:
        The window, (T, H, W, 3) uint8 RGB, and the places of its balls: (2, T, 2) with the real one first, or
        (1, T, 2) where that was erased. The new ball is NaN where it has left the picture, and where less than a third
        of it is seen behind what moves. If nobody could see it in any frame, the window has the real one alone.
    """
    window, balls = images[chosen], xy[None, chosen]
    below, others = window, balls
    if rng.random() < 0.5:
        cleared, erased = erase(images, xy, chosen)
        if (erased == ~np.isnan(xy[chosen, 0])).all():
            below, others = cleared, balls[:0]
    size = images.shape[1:3]
    ball = Ball.random(len(chosen), size, rng)
    behind, quality = rng.random() < 0.5, int(rng.integers(*QUALITY))
    result, centres, change = below.copy(), np.full((len(chosen), 2), np.nan), 0
    for number in range(len(chosen)):
        streak = ball.streak(number)
        part, share = ball.cover(streak, size)
        if not share.size:
            continue
        seen = share * (1 - _moving(below, number, part)) if behind else share
        under = below[number][part]
        drawn = under + ball.opacity * seen[..., None] * (ball.colour - under)
        # What the ball changes in a compressed picture: the background is as compressed as it should be.
        marks = compressed(np.rint(drawn).astype(np.uint8), quality).astype(int) - compressed(under, quality)
        result[number][part] = np.clip(under + marks, 0, 255)
        change = max(change, np.abs(marks).max())
        centre = streak[-1]  # labels of real balls lie at the leading end of the streak
        if ((centre >= 0) & (centre <= (size[1] - 1, size[0] - 1))).all() and seen.sum() >= share.sum() / 3:
            centres[number] = centre
    if change < FAINT:
        return window, balls
    return result, np.concatenate([others, centres[None]])


def compressed(image: np.ndarray, quality: int) -> np.ndarray:
    """An (H, W, 3) uint8 RGB image as it comes back from a JPEG of this quality, 1 to 100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _moving(frames: np.ndarray, number: int, part: tuple[slice, slice]) -> np.ndarray:
    """How much of each pixel in a part of frame `number`, 0 to 1, belongs to something that moves: (h, w)."""
    near = tuple(slice(max(side.start - MARGIN, 0), side.stop + MARGIN) for side in part)
    others = [frame[near] for k, frame in enumerate(frames) if k != number]
    if not others:  # nobody can say what moves in a single picture
        return np.zeros([side.stop - side.start for side in part])
    change = np.min([cv2.absdiff(frames[number][near], other).max(2) for other in others], axis=0)
    mask = (change > MOVED).astype(np.float32)
    # Of a thing of one colour, only the rim differs: what lies between is filled in.
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((MARGIN, MARGIN), np.uint8))
    mask = cv2.GaussianBlur(mask, (0, 0), 0.7)
    return mask[tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(part, near, strict=True))]
