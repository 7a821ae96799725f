"""What a network is given when only the shapes matter."""

import torch
from torch import Tensor, nn

from tracknetv5.models.inpaint import InpaintNet
from tracknetv5.models.v3 import TrackNetV3

SIZE = (288, 512)  # pixels (height, width) of the published networks' input


def example(model: nn.Module, size: tuple[int, int] = SIZE, batch: int = 1) -> tuple[Tensor, ...]:
    """The arguments of one forward pass, all zero."""
    frames = model.options.frames
    if isinstance(model, InpaintNet):
        return torch.zeros(batch, frames, 2), torch.zeros(batch, frames, 1)
    window = torch.zeros(batch, frames, 3, *size)
    return (window, window[:, 0]) if isinstance(model, TrackNetV3) else (window,)
