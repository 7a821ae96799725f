"""The loss of all TrackNets."""

import torch
from torch import Tensor
from torch.nn import functional as F


def weighted_bce(logits: Tensor, target: Tensor, labelled: Tensor) -> Tensor:
    """Weighted binary cross-entropy, mean of -[(1 - p)^2 y log p + p^2 (1 - y) log(1 - p)] with p = sigmoid(logits).

    Args:
        logits: (B, T, H, W).
        target: (B, T, H, W) of {0, 1}, any type.
        labelled: (B, T) bool; frames that are not labelled do not count.

    Returns:
        Scalar; 0 where no frame is labelled.
    """
    # With s = -z where y = 1 and s = z where y = 0, both terms are sigmoid(s)^2 softplus(s): nothing overflows.
    wrongness = torch.where(target.bool(), -logits, logits).float()
    loss = torch.sigmoid(wrongness).square() * F.softplus(wrongness)
    per_frame = loss.mean(dim=(2, 3))  # (B, T)
    return (per_frame * labelled).sum() / labelled.sum().clamp(min=1)
