"""Checkpoints of other code into folders of weights: a pure function for each format renames tensors, then a strict load.

The layouts are those of the public reference implementations. The only place that reads pickles, and never with
anything but tensors and plain values in them.
"""

import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tracknetv5.card import write_card
from tracknetv5.models import create_model
from tracknetv5.models.motion import LUMINANCE
from tracknetv5.weights import WeightsConfig, WeightsError, load_strictly, load_weights, save_weights

Tensors = Mapping[str, Tensor]
Rules = Sequence[tuple[str, str]]  # regular expression for a whole name, its replacement

# The reference code of V2, V4 and V5 numbers its convolutions through: 1 to 10 down, 11 to 17 up.
_PLACES = [f"encoder.{level}.{unit}" for level, depth in enumerate((2, 2, 3, 3)) for unit in range(depth)]
_PLACES += [f"decoder.{level}.{unit}" for level, depth in enumerate((3, 2, 2)) for unit in range(depth)]
_UNET: Rules = [
    (rf"(?:backbone|neck)\.conv{number}\.conv\.{index}\.(\w+)", rf"backbone.{place}.{part}.\1")
    for number, place in enumerate(_PLACES, 1)
    for index, part in (("0", "conv"), ("2", "norm"))
]
_RSTR: Rules = [
    (r"head\.embed_conv\.(\w+)", r"rstr.embed.\1"),
    (r"head\.spatial_pos_embed", "rstr.space_embed"),
    (r"head\.time_embed", "rstr.time_embed"),
    (r"head\.transformer_encoder\.(.+)", r"rstr.encoder.\1"),
    (r"head\.decoder_head\.0\.(\w+)", r"rstr.decode.\1"),
]


def tracknet_v2(tensors: Tensors) -> dict[str, Tensor]:
    """V2 of TrackNetV5's reference code."""
    return _renamed(tensors, [*_UNET, (r"head\.head\.conv\.0\.weight", "head.conv.weight")])


def tracknet_v4(tensors: Tensors) -> dict[str, Tensor]:
    """V4 of TrackNetV5's reference code; its head is named as ours."""
    tensors = _without_luminance(tensors, ["backbone.motion.gray_scale"])
    return _renamed(tensors, [*_UNET, (r"backbone\.motion\.([ab])", r"motion.attention.\1")])


def tracknet_v5(tensors: Tensors) -> dict[str, Tensor]:
    """V5's reference code."""
    tensors = _without_luminance(tensors, [f"mdd.{channel}_WEIGHT" for channel in "RGB"])
    draft = (r"head\.draft_head\.weight", "head.conv.weight")
    return _renamed(tensors, [*_UNET, *_RSTR, draft, (r"mdd\.([ab])", r"mdd.attention.\1")])


def tracknet_v2_mdd(tensors: Tensors) -> dict[str, Tensor]:
    """V5's ablation V2 + MDD; its head is named as ours."""
    prefix = "backbone.learnable_mvdr_module"
    tensors = _without_luminance(tensors, [f"{prefix}.{channel}_WEIGHT" for channel in "RGB"])
    return _renamed(tensors, [*_UNET, (rf"{re.escape(prefix)}\.([ab])", r"mdd.attention.\1")])


def tracknet_v2_rstr(tensors: Tensors) -> dict[str, Tensor]:
    """V5's ablation V2 + R-STR."""
    return _renamed(tensors, [*_UNET, *_RSTR, (r"head\.conv1\.conv\.0\.weight", "head.conv.weight")])


def tracknet_v3(tensors: Tensors) -> dict[str, Tensor]:
    """The tracker of V3's reference code, whose blocks and convolutions count from 1."""
    blocks = {f"down_block_{level + 1}": f"encoder.{level}" for level in range(3)}
    blocks |= {"bottleneck": "encoder.3"} | {f"up_block_{level + 1}": f"decoder.{level}" for level in range(3)}
    rules = [
        (rf"{block}\.conv_{unit + 1}\.{theirs}\.(\w+)", rf"backbone.{place}.{unit}.{ours}.\1")
        for block, place in blocks.items()
        for unit in range(3)
        for theirs, ours in (("conv", "conv"), ("bn", "norm"))
    ]
    return _renamed(tensors, [*rules, (r"predictor\.(\w+)", r"head.conv.\1")])


def inpaintnet(tensors: Tensors) -> dict[str, Tensor]:
    """The rectifier of V3's reference code; the misspelling is theirs."""
    rules = [
        (rf"{theirs}_{unit + 1}\.conv\.(\w+)", rf"{ours}.{unit}.conv.\1")
        for theirs, ours in (("down", "encoder"), (r"buttleneck\.conv", "bottleneck"), ("up", "decoder"))
        for unit in range(3)
    ]
    return _renamed(tensors, [*rules, (r"predictor\.(\w+)", r"head.\1")])


# The formats by the model they hold, each with a name that no other has.
FORMATS: dict[str, tuple[Callable[[Tensors], dict[str, Tensor]], str]] = {
    "tracknet_v2": (tracknet_v2, "head.head.conv.0.weight"),
    "tracknet_v3": (tracknet_v3, "down_block_1.conv_1.conv.weight"),
    "tracknet_v4": (tracknet_v4, "backbone.motion.a"),
    "tracknet_v5": (tracknet_v5, "head.draft_head.weight"),
    "tracknet_v2_mdd": (tracknet_v2_mdd, "backbone.learnable_mvdr_module.a"),
    "tracknet_v2_rstr": (tracknet_v2_rstr, "head.conv1.conv.0.weight"),
    "inpaintnet": (inpaintnet, "buttleneck.conv_1.conv.weight"),
}
# What the tracker must know of an architecture and no tensor tells.
_FACTS = {
    "tracknet_v3": dict(background=True, ensemble="triangular", step=1),
    "inpaintnet": dict(height=None, width=None, ensemble="triangular", step=1),
}


