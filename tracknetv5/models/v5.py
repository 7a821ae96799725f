"""TrackNetV5: polarity of motion in front of the backbone (MDD), a Transformer's residual behind it (R-STR).

Source: Tang et al., "TrackNetV5", arXiv:2512.02789, and its public reference code where the two differ.
The paper's ablations "V2 + MDD" and "V2 + R-STR" are this class with one of the two parts left out.

Axes: B batch, T frames, H and W rows and columns.
"""

from dataclasses import dataclass
from math import lcm
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tracknetv5.models.motion import (
    BackgroundDecoupling,
    MotionDirectionDecoupling,
    MotionOptions,
    attention_channels,
    gate,
    interleave,
)
from tracknetv5.models.rstr import RSTR, RSTROptions
from tracknetv5.models.unet import HeatmapHead, UNet, UNetOptions, check_background, check_frames


@dataclass(frozen=True, kw_only=True)
class TrackNetV5Options(RSTROptions, MotionOptions, UNetOptions):
    frames: int = 3  # T, frames in a window
    mdd: bool = True  # polarity attention in the input and as a gate on the draft
    gate: str = "brightening"  # the draft is gated by A+ alone (reference code) or by "both" polarities (paper)
    rstr: bool = True  # refine the draft by a residual
    background: bool = False  # the clip's background is seen too (not in the paper), and how frames differ from it

    def __post_init__(self):
        UNetOptions.__post_init__(self)
        RSTROptions.__post_init__(self)
        if self.gate not in ("brightening", "both"):
            raise ValueError(f'gate is "brightening" or "both", not {self.gate!r}')

    @property
    def multiple(self) -> int:
        """Height and width of an input are multiples of this many pixels."""
        return lcm(self.stride, self.patch) if self.rstr else self.stride


class Inspection(NamedTuple):
    """What the network computes on the way to its heatmaps; parts that an ablation leaves out are None."""

    polarity: Tensor | None  # (B, T - 1, 2, H, W) in [0, 1]: P+ (brightening), P- (darkening) of each interval
    attention: Tensor | None  # (B, T - 1, 2, H, W) in (0, 1): A+, A-, the polarity after the learnable map
    draft: Tensor  # (B, T, H, W) logits of the backbone
    gated_draft: Tensor  # (B, T, H, W) logits after the gate; the draft itself without MDD
    residual: Tensor | None  # (B, T, H, W) logits that R-STR adds
    logits: Tensor  # (B, T, H, W) the result, gated_draft + residual
    background_polarity: Tensor | None  # (B, T, 2, H, W) in [0, 1]: P+, P- of each frame against the background


class TrackNetV5(nn.Module):
    Options = TrackNetV5Options

    def __init__(self, options: TrackNetV5Options = TrackNetV5Options()):
        super().__init__()
        self.options = options
        frames = options.frames
        self.mdd = MotionDirectionDecoupling(options) if options.mdd else None
        grad_channels = attention_channels(frames) if options.mdd else []
        channels = 3 * frames + len(grad_channels)
        self.background = BackgroundDecoupling(options) if options.background else None
        if options.background:  # its image, and two attentions for each frame
            grad_channels = [*grad_channels, *range(channels + 3, channels + 3 + 2 * frames)]
            channels += 3 + 2 * frames
        self.backbone = UNet(channels, options, grad_channels)
        self.head = HeatmapHead(options.widths[0], frames, options.stem)
        self.draft_dropout = nn.Dropout(options.dropout if options.rstr else 0.0)
        self.rstr = RSTR(frames, options) if options.rstr else None

    @property
    def takes_background(self) -> bool:
        return self.background is not None

    def forward(self, frames: Tensor, background: Tensor | None = None) -> Tensor:
        """Heatmap logits of each frame.

        While training, no gradient reaches `frames` through a stem (lite sizes): for saliency, call `eval()` first.

        Args:
            frames: (B, T, 3, H, W) RGB in [0, 1]; H and W multiples of `options.multiple`.
            background: (B, 3, H, W) RGB in [0, 1], the scene without what moves, for networks that take one.

        Returns:
            Logits (B, T, H, W).

        Raises:
            ValueError: the shape or type of `frames` or `background` does not fit.
        """
        return self.inspect(frames, background).logits

    def inspect(self, frames: Tensor, background: Tensor | None = None) -> Inspection:
        """`forward` with everything it computes on the way; same arguments, same errors."""
        check_frames(frames, self.options.frames, multiple=self.options.multiple)
        check_background(frames, background, self.takes_background)
        fields = attention = residual = over_background = None
        behind = []
        if self.background is not None:
            over_background, differs = self.background(frames, background)
            behind = [background, differs.flatten(1, 2)]
        if self.mdd is not None:
            fields, attention = self.mdd(frames)
            seen = interleave(frames, attention, *behind)
        else:
            seen = torch.cat([frames.flatten(1, 2), *behind], dim=1)
        gated = draft = self.head(self.backbone(seen))
        if self.mdd is not None:
            gated = gate(draft, attention[:, :, 0] if self.options.gate == "brightening" else attention.amax(2))
        logits = gated
        if self.rstr is not None:
            # While training, the dropped draft is also the base of the sum, as in the reference code.
            base = self.draft_dropout(gated)
            residual = self.rstr(base)
            logits = base + residual
        return Inspection(fields, attention, draft, gated, residual, logits, over_background)
