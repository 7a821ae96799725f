"""Augmentation of a training window. The same change is made to all of its frames, so that motion stays motion."""

from dataclasses import dataclass

import cv2
import numpy as np

from tracknetv5.data.paste import compressed

QUALITY = (30, 80)  # of the JPEG that stands for a badly compressed video
OPAQUE = (15, 60)  # difference from the background at which something begins to hide it, and hides all of it


@dataclass(frozen=True)
class AugmentOptions:
    flip: float = 0.5  # probability of a mirror image, left to right
    reverse: float = 0.0  # probability of time running backwards, for labels in the middle of a streak
    scale: tuple[float, float] = (0.8, 1.3)  # range of a random magnification
    shift: float = 0.1  # largest random shift, as a share of the height
    brightness: float = 0.2  # largest change of the gain and of the offset of all channels
    colour: float = 0.1  # largest change of the gain of one channel
    blur: float = 0.1  # probability of a slight blur, as in compressed or unfocused footage
    noise: float = 0.2  # probability of sensor noise
    hue: float = 0.0  # largest turn of all colours about grey, as a share of a full one; 0.5: any colour
    saturation: float = 0.0  # largest change of the distance of all colours from grey, as a share of it
    gamma: float = 0.0  # largest change of the exponent of the brightness, as its logarithm
    compression: float = 0.0  # probability of the marks of a low bit rate
    paste: float = 0.0  # probability of one more ball, made up, or one in place of the real one; see data/paste.py
    erase: float = 0.0  # probability that the real ball is painted over where that is possible; see data/erase.py
    scenery: float = 0.0  # probability that what stands still is that of another clip, enlarged, shifted, recoloured


def augment(
    frames: np.ndarray,
    xy: np.ndarray,
    crop: tuple[int, int],
    options: AugmentOptions,
    rng: np.random.Generator,
    scenery: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, bool]:
    """A random variation of a window. `paste`, `erase` and `scenery` take more than a window: the caller does them.

    Args:
        frames: (T, H, W, 3) uint8 RGB.
        xy: (K, T, 2) centres of the balls in pixels of these frames, NaN where there is none.
        crop: (height, width) of the result; smaller than the frames, it is a random part of them, most often one
            that holds the ball.
        scenery: the background of these frames and one to stand in its place, each (H, W, 3) uint8 RGB.

    Returns:
        (T, height, width, 3) uint8 RGB, the new (K, T, 2) centres (NaN where a ball has left the picture), and
        whether time was reversed.
    """
    height, width = frames.shape[1:3]
    scale = np.exp(rng.uniform(*np.log(options.scale)))
    flip = rng.random() < options.flip
    # Source point that the middle of the result shows.
    shift = rng.uniform(-options.shift, options.shift, 2) * height
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    spare = np.array([width - crop[1], height - crop[0]]) / 2
    if spare.any():
        balls = xy[~np.isnan(xy[..., 0])]
        if len(balls) and rng.random() < 0.8:
            around = balls[rng.integers(len(balls))] + rng.uniform(-0.45, 0.45, 2) * (crop[1], crop[0])
        else:
            around = centre + rng.uniform(-1, 1, 2) * spare
        centre = np.clip(around, centre - spare, centre + spare)
    centre = centre + shift * (0 if spare.any() else 1)
    mirror = -scale if flip else scale
    # Affine map from a source point p to the result: diag(mirror, scale) (p - centre) + middle of the result.
    matrix = np.array(
        [
            [mirror, 0, (crop[1] - 1) / 2 - mirror * centre[0]],
            [0, scale, (crop[0] - 1) / 2 - scale * centre[1]],
        ]
    )
    if scenery:
        before = cv2.warpAffine(scenery[0], matrix, (crop[1], crop[0]), flags=cv2.INTER_LINEAR)
        after = _elsewhere(scenery[1], crop, options, rng)
    table = _colour_table(options, rng)
    mixture = _colour_mixture(options, rng) if options.hue or options.saturation else None
    sigma = rng.uniform(0.4, 0.8) if rng.random() < options.blur else 0.0
    noise = rng.uniform(1, 4) if rng.random() < options.noise else 0.0
    # Options that are off draw no numbers: a seed gives the windows that it gave before they were there.
    quality = int(rng.integers(*QUALITY)) if options.compression and rng.random() < options.compression else 0
    result = np.empty((len(frames), *crop, 3), np.uint8)
    for source, target in zip(frames, result, strict=True):
        cv2.warpAffine(source, matrix, (crop[1], crop[0]), dst=target, flags=cv2.INTER_LINEAR)
        if scenery:
            target[:] = _replaced(target, before, after)
        if sigma:
            cv2.GaussianBlur(target, (0, 0), sigma, dst=target)
        if mixture is not None:
            cv2.transform(target, mixture, dst=target)
        cv2.LUT(target, table, dst=target)
        if noise:
            grain = np.empty(target.shape, np.int16)
            cv2.setRNGSeed(int(rng.integers(2**31)))
            cv2.randn(grain, (0, 0, 0), (noise, noise, noise))
            cv2.add(target, grain, dst=target, dtype=cv2.CV_8U)
        if quality:
            target[:] = compressed(target, quality)
    moved = xy * (mirror, scale) + matrix[:, 2]
    outside = ~((moved >= 0) & (moved <= (crop[1] - 1, crop[0] - 1))).all(-1)
    moved[outside] = np.nan
    reverse = rng.random() < options.reverse
    if reverse:
        result, moved = result[::-1], moved[:, ::-1]
    return result, moved, reverse


