"""The networks by name. Nets see tensors only: (B, T, 3, H, W) frames in [0, 1] -> (B, T, H, W) logits.

TrackNetV3 also takes the clip's background; InpaintNet takes trajectories instead of frames.
"""

from dataclasses import replace
from pathlib import Path

from torch import nn

from tracknetv5.models.inpaint import InpaintNet
from tracknetv5.models.v2 import TrackNetV2
from tracknetv5.models.v3 import TrackNetV3
from tracknetv5.models.v4 import TrackNetV4
from tracknetv5.models.v5 import Inspection, TrackNetV5

__all__ = [
    "InpaintNet",
    "Inspection",
    "TrackNetV2",
    "TrackNetV3",
    "TrackNetV4",
    "TrackNetV5",
    "create_model",
    "list_models",
]

# The published architectures at a size that two CPU cores run in real time and can train.
LITE_UNET = dict(stem=4, widths=(48, 96, 160, 192), depths=(2, 2, 2, 2), norm_first=True, upsample="nearest")
LITE_RSTR = dict(dim=64, layers=2, heads=2, feedforward=256, dropout=0.0, attention="divided")

_MODELS: dict[str, tuple[type[nn.Module], dict]] = {
    "tracknet_v2": (TrackNetV2, {}),
    "tracknet_v3": (TrackNetV3, {}),
    "tracknet_v4": (TrackNetV4, {}),
    "tracknet_v5": (TrackNetV5, {}),
    "tracknet_v5_divided": (TrackNetV5, dict(attention="divided")),
    "tracknet_v2_mdd": (TrackNetV5, dict(rstr=False)),
    "tracknet_v2_rstr": (TrackNetV5, dict(mdd=False)),
    "inpaintnet": (InpaintNet, {}),
    "tracknet_v2_lite": (TrackNetV2, LITE_UNET),
    "tracknet_v4_lite": (TrackNetV4, LITE_UNET),
    "tracknet_v5_lite": (TrackNetV5, LITE_UNET | LITE_RSTR),
    "tracknet_v2_mdd_lite": (TrackNetV5, LITE_UNET | dict(rstr=False)),
    "tracknet_v2_rstr_lite": (TrackNetV5, LITE_UNET | LITE_RSTR | dict(mdd=False)),
}


def list_models() -> list[str]:
    """Names that `create_model` takes."""
    return list(_MODELS)


def create_model(name: str, *, pretrained: bool | str | Path | None = None, **overrides) -> nn.Module:
    """Build a network by name.

    Args:
        name: one of `list_models()`.
        pretrained: None or False for random weights; True for the weights published under this name; a folder or a
            Hub id for those weights, whose options then replace the name's own.
        overrides: options of the architecture (its `Options` dataclass) that differ from the name's own.

    Returns:
        The network, in training mode without weights and in evaluation mode with them.

    Raises:
        ValueError: an unknown name or option, weights that do not fit, or no published weights for the name.
    """
    if name not in _MODELS:
        raise ValueError(f"no model is called {name!r}: choose from {', '.join(_MODELS)}")
    if pretrained:
        from tracknetv5.weights import load_model  # weights.py builds models by calling this function

        return load_model(None if pretrained is True else pretrained, name=name, overrides=overrides)
    cls, defaults = _MODELS[name]
    known = vars(cls.Options())
    if unknown := sorted(set(overrides) - set(known)):
        raise ValueError(f"{name} has no such option: {unknown[0]}; it has {', '.join(known)}")
    try:
        options = replace(cls.Options(), **(defaults | overrides))
    except TypeError as error:  # of a value that is no list, or no number
        raise ValueError(f"{name} cannot have the options {overrides}: {error}") from error
    return cls(options)
