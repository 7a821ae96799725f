"""InpaintNet, the rectifier of TrackNetV3: a trajectory with gaps in, the coordinates within the gaps out.

Source: Chen and Wang, "TrackNetV3: Enhancing shuttlecock tracking with augmentations and trajectory rectification",
MMAsia 2023.

Axes: B batch, C channels, L frames of a window.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class InpaintNetOptions:
    frames: int = 16  # L, frames in a window; the network itself takes any number


class ConvUnit(nn.Sequential):
    """3-tap convolution and leaky ReLU: (B, Cin, L) -> (B, Cout, L)."""

    def __init__(self, channels_in: int, channels_out: int):
        super().__init__()
        self.conv = nn.Conv1d(channels_in, channels_out, 3, padding=1)
        self.act = nn.LeakyReLU(0.01)


class InpaintNet(nn.Module):
    """A U-Net over time that keeps the resolution: no pooling."""

    Options = InpaintNetOptions
    takes_background = False

    def __init__(self, options: InpaintNetOptions = InpaintNetOptions()):
        super().__init__()
        self.options = options
        self.encoder = nn.ModuleList([ConvUnit(3, 32), ConvUnit(32, 64), ConvUnit(64, 128)])
        self.bottleneck = nn.Sequential(ConvUnit(128, 256), ConvUnit(256, 256))
        self.decoder = nn.ModuleList([ConvUnit(256 + 128, 128), ConvUnit(128 + 64, 64), ConvUnit(64 + 32, 32)])
        self.head = nn.Conv1d(32, 2, 3, padding=1)

    def forward(self, xy: Tensor, mask: Tensor) -> Tensor:
        """Coordinates of every frame; only those of masked frames are meant to be used.

        Args:
            xy: (B, L, 2) coordinates in [0, 1], fractions of the frame's width and height; 0, 0 for no ball.
            mask: (B, L, 1), 1 where a coordinate is to be filled in and 0 elsewhere.

        Returns:
            (B, L, 2) coordinates in [0, 1].

        Raises:
            ValueError: the shape of `xy` or `mask` does not fit.
        """
        if xy.ndim != 3 or xy.shape[2] != 2 or mask.shape != (*xy.shape[:2], 1):
            raise ValueError(
                f"expected xy (batch, frames, 2) and mask (batch, frames, 1), got {tuple(xy.shape)} and "
                f"{tuple(mask.shape)}"
            )
        x = torch.cat([xy, mask], dim=2).transpose(1, 2)  # (B, 3, L)
        skips = []
        for unit in self.encoder:
            x = unit(x)
            skips.append(x)
        x = self.bottleneck(x)  # (B, 256, L)
        for unit in self.decoder:
            x = unit(torch.cat([x, skips.pop()], dim=1))
        return torch.sigmoid(self.head(x)).transpose(1, 2)
