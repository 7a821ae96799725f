"""TrackNetV3: eight frames and the clip's median image in, eight heatmaps out.

Source: Chen and Wang, "TrackNetV3: Enhancing shuttlecock tracking with augmentations and trajectory rectification",
MMAsia 2023. Its rectifier is in inpaint.py.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tracknetv5.models.unet import HeatmapHead, UNet, UNetOptions, check_background, check_frames


@dataclass(frozen=True, kw_only=True)
class TrackNetV3Options(UNetOptions):
    frames: int = 8  # T, frames in a window
    norm_first: bool = True
    upsample: str = "nearest"


class TrackNetV3(nn.Module):
    Options = TrackNetV3Options
    takes_background = True

    def __init__(self, options: TrackNetV3Options = TrackNetV3Options()):
        super().__init__()
        self.options = options
        self.backbone = UNet(3 * (1 + options.frames), options)
        self.head = HeatmapHead(options.widths[0], options.frames, options.stem, bias=True)

    def forward(self, frames: Tensor, background: Tensor | None) -> Tensor:
        """Heatmap logits of each frame.

        Args:
            frames: (B, T, 3, H, W) RGB in [0, 1]; H and W multiples of `options.multiple`.
            background: (B, 3, H, W) RGB in [0, 1], the median over the clip.

        Returns:
            Logits (B, T, H, W).

        Raises:
            ValueError: the shape or type of `frames` or `background` does not fit.
        """
        check_frames(frames, self.options.frames, multiple=self.options.multiple)
        check_background(frames, background, self.takes_background)
        return self.head(self.backbone(torch.cat([background, frames.flatten(1, 2)], dim=1)))