def convert(source: Path | str, folder: Path | str, model: str, *, rectifier: Path | str | None = None) -> Path:
    """Turn a checkpoint into a folder of weights.

    Args:
        source: a file of tensors, .safetensors or saved by torch: a bare state dict or one under "model",
            "model_state_dict" or "state_dict", with or without the prefix "module."; in a published layout (FORMATS) or
            in ours.
        folder: made if it is not there.
        model: the name of the network in it, as `create_model` takes it.
        rectifier: a checkpoint or a folder of weights of InpaintNet, to be put in with the weights of a tracker.

    Returns:
        The folder: tensors, config and model card. Facts that the checkpoint does not tell are "not stated".

    Raises:
        WeightsError: the file cannot be read, or its tensors do not fit, with all that do not listed.
        ValueError: there is no such model.
    """
    fills_gaps = None
    if rectifier is not None:
        is_folder = Path(rectifier).is_dir()
        fills_gaps = load_weights(Path(rectifier)) if is_folder else _load(Path(rectifier), "inpaintnet")
        if fills_gaps[1].height is not None:
            raise WeightsError(f"{rectifier}: holds {fills_gaps[1].model}, which finds balls and fills no gaps")
    network, config = _load(Path(source), model)
    folder = save_weights(network, folder, config, rectifier=fills_gaps)
    write_card(folder, config)
    return folder


def _load(source: Path, model: str) -> tuple[torch.nn.Module, WeightsConfig]:
    create_model(model)  # an unknown name is the first thing to say
    tensors, facts = read_checkpoint(source)
    options = {}
    if model in _FACTS and "seq_len" in facts:  # V3's own description of a checkpoint
        options["frames"] = facts["seq_len"]
    if model == "tracknet_v3" and facts.get("bg_mode", "concat") != "concat":
        raise WeightsError(f'{source}: its background mode is {facts["bg_mode"]!r}, only "concat" can be converted')
    network = create_model(model, **options)
    renamed = FORMATS[model][0](tensors) if model in FORMATS else dict(tensors)
    try:
        load_strictly(network, renamed, source)
    except WeightsError as error:
        found = next((name for name, (_, key) in FORMATS.items() if key in tensors), model)
        hint = "" if found == model else f". This looks like {found}"
        raise WeightsError(f"{error}{hint}") from error
    frames = network.options.frames
    config = dict(model=model, options={}, frames=frames, step=frames, provenance=f"converted from {source.name}")
    return network.eval(), WeightsConfig(**config | _FACTS.get(model, {}))


def read_checkpoint(source: Path) -> tuple[dict[str, Tensor], dict]:
    """The tensors of a checkpoint by name, and what V3's reference code writes beside them ("param_dict").

    Raises:
        WeightsError: the file is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        if source.suffix == ".safetensors":
            content = load_file(source)
        else:
            content = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{source}: no such file") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{source}: not a checkpoint of tensors and plain values, and nothing else is unpickled: in the code that "
            "wrote it, save model.state_dict() alone"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise WeightsError(f"{source}: damaged or no checkpoint: {error}".splitlines()[0]) from error
    facts = {}
    if isinstance(content, Mapping):
        facts = content.get("param_dict", {})
        containers = ("model", "model_state_dict", "state_dict")
        content = next((content[key] for key in containers if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{source}: holds no state dict, which names tensors")
    if strangers := [str(name) for name, value in content.items() if not isinstance(value, Tensor)]:
        raise WeightsError(f"{source}: holds no state dict: no tensors are called {', '.join(strangers)}")
    tensors = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    return tensors, facts if isinstance(facts, Mapping) else {}


def _renamed(tensors: Tensors, rules: Rules) -> dict[str, Tensor]:
    """Tensors under our names, and without the axes of length 1 that some scalars and embeddings have in other code.

    Names that no rule knows stay, for the strict load to complain about.
    """
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in rules:
            if re.fullmatch(pattern, name):
                name = re.sub(pattern, replacement, name)
                break
        if name.endswith((".attention.a", ".attention.b", ".space_embed", ".time_embed")):
            tensor = tensor.squeeze()
        renamed[name] = tensor
    return renamed


def _without_luminance(tensors: Tensors, names: Sequence[str]) -> dict[str, Tensor]:
    """Tensors but for the constant weights of luminance, which must be ours, since we do not store them.

    Raises:
        WeightsError: they are others.
    """
    found = [tensors[name].flatten().double() for name in names if name in tensors]
    if len(found) == len(names):
        weights = torch.cat(found)
        expected = torch.tensor(LUMINANCE, dtype=torch.float64)
        if weights.shape != expected.shape or not torch.allclose(weights, expected, rtol=0, atol=1e-5):
            raise WeightsError(f"{names[0]}: luminance weights {weights.tolist()} are not the published {LUMINANCE}")
    return {name: tensor for name, tensor in tensors.items() if name not in names}
