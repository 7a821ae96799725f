"""The U-Net that V2, V3, V4 and V5 share.

Source: Sun et al., "TrackNetV2: Efficient shuttlecock tracking network", ICPAI 2020. V3 (Chen and Wang, MMAsia 2023)
orders normalisation and activation the other way round and upsamples by nearest neighbour.

Axes: B batch, C channels, T frames, H and W rows and columns of the model's input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class UNetOptions:
    stem: int = 1  # pixels; the U-Net runs on a grid of stem x stem blocks, and its heatmaps are shuffled back
    stem_width: int = 96  # features of each block; of no account where stem is 1
    widths: tuple[int, ...] = (64, 128, 256, 512)  # channels of each level, finest first
    depths: tuple[int, ...] = (2, 2, 3, 3)  # convolutions of each level, in the encoder and in the decoder
    norm_first: bool = False  # False: conv, ReLU, norm (V2, V4, V5); True: conv, norm, ReLU (V3)
    upsample: str = "bilinear"  # "bilinear" (corners aligned) or "nearest"

    def __post_init__(self):
        if not isinstance(self.stem, int) or self.stem < 1:
            raise ValueError(f"stem must be 1 pixel or more, not {self.stem!r}")
        # JSON has no tuples; a config that was read back must compare equal to the one that was written.
        object.__setattr__(self, "widths", tuple(self.widths))
        object.__setattr__(self, "depths", tuple(self.depths))
        if len(self.widths) != len(self.depths) or not self.widths:
            raise ValueError(f"widths {self.widths} and depths {self.depths} need one entry for each level")
        if self.upsample not in ("bilinear", "nearest"):
            raise ValueError(f'upsample is "bilinear" or "nearest", not {self.upsample!r}')

    @property
    def stride(self) -> int:
        """Pixels of the input that one of the deepest level stands for, in height and in width."""
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def multiple(self) -> int:
        """Height and width of an input are multiples of this many pixels."""
        return self.stride


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """Pixel shuffle, (B, C * block^2, h, w) -> (B, C, h * block, w * block).

    Same values as `torch.nn.PixelShuffle`, several times faster for large blocks on a CPU.
    """
    if block == 1:
        return x
    batch, _, rows, columns = x.shape
    x = x.permute(0, 2, 3, 1).reshape(batch, rows, columns, -1, block, block).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(batch, -1, rows * block, columns * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """The pixels of each block x block square: (B, C, H, W) -> (B, H / block, W / block, C * block^2)."""
    batch, channels, rows, columns = x.shape
    x = x.reshape(batch, channels, rows // block, block, columns // block, block)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3)


class BlockConv(nn.Conv2d):
    """One feature vector for each block x block square: (B, Cin, H, W) -> (B, Cout, H / block, W / block).

    While training, gradients reach the input in the channels `grad_channels` alone, if any are named.
    """

    def __init__(self, channels_in: int, channels_out: int, block: int, grad_channels: Sequence[int] = ()):
        super().__init__(channels_in, channels_out, block, stride=block, bias=False)
        self.grad_channels = list(grad_channels)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            # With channels last, whatever else the network is in: in the other order it takes three times as long.
            weight = self.weight.contiguous(memory_format=torch.channels_last)
            return F.conv2d(x, weight, self.bias, self.stride)
        # As a product of matrices, whose gradient is the cheaper one.
        block, weight = self.stride[0], self.weight.flatten(1)
        if self.grad_channels and x.requires_grad:
            y = _BlockProduct.apply(x, weight, block, self.grad_channels)
        else:
            y = F.linear(space_to_depth(x, block), weight, self.bias)
        return y.permute(0, 3, 1, 2)


class _BlockProduct(torch.autograd.Function):
    """A `BlockConv`'s product; the gradient of channels that are data would take a sixth of a step for nothing."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, block: int, grad_channels: list[int]) -> Tensor:
        squares = space_to_depth(x, block)
        ctx.save_for_backward(squares, weight)
        ctx.shape, ctx.block, ctx.grad_channels = x.shape, block, grad_channels
        return F.linear(squares, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        squares, weight = ctx.saved_tensors
        of_weight = gradient.flatten(0, 2).T @ squares.flatten(0, 2)
        part = weight.unflatten(1, (ctx.shape[1], -1))[:, ctx.grad_channels].flatten(1)
        of_x = gradient.new_zeros(ctx.shape)
        of_x[:, ctx.grad_channels] = depth_to_space((gradient @ part).permute(0, 3, 1, 2), ctx.block)
        return of_x, of_weight, None, None


class ConvUnit(nn.Sequential):
    """Convolution (3 x 3, if no other is given), ReLU and batch norm: (B, Cin, H, W) -> (B, Cout, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, norm_first: bool, conv: nn.Conv2d | None = None):
        super().__init__()
        # padding=1 rather than "same": fvcore does not count convolutions written with "same".
        self.conv = conv or nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        norm, act = nn.BatchNorm2d(channels_out), nn.ReLU()
        if norm_first:
            self.norm, self.act = norm, act
        else:
            self.act, self.norm = act, norm


class Stem(ConvUnit):
    """A `BlockConv` unit in 32 bits, whatever autocast says: (B, Cin, H, W) -> (B, Cout, H / block, W / block).

    Pixels and static attention are nearly constant, and what tells a ball is a small change of them, of the size of
    the rounding of 16-bit sums. Batch norm would amplify that rounding, and training would come to lean on it.
    """

    def __init__(self, channels_in: int, channels_out: int, block: int, norm_first: bool, grad_channels: Sequence[int]):
        conv = BlockConv(channels_in, channels_out, block, grad_channels)
        super().__init__(channels_in, channels_out, norm_first, conv)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def conv_units(channels_in: int, channels_out: int, depth: int, norm_first: bool) -> nn.Sequential:
    channels = [channels_in] + [channels_out] * depth
    return nn.Sequential(*(ConvUnit(a, b, norm_first) for a, b in zip(channels, channels[1:], strict=False)))


class UNet(nn.Module):
    """Features at the resolution of the stem's grid: (B, channels, H, W) -> (B, widths[0], H / stem, W / stem)."""

    def __init__(self, channels: int, options: UNetOptions, grad_channels: Sequence[int] = ()):
        """`grad_channels`: the channels that come from a part of the network that learns; the others are data."""
        super().__init__()
        widths, depths, norm_first = options.widths, options.depths, options.norm_first
        self.stem = nn.Identity()
        inputs = channels
        if options.stem > 1:
            inputs = options.stem_width
            self.stem = Stem(channels, inputs, options.stem, norm_first, grad_channels)
        self.encoder = nn.ModuleList()
        for width, depth in zip(widths, depths, strict=True):
            self.encoder.append(conv_units(inputs, width, depth, norm_first))
            inputs = width
        self.decoder = nn.ModuleList()  # coarse to fine
        for width, depth in zip(widths[-2::-1], depths[-2::-1], strict=True):
            self.decoder.append(conv_units(inputs + width, width, depth, norm_first))
            inputs = width
        self.pool = nn.MaxPool2d(2)
        # A module for one and a function for the other, as in the reference codes: thop counts modules only.
        if options.upsample == "bilinear":
            self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        else:
            self.upsample = partial(F.interpolate, scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (B, stem_width, H / stem, W / stem)
        skips = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        skips.pop()
        for block in self.decoder:
            x = block(torch.cat([self.upsample(x), skips.pop()], dim=1))
        return x


class HeatmapHead(nn.Module):
    """One logit for each pixel of each frame: (B, C, H / stem, W / stem) -> (B, T, H, W)."""

    def __init__(self, channels: int, frames: int, stem: int, bias: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(channels, frames * stem**2, 1, bias=bias)
        self.stem = stem

    def forward(self, x: Tensor) -> Tensor:
        return depth_to_space(self.conv(x), self.stem)


def check_frames(frames: Tensor, length: int, *, multiple: int) -> None:
    """Raise ValueError unless `frames` is a (B, length, 3, H, W) float batch whose H and W the model divides."""
    if frames.ndim != 5 or frames.shape[1] != length or frames.shape[2] != 3:
        raise ValueError(
            f"expected frames of shape (batch, {length}, 3, height, width), got {tuple(frames.shape)}: "
            f"stack {length} RGB frames with values in [0, 1] along dimension 1"
        )
    if not frames.is_floating_point():
        raise ValueError(f"expected floating-point frames in [0, 1], got {frames.dtype}: divide 8-bit frames by 255")
    height, width = frames.shape[-2:]
    if min(height, width) < multiple or height % multiple or width % multiple:
        raise ValueError(
            f"height and width must be multiples of {multiple}, got {height} x {width}: "
            "resize or pad the frames (the published size is 288 x 512)"
        )


def check_background(frames: Tensor, background: Tensor | None, takes_background: bool) -> None:
    """Raise ValueError unless `background` is a (B, 3, H, W) batch that fits `frames`, for networks that take one."""
    if not takes_background:
        if background is not None:
            raise ValueError("this network takes no background: leave it out")
    elif background is None or background.shape != frames[:, 0].shape:
        given = "none" if background is None else tuple(background.shape)
        raise ValueError(
            f"expected one background of shape {tuple(frames[:, 0].shape)}, got {given}: the scene without what moves, "
            "as tracknetv5.background.median_background makes it"
        )
