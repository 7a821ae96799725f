"""Checkpoints of other code into folders of weights: a pure function for each format renames, then a strict load.

The layouts are those of the public reference implementations. The only place that reads pickles, and never with
anything but tensors and plain values in them.
"""

import pickle
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tracknetv5.card import CARD, write_card
from tracknetv5.models import create_model
from tracknetv5.models.motion import LUMINANCE
from tracknetv5.weights import (
    CONFIG,
    TENSORS,
    WeightsConfig,
    WeightsError,
    load_strictly,
    load_weights,
    read_config,
    save_weights,
)

# What reading a file that was cut off or altered may end in, by where that is.
DAMAGED = (EOFError, ValueError, KeyError, IndexError, AssertionError, AttributeError, TypeError, struct.error)
NO_CHECKPOINT = "damaged or no checkpoint, neither of torch nor safetensors: get the file again"
Rules = Sequence[tuple[str, str]]  # regular expression for the whole of our name, what it is called in a format

# The reference code of V2, V4 and V5 numbers its convolutions through: 1 to 10 down ("backbone"), 11 to 17 up ("neck").
_PLACES = [rf"encoder\.{level}\.{unit}" for level, depth in enumerate((2, 2, 3, 3)) for unit in range(depth)]
_PLACES += [rf"decoder\.{level}\.{unit}" for level, depth in enumerate((3, 2, 2)) for unit in range(depth)]
_UNET: Rules = [
    (rf"backbone\.{place}\.{part}\.(\w+)", rf"{'backbone' if number <= 10 else 'neck'}.conv{number}.conv.{index}.\1")
    for number, place in enumerate(_PLACES, 1)
    for part, index in (("conv", 0), ("norm", 2))
]
_RSTR: Rules = [
    (r"rstr\.embed\.(\w+)", r"head.embed_conv.\1"),
    (r"rstr\.space_embed", "head.spatial_pos_embed"),
    (r"rstr\.time_embed", "head.time_embed"),
    (r"rstr\.encoder\.(.+)", r"head.transformer_encoder.\1"),
    (r"rstr\.decode\.(\w+)", r"head.decoder_head.0.\1"),
]


def tracknet_v2(name: str) -> str:
    """V2 in TrackNetV5's reference code."""
    return _translated(name, [*_UNET, (r"head\.conv\.weight", "head.head.conv.0.weight")])


def tracknet_v4(name: str) -> str:
    """V4 in TrackNetV5's reference code; its head is called as ours."""
    return _translated(name, [*_UNET, (r"motion\.attention\.(\w+)", r"backbone.motion.\1")])


def tracknet_v5(name: str) -> str:
    """V5's reference code."""
    motion = (r"mdd\.attention\.(\w+)", r"mdd.\1")
    return _translated(name, [*_UNET, *_RSTR, motion, (r"head\.conv\.weight", "head.draft_head.weight")])


def tracknet_v2_mdd(name: str) -> str:
    """V5's ablation V2 + MDD; its head is called as ours."""
    return _translated(name, [*_UNET, (r"mdd\.attention\.(\w+)", r"backbone.learnable_mvdr_module.\1")])


def tracknet_v2_rstr(name: str) -> str:
    """V5's ablation V2 + R-STR."""
    return _translated(name, [*_UNET, *_RSTR, (r"head\.conv\.weight", "head.conv1.conv.0.weight")])


def tracknet_v3(name: str) -> str:
    """The tracker of V3's reference code, whose blocks and convolutions count from 1."""
    blocks = {f"encoder.{level}": f"down_block_{level + 1}" for level in range(3)}
    blocks |= {"encoder.3": "bottleneck"} | {f"decoder.{level}": f"up_block_{level + 1}" for level in range(3)}
    rules = [
        (rf"backbone\.{re.escape(place)}\.{unit}\.{ours}\.(\w+)", rf"{block}.conv_{unit + 1}.{theirs}.\1")
        for place, block in blocks.items()
        for unit in range(3)
        for ours, theirs in (("conv", "conv"), ("norm", "bn"))
    ]
    return _translated(name, [*rules, (r"head\.conv\.(\w+)", r"predictor.\1")])


def inpaintnet(name: str) -> str:
    """The rectifier of V3's reference code; the misspelling is theirs."""
    rules = [
        (rf"{ours}\.{unit}\.conv\.(\w+)", rf"{theirs}_{unit + 1}.conv.\1")
        for ours, theirs in (("encoder", "down"), ("bottleneck", "buttleneck.conv"), ("decoder", "up"))
        for unit in range(3)
    ]
    return _translated(name, [*rules, (r"head\.(\w+)", r"predictor.\1")])


def _translated(name: str, rules: Rules) -> str:
    """What a format calls the tensor that we call `name`; a name that no rule knows is the same in both."""
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


