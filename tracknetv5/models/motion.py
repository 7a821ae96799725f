"""Motion between frames: V4's absolute difference and V5's polarity fields.

Sources: Raj et al., "TrackNetV4", arXiv:2409.14543 (motion prompt); Tang et al., "TrackNetV5", arXiv:2512.02789
(Motion Direction Decoupling, MDD). Both pass a difference of luminance through the same learnable map.

Axes: B batch, T frames, H and W rows and columns.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601 weights of R, G, B


@dataclass(frozen=True, kw_only=True)
class MotionOptions:
    a: float = 0.2  # slope parameter at the start of training; never 0, where |tanh a| has no gradient
    b: float = 0.15  # offset parameter at the start of training


def luminance(frames: Tensor) -> Tensor:
    """(..., 3, H, W) RGB in [0, 1] -> (..., H, W) luminance in [0, 1]."""
    red, green, blue = frames.unbind(-3)
    return LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue


def slope(a: Tensor) -> Tensor:
    """k(a) = 5 / (0.45 |tanh a| + 1e-6)."""
    return 5.0 / (0.45 * torch.tanh(a).abs() + 1e-6)


def offset(b: Tensor) -> Tensor:
    """m(b) = 0.6 tanh b."""
    return 0.6 * torch.tanh(b)


class AttentionMap(nn.Module):
    """The learnable map A(d) = sigmoid(k(a) (d - m(b))) of a difference of luminance d >= 0, of any shape."""

    def __init__(self, a: float, b: float):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(float(a)))
        self.b = nn.Parameter(torch.tensor(float(b)))

    def forward(self, difference: Tensor) -> Tensor:
        return torch.sigmoid(slope(self.a) * (difference - offset(self.b)))


class MotionPrompt(nn.Module):
    """V4: attention to the absolute difference, (B, T, 3, H, W) -> (B, T - 1, H, W) in (0, 1)."""

    def __init__(self, options: MotionOptions):
        super().__init__()
        self.attention = AttentionMap(options.a, options.b)

    def forward(self, frames: Tensor) -> Tensor:
        # Luminance as a matrix product, as in the reference code: a counter of operations sees products, not sums of
        # planes. Never in 16 bits, whose steps are as large as the differences that matter.
        with torch.autocast(frames.device.type, enabled=False):
            weights = frames.new_tensor(LUMINANCE)[:, None]  # (3, 1)
            grey = (frames.movedim(2, -1) @ weights).squeeze(-1)  # (B, T, H, W)
        return self.attention(grey.diff(dim=1).abs())


def polarity(frames: Tensor) -> Tensor:
    """Signed motion of each interval, split by its sign.

    (B, T, 3, H, W) RGB in [0, 1] -> (B, T - 1, 2, H, W) in [0, 1]; index 0 of axis 2 is P+ = relu(y[t+1] - y[t])
    (the pixel became brighter), index 1 is P- = relu(y[t] - y[t+1]) (it became darker).
    """
    return split(luminance(frames).diff(dim=1))


def split(difference: Tensor) -> Tensor:
    """A difference of luminance (B, N, H, W) by its sign: (B, N, 2, H, W), the brightening and the darkening."""
    return torch.stack([difference, -difference], dim=2).relu()


class MotionDirectionDecoupling(nn.Module):
    """V5's MDD: polarity fields and their attention, each (B, T - 1, 2, H, W)."""

    def __init__(self, options: MotionOptions):
        super().__init__()
        self.attention = AttentionMap(options.a, options.b)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        fields = polarity(frames)
        return fields, self.attention(fields)


class BackgroundDecoupling(nn.Module):
    """MDD once more, from the scene without what moves to each frame: a ball that rests is seen, still scenery is not.

    Not in the paper, whose network sees what changes from frame to frame alone. V3 has the background as an image.
    """

    def __init__(self, options: MotionOptions):
        super().__init__()
        self.attention = AttentionMap(options.a, options.b)

    def forward(self, frames: Tensor, background: Tensor) -> tuple[Tensor, Tensor]:
        """Polarity of each frame (B, T, 3, H, W) against the background (B, 3, H, W), and its attention, each
        (B, T, 2, H, W)."""
        fields = split(luminance(frames) - luminance(background)[:, None])
        return fields, self.attention(fields)


def interleave(frames: Tensor, attention: Tensor, *behind: Tensor) -> Tensor:
    """The backbone's input [I0, A+01, A-01, I1, A+12, A-12, I2], (B, 3 T + 2 (T - 1), H, W), and what comes behind."""
    intervals = zip(frames.unbind(1), attention.unbind(1), strict=False)  # frames are one more than intervals
    return torch.cat([*(part for interval in intervals for part in interval), frames[:, -1], *behind], dim=1)


def attention_channels(frames: int) -> list[int]:
    """Which channels of `interleave` hold attention, for windows of `frames`."""
    return [5 * interval + channel for interval in range(frames - 1) for channel in (3, 4)]


def gate(draft: Tensor, attention: Tensor) -> Tensor:
    """[f0, A01 * f1, A12 * f2 ...]: draft (B, T, H, W), attention (B, T - 1, H, W) -> (B, T, H, W)."""
    return torch.cat([draft[:, :1], attention * draft[:, 1:]], dim=1)
