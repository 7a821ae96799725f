"""The published networks written a second time, from their formulas: float64 functions over state dicts in the layout
of the reference code. Nothing here uses the package, so that agreement means something.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


# --- state dicts with random values


def _tensor(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif len(shape) > 1:  # keeps the size of activations from layer to layer
        values = rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
    elif name.endswith("weight"):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, 0.2, shape)
    return torch.tensor(values, dtype=torch.float32)


def _random(shapes: dict[str, tuple[int, ...]], seed: int) -> State:
    rng = np.random.default_rng(seed)
    return {name: _tensor(rng, name, shape) for name, shape in shapes.items()}


def _norm_shapes(prefix: str, channels: int) -> dict[str, tuple[int, ...]]:
    names = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{name}": (channels,) for name in names} | {f"{prefix}.num_batches_tracked": ()}


# (inputs, outputs) of convolutions 1 to 17 but the first input.
_CONVS = [(0, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
_CONVS += [(256, 512), (512, 512), (512, 512), (768, 256), (256, 256), (256, 256)]
_CONVS += [(384, 128), (128, 128), (192, 64), (64, 64)]
# Convolutions of each block of V3, in the same order.
_BLOCKS = dict(down_block_1=2, down_block_2=2, down_block_3=3, bottleneck=3)
_BLOCKS |= dict(up_block_1=3, up_block_2=2, up_block_3=2)


def _numbered_shapes(channels: int) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for number, (inputs, outputs) in enumerate(_CONVS, 1):
        prefix = f"{'backbone' if number <= 10 else 'neck'}.conv{number}.conv"
        shapes[f"{prefix}.0.weight"] = (outputs, inputs or channels, 3, 3)
        shapes |= _norm_shapes(f"{prefix}.2", outputs)
    return shapes


def _rstr_shapes() -> dict[str, tuple[int, ...]]:
    shapes = {
        "head.embed_conv.weight": (256, 1, 16, 16),
        "head.embed_conv.bias": (256,),
        "head.spatial_pos_embed": (1, 576, 256),
        "head.time_embed": (1, 3, 256),
    }
    for layer in range(4):
        prefix = f"head.transformer_encoder.layers.{layer}"
        shapes |= {
            f"{prefix}.self_attn.in_proj_weight": (768, 256),
            f"{prefix}.self_attn.in_proj_bias": (768,),
            f"{prefix}.self_attn.out_proj.weight": (256, 256),
            f"{prefix}.self_attn.out_proj.bias": (256,),
            f"{prefix}.linear1.weight": (1024, 256),
            f"{prefix}.linear1.bias": (1024,),
            f"{prefix}.linear2.weight": (256, 1024),
            f"{prefix}.linear2.bias": (256,),
        }
        for norm in ("norm1", "norm2"):
            shapes |= {f"{prefix}.{norm}.weight": (256,), f"{prefix}.{norm}.bias": (256,)}
    return shapes | {"head.decoder_head.0.weight": (256, 256, 1, 1), "head.decoder_head.0.bias": (256,)}


def _motion(prefix: str, a: float, b: float) -> State:
    values = {"a": a, "b": b, "R_WEIGHT": 0.299, "G_WEIGHT": 0.587, "B_WEIGHT": 0.114}
    return {f"{prefix}.{name}": torch.tensor(value) for name, value in values.items()}


def state(name: str, seed: int = 0) -> State:
    """Random weights and batch-norm statistics of a published network, in the layout of its reference code."""
    if name == "tracknet_v2":
        return _random(_numbered_shapes(9) | {"head.head.conv.0.weight": (3, 64, 1, 1)}, seed)
    if name == "tracknet_v4":
        motion = {"a": torch.tensor(0.3), "b": torch.tensor(0.1), "gray_scale": torch.tensor([0.299, 0.587, 0.114])}
        tensors = _random(_numbered_shapes(9) | {"head.conv.weight": (3, 64, 1, 1)}, seed)
        return {f"backbone.motion.{key}": value for key, value in motion.items()} | tensors
    if name == "tracknet_v5":
        tensors = _random(_numbered_shapes(13) | {"head.draft_head.weight": (3, 64, 1, 1)} | _rstr_shapes(), seed)
        return _motion("mdd", 0.3, 0.1) | tensors
    if name == "tracknet_v2_mdd":
        tensors = _random(_numbered_shapes(13) | {"head.conv.weight": (3, 64, 1, 1)}, seed)
        return _motion("backbone.learnable_mvdr_module", 0.3, 0.1) | tensors
    if name == "tracknet_v2_rstr":
        return _random(_numbered_shapes(9) | {"head.conv1.conv.0.weight": (3, 64, 1, 1)} | _rstr_shapes(), seed)
    if name == "tracknet_v3":
        shapes, numbers = {}, iter(_CONVS)
        for block, depth in _BLOCKS.items():
            for index in range(1, depth + 1):
                inputs, outputs = next(numbers)
                shapes[f"{block}.conv_{index}.conv.weight"] = (outputs, inputs or 27, 3, 3)
                shapes |= _norm_shapes(f"{block}.conv_{index}.bn", outputs)
        return _random(shapes | {"predictor.weight": (8, 64, 1, 1), "predictor.bias": (8,)}, seed)
    if name == "inpaintnet":
        sizes = {
            "down_1.conv": (3, 32),
            "down_2.conv": (32, 64),
            "down_3.conv": (64, 128),
            "buttleneck.conv_1.conv": (128, 256),
            "buttleneck.conv_2.conv": (256, 256),
            "up_1.conv": (384, 128),
            "up_2.conv": (192, 64),
            "up_3.conv": (96, 32),
            "predictor": (32, 2),
        }
        weights = {f"{key}.weight": (outputs, inputs, 3) for key, (inputs, outputs) in sizes.items()}
        return _random(weights | {f"{key}.bias": (outputs,) for key, (_, outputs) in sizes.items()}, seed)
    raise ValueError(name)


# --- the networks, (B, T, 3, H, W) in [0, 1] -> (B, T, H, W) probabilities


def _batch_norm(x: Tensor, tensors: State, prefix: str) -> Tensor:
    names = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (tensors[f"{prefix}.{name}"].double()[:, None, None] for name in names)
    return (x - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def _twice_bilinear(x: Tensor) -> Tensor:
    """Bilinear, corners aligned: output pixel i of 2 n reads position i (n - 1) / (2 n - 1)."""

    def matrix(size: int) -> Tensor:
        result = torch.zeros(2 * size, size, dtype=torch.float64)
        for row in range(2 * size):
            position = row * (size - 1) / (2 * size - 1)
            lower = min(int(position), max(size - 2, 0))
            result[row, lower] += 1 - (position - lower)
            result[row, min(lower + 1, size - 1)] += position - lower
        return result

    return matrix(x.shape[-2]) @ x @ matrix(x.shape[-1]).T


def _unet(x: Tensor, unit, upsample) -> Tensor:
    """`unit(number, x)` applies convolution 1 to 17 with its norm and activation."""
    first = unit(2, unit(1, x))
    second = unit(4, unit(3, F.max_pool2d(first, 2)))
    third = unit(7, unit(6, unit(5, F.max_pool2d(second, 2))))
    x = unit(10, unit(9, unit(8, F.max_pool2d(third, 2))))
    x = unit(13, unit(12, unit(11, torch.cat([upsample(x), third], 1))))
    x = unit(15, unit(14, torch.cat([upsample(x), second], 1)))
    return unit(17, unit(16, torch.cat([upsample(x), first], 1)))


def _numbered_unet(x: Tensor, tensors: State) -> Tensor:
    def unit(number: int, x: Tensor) -> Tensor:
        prefix = f"{'backbone' if number <= 10 else 'neck'}.conv{number}.conv"
        x = F.conv2d(x, tensors[f"{prefix}.0.weight"].double(), padding=1)
        return _batch_norm(x.clamp(min=0), tensors, f"{prefix}.2")

    return _unet(x, unit, _twice_bilinear)


def _attention(difference: Tensor, tensors: State, prefix: str) -> Tensor:
    a, b = (tensors[f"{prefix}.{name}"].double() for name in "ab")
    slope = 5 / (0.45 * torch.tanh(a).abs() + 1e-6)
    return torch.sigmoid(slope * (difference - 0.6 * torch.tanh(b)))


def _luminance(frames: Tensor) -> Tensor:
    return 0.299 * frames[:, :, 0] + 0.587 * frames[:, :, 1] + 0.114 * frames[:, :, 2]


def _linear(x: Tensor, tensors: State, prefix: str) -> Tensor:
    return x @ tensors[f"{prefix}.weight"].double().T + tensors[f"{prefix}.bias"].double()


def _layer_norm(x: Tensor, tensors: State, prefix: str) -> Tensor:
    x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-5)
    return x * tensors[f"{prefix}.weight"].double() + tensors[f"{prefix}.bias"].double()


def _encoder_layer(x: Tensor, tensors: State, prefix: str) -> Tensor:
    """Post-norm layer over (B, N, 256) with two heads."""
    weight = tensors[f"{prefix}.self_attn.in_proj_weight"].double()
    queries, keys, values = (x @ weight.T + tensors[f"{prefix}.self_attn.in_proj_bias"].double()).split(256, -1)
    heads = []
    for head in (slice(0, 128), slice(128, 256)):
        scores = queries[..., head] @ keys[..., head].transpose(1, 2) / np.sqrt(128)
        heads.append(torch.softmax(scores, -1) @ values[..., head])
    attended = _linear(torch.cat(heads, -1), tensors, f"{prefix}.self_attn.out_proj")
    x = _layer_norm(x + attended, tensors, f"{prefix}.norm1")
    hidden = _linear(x, tensors, f"{prefix}.linear1").clamp(min=0)
    return _layer_norm(x + _linear(hidden, tensors, f"{prefix}.linear2"), tensors, f"{prefix}.norm2")


def _residual(draft: Tensor, tensors: State) -> Tensor:
    batch, frames, height, width = draft.shape
    rows, columns = height // 16, width // 16
    space = tensors["head.spatial_pos_embed"].double().reshape(18, 32, 256)
    if (rows, columns) != (18, 32):  # not in the reference code, which runs at 288 x 512 only
        space = F.interpolate(space.permute(2, 0, 1)[None], (rows, columns), mode="bilinear")[0].permute(1, 2, 0)
    time = tensors["head.time_embed"].double().reshape(3, 256)
    kernel, bias = tensors["head.embed_conv.weight"].double(), tensors["head.embed_conv.bias"].double()
    tokens = []
    for frame in range(frames):
        for row in range(rows):
            for column in range(columns):
                patch = draft[:, frame, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
                token = torch.einsum("bij,dij->bd", patch, kernel[:, 0]) + bias
                tokens.append(token + space[row, column] + time[frame])
    x = torch.stack(tokens, 1)
    for layer in range(4):
        x = _encoder_layer(x, tensors, f"head.transformer_encoder.layers.{layer}")
    x = x @ tensors["head.decoder_head.0.weight"].double()[:, :, 0, 0].T + tensors["head.decoder_head.0.bias"].double()
    residual = torch.zeros_like(draft)
    for index in range(frames * rows * columns):
        frame, row, column = np.unravel_index(index, (frames, rows, columns))
        block = x[:, index].reshape(batch, 16, 16)  # channel 16 i + j is pixel (i, j) of the patch
        residual[:, frame, 16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = block
    return residual


def _gate(draft: Tensor, attention: Tensor) -> Tensor:
    return torch.stack([draft[:, 0], attention[:, 0] * draft[:, 1], attention[:, 1] * draft[:, 2]], 1)


def _one_by_one(x: Tensor, weight: Tensor) -> Tensor:
    return torch.einsum("bchw,oc->bohw", x, weight.double()[:, :, 0, 0])


@torch.no_grad()
def forward(name: str, tensors: State, *inputs: Tensor) -> Tensor:
    """What the published network returns (after its sigmoid) for frames, frames and background, or xy and mask."""
    inputs = tuple(each.double() for each in inputs)
    frames = inputs[0]
    if name == "inpaintnet":
        return _inpaint(tensors, *inputs)
    if name == "tracknet_v3":
        return _v3(tensors, *inputs)
    images = [frames[:, 0], frames[:, 1], frames[:, 2]]
    difference = _luminance(frames)[:, 1:] - _luminance(frames)[:, :-1]
    if name == "tracknet_v2":
        logits = _one_by_one(_numbered_unet(torch.cat(images, 1), tensors), tensors["head.head.conv.0.weight"])
    elif name == "tracknet_v4":
        draft = _one_by_one(_numbered_unet(torch.cat(images, 1), tensors), tensors["head.conv.weight"])
        logits = _gate(draft, _attention(difference.abs(), tensors, "backbone.motion"))
    elif name == "tracknet_v2_rstr":
        draft = _one_by_one(_numbered_unet(torch.cat(images, 1), tensors), tensors["head.conv1.conv.0.weight"])
        logits = draft + _residual(draft, tensors)
    else:
        v5 = name == "tracknet_v5"
        prefix = "mdd" if v5 else "backbone.learnable_mvdr_module"
        brighter = _attention(difference.clamp(min=0), tensors, prefix)
        darker = _attention((-difference).clamp(min=0), tensors, prefix)
        parts = [images[0], brighter[:, :1], darker[:, :1], images[1], brighter[:, 1:], darker[:, 1:], images[2]]
        head = tensors["head.draft_head.weight" if v5 else "head.conv.weight"]
        logits = _gate(_one_by_one(_numbered_unet(torch.cat(parts, 1), tensors), head), brighter)
        if v5:
            logits = logits + _residual(logits, tensors)
    return torch.sigmoid(logits)


def _v3(tensors: State, frames: Tensor, background: Tensor) -> Tensor:
    names = [f"{block}.conv_{index}" for block, depth in _BLOCKS.items() for index in range(1, depth + 1)]

    def unit(number: int, x: Tensor) -> Tensor:
        x = F.conv2d(x, tensors[f"{names[number - 1]}.conv.weight"].double(), padding=1)
        return _batch_norm(x, tensors, f"{names[number - 1]}.bn").clamp(min=0)

    def nearest(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2)

    x = _unet(torch.cat([background, *frames.unbind(1)], 1), unit, nearest)
    bias = tensors["predictor.bias"].double()[:, None, None]
    return torch.sigmoid(_one_by_one(x, tensors["predictor.weight"]) + bias)


def _inpaint(tensors: State, xy: Tensor, mask: Tensor) -> Tensor:
    def conv(name: str, x: Tensor) -> Tensor:
        weight, bias = tensors[f"{name}.weight"].double(), tensors[f"{name}.bias"].double()
        return F.conv1d(F.pad(x, (1, 1)), weight, bias)

    def unit(name: str, x: Tensor) -> Tensor:
        x = conv(f"{name}.conv", x)
        return torch.where(x > 0, x, 0.01 * x)

    first = unit("down_1", torch.cat([xy, mask], 2).transpose(1, 2))
    second = unit("down_2", first)
    third = unit("down_3", second)
    x = unit("buttleneck.conv_2", unit("buttleneck.conv_1", third))
    x = unit("up_1", torch.cat([x, third], 1))
    x = unit("up_2", torch.cat([x, second], 1))
    x = unit("up_3", torch.cat([x, first], 1))
    return torch.sigmoid(conv("predictor", x)).transpose(1, 2)