def _elsewhere(
    background: np.ndarray, crop: tuple[int, int], options: AugmentOptions, rng: np.random.Generator
) -> np.ndarray:
    """A random part of a background (H, W, 3), mirrored or not, in changed colours: (height, width, 3) uint8."""
    height, width = background.shape[:2]
    scale = np.exp(rng.uniform(*np.log(options.scale)))
    mirror = scale * rng.choice([-1, 1])
    spare = np.maximum(np.array([width - crop[1] / scale, height - crop[0] / scale]) / 2, 0)
    x, y = np.array([width - 1, height - 1]) / 2 + rng.uniform(-1, 1, 2) * spare
    middle = (crop[1] - 1) / 2, (crop[0] - 1) / 2
    matrix = np.array([[mirror, 0, middle[0] - mirror * x], [0, scale, middle[1] - scale * y]])
    part = cv2.warpAffine(background, matrix, (crop[1], crop[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return cv2.LUT(part, _colour_table(options, rng))


def _replaced(frame: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """`frame` with the background `after` in place of `before`, all (h, w, 3) uint8.

    What differs much from its background hides it; what differs little, a shadow or a blurred ball, changes the new
    background as it changed the old. So nothing carries a rim of the old one, by which it could be known.
    """
    change = cv2.subtract(frame, before, dtype=cv2.CV_32F)
    most = cv2.GaussianBlur(np.abs(change).max(2), (0, 0), 0.7)
    opaque = np.clip((most - OPAQUE[0]) / (OPAQUE[1] - OPAQUE[0]), 0, 1)[..., None]
    result = after + change + opaque * cv2.subtract(before, after, dtype=cv2.CV_32F)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _colour_table(options: AugmentOptions, rng: np.random.Generator) -> np.ndarray:
    """A look-up table (1, 256, 3) uint8 of random gain, offset and gamma."""
    gain = 1 + rng.uniform(-options.brightness, options.brightness) + rng.uniform(-options.colour, options.colour, 3)
    offset = rng.uniform(-options.brightness, options.brightness) * 128
    values = np.arange(256)[:, None]
    if options.gamma:
        values = 255 * (values / 255) ** np.exp(rng.uniform(-options.gamma, options.gamma))
    values = (values - 128) * gain + 128 + offset
    return np.clip(values, 0, 255).astype(np.uint8)[None]


def _colour_mixture(options: AugmentOptions, rng: np.random.Generator) -> np.ndarray:
    """A (3, 3) float32 matrix for (R, G, B) of random hue and saturation, which leaves grey as it is."""
    angle = 2 * np.pi * rng.uniform(-options.hue, options.hue)
    saturation = 1 + rng.uniform(-options.saturation, options.saturation)
    grey = np.full((3, 3), 1 / 3)  # the part of a colour that is grey
    aside = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)  # what is left, turned by a quarter
    turned = np.cos(angle) * (np.eye(3) - grey) + np.sin(angle) * aside
    return (grey + saturation * turned).astype(np.float32)
