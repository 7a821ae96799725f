"""TrackNetV2: three frames in, three heatmaps out.

Source: Sun et al., "TrackNetV2: Efficient shuttlecock tracking network", ICPAI 2020.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tracknetv5.models.unet import HeatmapHead, UNet, UNetOptions, check_frames


@dataclass(frozen=True, kw_only=True)
class TrackNetV2Options(UNetOptions):
    frames: int = 3  # T, frames in a window


class TrackNetV2(nn.Module):
    Options = TrackNetV2Options
    takes_background = False

    def __init__(self, options: TrackNetV2Options = TrackNetV2Options()):
        super().__init__()
        self.options = options
        self.backbone = UNet(3 * options.frames, options)
        self.head = HeatmapHead(options.widths[0], options.frames, options.stem)

    def forward(self, frames: Tensor) -> Tensor:
        """Heatmap logits of each frame.

        Args:
            frames: (B, T, 3, H, W) RGB in [0, 1]; H and W multiples of `options.multiple`.

        Returns:
            Logits (B, T, H, W).

        Raises:
            ValueError: the shape or type of `frames` does not fit.
        """
        check_frames(frames, self.options.frames, multiple=self.options.multiple)
        return self.head(self.backbone(frames.flatten(1, 2)))
