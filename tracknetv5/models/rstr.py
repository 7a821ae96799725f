"""R-STR, the residual-driven spatio-temporal refinement of V5.

Source: Tang et al., "TrackNetV5", arXiv:2512.02789. The reference code attends jointly over all tokens of a window;
the paper describes attention factorised over time and space. `attention` chooses between them.

Axes: B batch, T frames, H and W rows and columns, D token dimension, N = h * w patches of one frame.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracknetv5.models.unet import depth_to_space, space_to_depth


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
        if len(self.grid) != 2 or not all(isinstance(side, int) and side > 0 for side in self.grid):
            raise ValueError(f"grid must be (rows, columns) of patches, not {self.grid}")
        for name in ("patch", "dim", "heads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.attention not in ("joint", "divided"):
            raise ValueError(f'attention is "joint" or "divided", not {self.attention!r}')


class Attention(nn.Module):
    """Multi-head self-attention, with the parameters of `torch.nn.MultiheadAttention`; `attend` says over what."""

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim {dim} must be a multiple of the {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, N, D) -> (B, T, N, D)."""
        queries, keys, values = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, dim=-1)
        heads = (each.unflatten(-1, (self.heads, -1)) for each in (queries, keys, values))  # (B, T, N, heads, d)
        return self.out_proj(self.attend(*heads).flatten(-2))


class TimeAttention(Attention):
    """Each patch attends to the same place in all frames."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        # Sequences of three frames: sums of products of whole planes, where matrix products would be tiny and many.
        scores = (queries[:, :, None] * keys[:, None]).sum(-1) * queries.shape[-1] ** -0.5  # (B, T, T, N, heads)
        shares = F.dropout(scores.softmax(dim=2), self.dropout, self.training)
        return (shares[..., None] * values[:, None]).sum(2)


class SpaceAttention(Attention):
    """Each patch attends to all patches of its frame."""

    def attend(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        batch = queries.shape[:2]
        queries, keys, values = (each.flatten(0, 1).transpose(1, 2) for each in (queries, keys, values))
        # On a CPU, to store the products takes a third of the time where a gradient follows, and half in bfloat16.
        if queries.device.type == "cpu" and (self.training or queries.dtype == torch.bfloat16):
            scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(2, 3)  # (B T, heads, N, N)
            attended = F.dropout(scores.softmax(dim=-1), self.dropout, self.training) @ values
        else:
            dropout = self.dropout if self.training else 0.0
            attended = F.scaled_dot_product_attention(queries, keys, values, dropout_p=dropout)
        return attended.transpose(1, 2).unflatten(0, batch)  # of (B T, heads, N, d)


class DividedLayer(nn.Module):
    """A post-norm Transformer layer that attends over time, then over space: (B, T, N, D) -> (B, T, N, D)."""

    def __init__(self, options: RSTROptions):
        super().__init__()
        dim, dropout = options.dim, options.dropout
        self.time = TimeAttention(dim, options.heads, dropout)
        self.space = SpaceAttention(dim, options.heads, dropout)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, options.feedforward),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(options.feedforward, dim),
        )
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        for norm, part in zip(self.norms, (self.time, self.space, self.feedforward), strict=True):
            x = norm(x + self.dropout(part(x)))
        return x


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
        draft = draft.reshape(batch * frames, 1, height, width)
        # On a CPU, as a product of matrices: its gradient is much cheaper, and so is all of it in bfloat16. Elsewhere
        # as a module: some counters of operations see nothing else.
        if draft.device.type == "cpu" and (self.training or torch.is_autocast_enabled("cpu")):
            x = F.linear(space_to_depth(draft, self.options.patch), self.embed.weight.flatten(1), self.embed.bias)
        else:
            x = self.embed(draft).permute(0, 2, 3, 1)  # (B T, h, w, D)
        x = x.reshape(batch, frames, rows * columns, -1)  # (B, T, N, D)
        x = x + self.space_embedding(rows, columns) + self.time_embed[:, None]
        if self.options.attention == "joint":
            x = self.encoder(x.flatten(1, 2))  # tokens in order of frame, row, column: (B, T N, D)
        else:
            x = self.encoder(x)
        x = x.reshape(batch * frames, rows, columns, -1).permute(0, 3, 1, 2)  # (B T, D, h, w)
        return depth_to_space(self.decode(x), self.options.patch).reshape(batch, frames, height, width)