# The published layouts: what they call the tensors of a model.
FORMATS: dict[str, Callable[[str], str]] = {
    "tracknet_v2": tracknet_v2,
    "tracknet_v3": tracknet_v3,
    "tracknet_v4": tracknet_v4,
    "tracknet_v5": tracknet_v5,
    "tracknet_v2_mdd": tracknet_v2_mdd,
    "tracknet_v2_rstr": tracknet_v2_rstr,
    "inpaintnet": inpaintnet,
}
# A tensor of each layout that no other has.
_SIGNS = {
    "head.head.conv.0.weight": "tracknet_v2",
    "down_block_1.conv_1.conv.weight": "tracknet_v3",
    "backbone.motion.a": "tracknet_v4",
    "head.draft_head.weight": "tracknet_v5",
    "backbone.learnable_mvdr_module.a": "tracknet_v2_mdd",
    "head.conv1.conv.0.weight": "tracknet_v2_rstr",
    "buttleneck.conv_1.conv.weight": "inpaintnet",
}
# The constant weights of luminance, which some layouts store and we do not.
_LUMINANCE = {
    "tracknet_v4": ["backbone.motion.gray_scale"],
    "tracknet_v5": [f"mdd.{channel}_WEIGHT" for channel in "RGB"],
    "tracknet_v2_mdd": [f"backbone.learnable_mvdr_module.{channel}_WEIGHT" for channel in "RGB"],
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
        folder: made if it is not there; what is there must be weights of this package, which are replaced.
        model: the name of the network in it, as `create_model` takes it.
        rectifier: a checkpoint or a folder of weights of InpaintNet, to be put in with the weights of a tracker.

    Returns:
        The folder: tensors, config and model card. Facts that the checkpoint does not tell are "not stated".

    Raises:
        WeightsError: the file cannot be read, or its tensors do not fit, with all that do not listed; or the folder
            holds files of somebody else, which would be written over.
        ValueError: there is no such model.
    """
    _check_folder(Path(folder))
    fills_gaps = None
    if rectifier is not None:
        is_folder = Path(rectifier).is_dir()
        fills_gaps = load_weights(Path(rectifier)) if is_folder else _load(Path(rectifier), "inpaintnet")
        if fills_gaps[1].height is not None:
            raise WeightsError(f"{rectifier}: holds {fills_gaps[1].model}, which finds balls and fills no gaps")
    network, config = _load(Path(source), model)
    folder = save_weights(network, folder, config, half=config.precision == "float16", rectifier=fills_gaps)
    write_card(folder, config)
    return folder


def _check_folder(folder: Path) -> None:
    there = [folder / name for name in (CONFIG, TENSORS, CARD) if (folder / name).exists()]
    try:
        if there:
            read_config(folder)
    except WeightsError as error:
        raise WeightsError(f"{there[0]}: is there and is not of weights: choose another folder") from error


def _load(source: Path, model: str) -> tuple[torch.nn.Module, WeightsConfig]:
    create_model(model)  # an unknown name is the first thing to say
    if source.name == TENSORS and (source.parent / CONFIG).is_file():  # a folder of ours, with its facts
        config = read_config(source.parent)
        if config.model == model:
            return load_weights(source.parent)
    tensors, facts = read_checkpoint(source)
    options = {}
    if model in _FACTS and "seq_len" in facts:  # V3's own description of a checkpoint
        options["frames"] = facts["seq_len"]
        if not isinstance(options["frames"], int) or options["frames"] < 1:
            raise WeightsError(f"{source}: its seq_len is {facts['seq_len']!r}, not a number of frames")
    if model == "tracknet_v3" and facts.get("bg_mode", "concat") != "concat":
        raise WeightsError(f'{source}: its background mode is {facts["bg_mode"]!r}, only "concat" can be converted')
    network = create_model(model, **options)
    foreign = FORMATS.get(model, str)
    own = sum(name in tensors for name in network.state_dict())
    if own > sum(foreign(name) in tensors for name in network.state_dict()):
        foreign = str  # saved by this package
    tensors = _without_luminance(tensors, _LUMINANCE.get(model, []), source)
    for name, tensor in network.state_dict().items():
        # In other code, some scalars and embeddings have axes of length 1.
        stored = tensors.get(foreign(name))
        if stored is not None and tensor.ndim <= 2 and stored.squeeze().shape == tensor.shape:
            tensors[foreign(name)] = stored.squeeze()
    try:
        load_strictly(network, tensors, source, rename=foreign)
    except WeightsError as error:
        found = next((other for sign, other in _SIGNS.items() if sign in tensors), model)
        hint = f"{source}: looks like {found}, not {model}. " if found != model else ""
        raise WeightsError(f"{hint}{error}") from error
    config = dict(model=model, options={}, frames=network.options.frames, provenance=f"converted from {source.name}")
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
        with source.open("rb") as file:
            if file.read(2) not in (b"PK", b"\x80\x02"):  # an archive of torch, or the pickle of an old one
                raise WeightsError(f"{source}: {NO_CHECKPOINT}") from error
        raise WeightsError(
            f"{source}: not a checkpoint of tensors and plain values, and nothing else is unpickled: in the code that "
            "wrote it, save model.state_dict() alone"
        ) from error
    except (OSError, RuntimeError, SafetensorError, *DAMAGED) as error:
        raise WeightsError(f"{source}: {NO_CHECKPOINT}") from error
    facts = {}
    if isinstance(content, Mapping):
        facts = content.get("param_dict", {})
        containers = ("model", "model_state_dict", "state_dict")
        content = next((content[key] for key in containers if isinstance(content.get(key), Mapping)), content)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{source}: holds no state dict, which names tensors")
    if strangers := [
        str(name) for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))
    ]:
        raise WeightsError(f"{source}: holds no state dict: no tensors are called {', '.join(strangers)}")
    tensors = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    return tensors, facts if isinstance(facts, Mapping) else {}


def _without_luminance(tensors: Mapping[str, Tensor], names: Sequence[str], source: Path) -> dict[str, Tensor]:
    """Tensors but for the constant weights of luminance.

    Raises:
        WeightsError: they are not the published ones, with which we compute.
    """
    stored = [tensors[name].flatten().double() for name in names if name in tensors]
    if stored:
        weights = torch.cat(stored)
        expected = torch.tensor(LUMINANCE, dtype=torch.float64)
        if weights.shape != expected.shape or not torch.allclose(weights, expected, rtol=0, atol=1e-5):
            raise WeightsError(
                f"{source}: {', '.join(names)}: luminance weights {weights.tolist()} are not the published {LUMINANCE}"
            )
    return {name: tensor for name, tensor in tensors.items() if name not in names}
