"""Networks and clips that several files of tests use, small and of known answers."""

from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np
import torch
from torch import nn

from tracknetv5 import BallTracker, create_model
from tracknetv5.video import VideoWriter
from tracknetv5.weights import WeightsConfig

HEIGHT, WIDTH = 64, 128  # of the pictures that `redness` takes
# Options of a tiny tracknet_v5_lite, for inputs of 32 x 64.
SMALL = dict(widths=(8, 16), depths=(1, 1), stem=4, stem_width=8, dim=8, layers=1, feedforward=16, grid=(2, 4))
CLIP_SIZE = (72, 128)  # of the clips of `indexed`


@dataclass(frozen=True)
class RednessOptions:
    frames: int = 3


class Redness(nn.Module):
    """A network that finds the red ball: logits above 0 where red outweighs blue."""

    def __init__(self, frames: int = 3):
        super().__init__()
        self.options = RednessOptions(frames)
        self.calls = []

    def forward(self, frames: torch.Tensor, background: torch.Tensor | None = None) -> torch.Tensor:
        self.calls.append((frames, background))
        return 20 * (frames[:, :, 0] - frames[:, :, 2]) - 5


class Position(Redness):
    """The heat is a frame's position in its window, in tenths from 0.1 on."""

    def forward(self, frames):
        self.calls.append((frames, None))
        heat = torch.arange(1, self.options.frames + 1) / 10
        return torch.logit(heat)[None, :, None, None].expand(frames[:, :, 0].shape)


def redness(frames: int = 3, **facts) -> BallTracker:
    facts = dict(height=HEIGHT, width=WIDTH, step=frames) | facts
    return BallTracker(Redness(frames), WeightsConfig(model="redness", options={}, frames=frames, **facts))


def images(
    count: int, height: int = HEIGHT, width: int = WIDTH, *, grey: int = 100
) -> tuple[list[np.ndarray], np.ndarray]:
    """Grey frames of this brightness with a red ball, and its centres (count, 2)."""
    y, x = np.mgrid[:height, :width]
    times = np.arange(count)
    centres = np.stack([width * (0.2 + 0.03 * times % 0.6), height * (0.6 - 0.01 * times % 0.3)], 1)
    frames = []
    for cx, cy in centres:
        image = np.full((height, width, 3), grey, np.uint8)
        image[(x - cx) ** 2 + (y - cy) ** 2 < (height / 10) ** 2] = (255, 60, 60)
        frames.append(image)
    return frames, centres


def write(path, frames):
    with VideoWriter(path, frames[0].shape[:2], Fraction(25)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def network(name: str, **options) -> nn.Module:
    """A random network whose norms are far from the identity, as training leaves them."""
    torch.manual_seed(0)
    model = create_model(name, **options).eval()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.3, 0.3)
            norm.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return model


def picture(x: float, y: float) -> np.ndarray:
    image = np.full((*CLIP_SIZE, 3), 40, np.uint8)
    cv2.circle(image, (round(x), round(y)), 3, (250, 250, 250), cv2.FILLED)
    return image


def ball(frame: int) -> tuple[float, float]:
    return 20.0 + 4 * frame, 30.0 + frame


def write_video(path, count=12):
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, CLIP_SIZE, Fraction(30)) as writer:
        for frame in range(count):
            writer.write(picture(*ball(frame)))
