"""TrackNetV4: V2 whose logits are gated by a prompt of absolute motion.

Source: Raj et al., "TrackNetV4: Enhancing fast sports object tracking with motion attention maps", arXiv:2409.14543.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from tracknetv5.models.motion import MotionOptions, MotionPrompt, gate
from tracknetv5.models.unet import HeatmapHead, UNet, UNetOptions, check_frames


@dataclass(frozen=True, kw_only=True)
class TrackNetV4Options(MotionOptions, UNetOptions):
    frames: int = 3  # T, frames in a window
    a: float = 0.1  # slope parameter of the motion prompt at the start of training
    b: float = 0.0  # offset parameter of the motion prompt at the start of training


class TrackNetV4(nn.Module):
    Options = TrackNetV4Options
    takes_background = False

    def __init__(self, options: TrackNetV4Options = TrackNetV4Options()):
        super().__init__()
        self.options = options
        self.motion = MotionPrompt(options)
        self.backbone = UNet(3 * options.frames, options)
        self.head = HeatmapHead(options.widths[0], options.frames, options.stem)

    def forward(self, frames: Tensor) -> Tensor:
        """Heatmap logits of each frame.

        Args:
            frames: (B, T, 3, H, W) RGB in [0, 1]; H and W multiples of `options.multiple`.

        Returns:
            Logits (B, T, H, W): [f0, A01 * f1, A12 * f2].

        Raises:
            ValueError: the shape or type of `frames` does not fit.
        """
        check_frames(frames, self.options.frames, multiple=self.options.multiple)
        return gate(self.head(self.backbone(frames.flatten(1, 2))), self.motion(frames))
