"""R-STR, the residual-driven spatio-temporal refinement of V5.

Source: Tang et al., "TrackNetV5", arXiv:2512.02789. The reference code attends jointly over all tokens of a window;
the paper describes attention factorised over time and space. `attention` chooses between them.

Axes: B batch, T frames, H and W rows and columns, D token dimension, N = h * w patches of one frame.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from tracknetv5.models.unet import depth_to_space


@dataclass(frozen=True, kw_only=True)
class RSTROptions:
    patch: int = 16  # pixels; side of the square that becomes one token
    grid: tuple[int, int] = (18, 32)  # patches (rows, columns) of the learned spatial embedding: 288 x 512 pixels
    dim: int = 256  # D, a token's dimension
    layers: int = 4  # Transformer encoder layers
    heads: int = 2  # attention heads
    feedforward: int = 1024  # hidden units of each layer's feed-forward part
    dropout: float = 0.1  # inside the layers, and on the draft while training
    attention: str = "joint"  # "joint": all tokens at once; "divided": over time, then over space

    def __post_init__(self):
        object.__setattr__(self, "grid", tuple(self.grid))
        if self.attention not in ("joint", "divided"):
            raise ValueError(f'attention is "joint" or "divided", not {self.attention!r}')


class DividedLayer(nn.Module):
    """A post-norm Transformer layer that attends over time, then over space: (B, T, N, D) -> (B, T, N, D)."""

    def __init__(self, options: RSTROptions):
        super().__init__()
        dim, dropout = options.dim, options.dropout
        self.time = nn.MultiheadAttention(dim, options.heads, dropout=dropout, batch_first=True)
        self.space = nn.MultiheadAttention(dim, options.heads, dropout=dropout, batch_first=True)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, options.feedforward),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(options.feedforward, dim),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, patches, dim = x.shape
        y = x.transpose(1, 2).reshape(batch * patches, frames, dim)  # a sequence is one place through time
        with sdpa_kernel(SDPBackend.MATH):  # for sequences this short, the fused kernel is several times slower
            y = self.time(y, y, y, need_weights=False)[0]
        y = y.reshape(batch, patches, frames, dim).transpose(1, 2)
        x = self.norms[0](x + self.dropout(y))
        y = x.reshape(batch * frames, patches, dim)  # a sequence is one frame
        y = self.space(y, y, y, need_weights=False)[0].reshape(batch, frames, patches, dim)
        x = self.norms[1](x + self.dropout(y))
        return self.norms[2](x + self.dropout(self.feedforward(x)))


class RSTR(nn.Module):
    """The residual that corrects a draft: logits (B, T, H, W) -> logits (B, T, H, W)."""

    def __init__(self, frames: int, options: RSTROptions):
        super().__init__()
        self.options = options
        dim, patch = options.dim, options.patch
        self.embed = nn.Conv2d(1, dim, patch, stride=patch)
        self.space_embed = nn.Parameter(torch.zeros(options.grid[0] * options.grid[1], dim))  # row by row
        self.time_embed = nn.Parameter(torch.zeros(frames, dim))
        nn.init.trunc_normal_(self.space_embed, std=0.02)
        nn.init.trunc_normal_(self.time_embed, std=0.02)
        if options.attention == "joint":
            layer = nn.TransformerEncoderLayer(
                dim, options.heads, options.feedforward, options.dropout, activation="relu", batch_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)
        else:
            self.encoder = nn.Sequential(*(DividedLayer(options) for _ in range(options.layers)))
        self.decode = nn.Conv2d(dim, patch * patch, 1)

    def space_embedding(self, rows: int, columns: int) -> Tensor:
        """The learned embedding (rows * columns, D), interpolated where the grid is not the one it was learned on."""
        if (rows, columns) == self.options.grid:
            return self.space_embed
        grid = self.space_embed.reshape(1, *self.options.grid, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, size=(rows, columns), mode="bilinear", align_corners=False)
        return grid.flatten(2)[0].T

    def forward(self, draft: Tensor) -> Tensor:
        batch, frames, height, width = draft.shape
        rows, columns = height // self.options.patch, width // self.options.patch
        x = self.embed(draft.reshape(batch * frames, 1, height, width))  # (B T, D, h, w)
        x = x.flatten(2).transpose(1, 2).reshape(batch, frames, rows * columns, -1)  # (B, T, N, D)
        x = x + self.space_embedding(rows, columns) + self.time_embed[:, None]
        if self.options.attention == "joint":
            x = self.encoder(x.flatten(1, 2))  # tokens in order of frame, row, column: (B, T N, D)
        else:
            x = self.encoder(x)
        x = x.reshape(batch * frames, rows, columns, -1).permute(0, 3, 1, 2)  # (B T, D, h, w)
        return depth_to_space(self.decode(x), self.options.patch).reshape(batch, frames, height, width)
