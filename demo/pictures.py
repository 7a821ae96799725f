"""Tiles: small captioned pictures of one window, as HTML with the pictures inside."""

import base64
from dataclasses import dataclass
from html import escape

import cv2
import numpy as np
import torch

from demo.inspection import Window
from tracknetv5.draw import draw_ball, heat_overlay, polarity_image, signed_image
from tracknetv5.heatmaps import Detection
from tracknetv5.models.motion import AttentionMap, MotionPrompt

GAIN = 3  # a change of luminance by 1 / GAIN has full colour: larger ones are rare
# A tenth of WebP's time; colours at full resolution, or the signs of single pixels would blur into each other.
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
ZOOMED = (72, 128)  # height and width of the part that is shown around the ball, model pixels


@dataclass(frozen=True)
class Part:
    """The part of the network's picture that is shown, in model pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, field: np.ndarray) -> np.ndarray:
        """That part of a field (..., H, W) or of pictures (..., H, W, 3)."""
        box = np.s_[self.top : self.top + self.height, self.left : self.left + self.width]
        return field[(..., *box, slice(None))] if field.dtype == np.uint8 else field[(..., *box)]


def part(window: Window, frame: int, zoomed: bool) -> Part:
    """The whole picture, or the surroundings of the ball: of the decision, else of the draft, else of most heat."""
    height, width = window.images.shape[1:3]
    if not zoomed:
        return Part(0, 0, height, width)
    draft, refined = window.decisions(frame)
    if found := refined or draft:
        y, x = round(found.y), round(found.x)
    else:
        y, x = np.unravel_index(window.logits[frame - window.start].argmax(), (height, width))
    h, w = min(ZOOMED[0], height), min(ZOOMED[1], width)
    return Part(int(np.clip(y - h // 2, 0, height - h)), int(np.clip(x - w // 2, 0, width - w)), h, w)


def tile(image: np.ndarray, caption: str, enlarged: int = 1) -> str:
    """A (H, W, 3) uint8 RGB picture with its caption; `enlarged` pixels of it are one of the network's."""
    _, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), JPEG)
    source = base64.b64encode(code).decode()
    height, width = (side // enlarged for side in image.shape[:2])
    return (
        f'<figure class="tile"><img src="data:image/jpeg;base64,{source}" width="{width}" height="{height}" '
        f'alt="{escape(caption)}"><figcaption>{escape(caption)}</figcaption></figure>'
    )


def tiles(shown: Part, columns: int, *items: str) -> str:
    """Tiles side by side; the page's script reads from the attributes where in the picture they lie."""
    return f'<div class="tiles of{columns}" data-left="{shown.left}" data-top="{shown.top}">{"".join(items)}</div>'


def given(window: Window, frame: int, shown: Part) -> str:
    """The whole frames of the window; the chosen one is named, the part that is shown below is outlined."""
    height, width = window.images.shape[1:3]
    items = []
    for number, image in enumerate(window.images, window.start):
        if (shown.height, shown.width) != (height, width):
            corners = (shown.left, shown.top), (shown.left + shown.width - 1, shown.top + shown.height - 1)
            image = cv2.rectangle(image.copy(), *corners, (255, 255, 255), 2)
        items.append(tile(image, f"Frame {number}" + (" (chosen)" if number == frame else "")))
    return tiles(Part(0, 0, height, width), 3, *items)


def behind(window: Window, frame: int, shown: Part) -> str:
    """The background, and how the chosen frame differs from it; nothing for a network that takes none."""
    if window.background is None:
        return ""
    plus, minus = GAIN * np.abs(shown.of(window.background_polarity[frame - window.start]))
    return tiles(
        shown,
        2,
        tile(shown.of(window.background), "The scene without what moves"),
        tile(polarity_image(plus, minus), f"Frame {frame}: brighter (red) and darker (blue) than that"),
    )


def motion(window: Window, shown: Part) -> str:
    items = []
    for interval, fields in enumerate(window.polarity, window.start):
        plus, minus = GAIN * np.abs(shown.of(fields))  # no minus zero
        nothing, between = np.zeros_like(plus), f"frame {interval} to {interval + 1}"
        items += [
            tile(polarity_image(plus, minus), f"Both, {between}"),
            tile(polarity_image(plus, nothing), f"P+ brighter, {between}: up to {plus.max() / GAIN:.2f}"),
            tile(polarity_image(nothing, minus), f"P− darker, {between}: up to {minus.max() / GAIN:.2f}"),
        ]
    return tiles(shown, 3, *items)


def attention(window: Window, shown: Part) -> str:
    items = []
    for interval, fields in enumerate(window.attention, window.start):
        for name, field in zip(("A+ brighter", "A− darker"), shown.of(fields), strict=True):
            span = f"{field.min():.2f} to {field.max():.2f}"
            items.append(tile(_grey(field), f"{name}, frame {interval} to {interval + 1}: {span}"))
    return tiles(shown, 4, *items)


def decision(window: Window, frame: int, opacity: float, shown: Part) -> str:
    """Draft, gated draft, residual and refined heatmap over one frame; a ring where the ball is decided to be."""
    row = frame - window.start
    image, residual = shown.of(window.images[row]), shown.of(window.residual[row])
    by_draft, by_both = window.decisions(frame)
    scale = window.images.shape[1] // shown.height  # room for a thin ring
    gated = "Draft, pulled towards 0.5 where nothing became brighter" if row else "Draft (the first frame has no gate)"

    def heat(logits: np.ndarray, name: str, found: Detection | None = None) -> str:
        field = _sigmoid(shown.of(logits[row]))
        picture = heat_overlay(image, field, opacity)
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        if found is not None:
            xy = (np.array([found.x - shown.left, found.y - shown.top]) + 0.5) * scale - 0.5
            picture = draw_ball(picture, tuple(xy), "detected")
        return tile(picture, f"{name}: up to {field.max():.2f}", scale)

    strength = opacity * np.abs(residual) / max(float(np.abs(residual).max()), 1e-6)
    mixed = image + (signed_image(residual) - image.astype(np.float32)) * strength[..., None]
    return tiles(
        shown,
        2,
        heat(window.draft, "Draft"),
        heat(window.gated, gated, by_draft),
        tile(
            mixed.astype(np.uint8),
            f"Correction: red adds, blue takes away: {residual.min():+.1f} to {residual.max():+.1f}",
        ),
        heat(window.logits, "Result: draft + correction", by_both),
    )


def against_v4(window: Window, prompt: MotionPrompt, shown: Part) -> str:
    """V4's absolute difference beside V5's two polarities, for the last interval of the window."""
    plus, minus = shown.of(window.polarity[-1])
    last = window.start + len(window.polarity)
    absolute = plus + minus  # one of the two is 0 in every pixel
    prompted = _apply(prompt.attention, absolute)
    return tiles(
        shown,
        3,
        tile(_grey(1 - GAIN * absolute), f"V4: absolute difference, frame {last - 1} to {last}"),
        tile(_grey(prompted), f"V4: its attention, {prompted.min():.2f} to {prompted.max():.2f}"),
        tile(polarity_image(GAIN * plus, GAIN * minus), f"V5: brighter and darker, frame {last - 1} to {last}"),
    )


def _apply(attention_map: AttentionMap, field: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return attention_map(torch.from_numpy(field)).numpy()


def _grey(field: np.ndarray) -> np.ndarray:
    return np.repeat((255 * np.clip(field, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))
