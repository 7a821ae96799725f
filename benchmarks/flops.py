"""Cost of each network, by every way it has been counted.

    python -m benchmarks.flops [--models NAME ...] [--size 288 512] --output FILE.json

All `gmacs` are 10^9 multiply-accumulates of one forward pass at batch 1; 1 MAC is 2 FLOPs, and the figures that the V5
paper prints as "GFLOPs" are MACs. Three readings of the same network:
- `thop_gmacs`: by thop, which sees modules only. This is the papers' convention; the projections and products of
  `nn.MultiheadAttention` are not in it.
- `fvcore_gmacs`: by fvcore, which sees operators, but not the products of fused attention.
- `full_gmacs`: fvcore's count plus those products.

Operations that are no multiply-accumulates have fields of their own, in 10^9 elementary operations (`gops`).
"""

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path

import thop
import torch
from fvcore.nn import FlopCountAnalysis
from fvcore.nn.jit_handles import get_shape
from torch import nn

from benchmarks.environment import write_result
from benchmarks.inputs import SIZE, example
from benchmarks.published import printed_gflops
from tracknetv5.models import create_model, list_models
from tracknetv5.weights import PRETRAINED, available, load_weights

# How cost grows: one factor at a time, around the published 288 x 512 pixels, 3 frames and widths 64-128-256-512.
CURVE_MODELS = ("tracknet_v2", "tracknet_v5", "tracknet_v5_divided")
SIZES = ((144, 256), (288, 512), (432, 768), (576, 1024))
FRAMES = (2, 3, 5, 8)
WIDTHS = (0.25, 0.5, 0.75, 1.0)

MOTION = ("mdd", "motion")  # modules: V5's and V4's
OURS = ("attention_products", "softmax", "elementwise")  # what our handlers count and fvcore does not
SOFTMAX_OPS = 5  # for each attention score: maximum, difference, exponential, sum, quotient
ELEMENTWISE = ("add", "sub", "mul", "div", "neg", "abs", "diff", "relu", "sigmoid", "tanh", "reciprocal")


def attention_products(inputs: list, outputs: list) -> Counter:
    """fvcore handler of fused attention: Q K^T and A V, and the operations of the softmax between them.

    Shapes are (..., queries, dim) and (..., keys, dim); over L layers of N tokens the products are 2 L N^2 dim.
    """
    query, key, value = (get_shape(each) for each in inputs[:3])
    scores = prod(query[:-1]) * key[-2]
    return Counter(attention_products=scores * (query[-1] + value[-1]), softmax=SOFTMAX_OPS * scores)


def elementwise(inputs: list, outputs: list) -> Counter:
    """fvcore handler of an operator that does one operation for each element it returns."""
    return Counter(elementwise=prod(get_shape(outputs[0]) or [1]))


@contextmanager
def countable() -> Iterator[None]:
    """Without gradients, to save memory, and without the fused encoder layer, which hides its projections."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # fvcore imports what torch is about to retire
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def operations(model: nn.Module, size: tuple[int, int]) -> tuple[Counter, dict[str, Counter]]:
    """Operations by kind: of the whole network, and of each module."""
    with countable():
        analysis = FlopCountAnalysis(model.eval(), example(model, size))
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.set_op_handle("aten::scaled_dot_product_attention", attention_products)
        for name in ELEMENTWISE:
            analysis.set_op_handle(f"aten::{name}", elementwise)
        return analysis.by_operator(), analysis.by_module_and_operator()


def macs(kinds: Counter) -> int:
    """fvcore's count: all kinds but ours."""
    return sum(number for kind, number in kinds.items() if kind not in OURS)


def full_macs(kinds: Counter) -> int:
    return macs(kinds) + kinds["attention_products"]


def full_macs_by_part(modules: dict[str, Counter]) -> dict[str, int]:
    """`full_macs` of motion, encoder, decoder, draft and R-STR; zero for a part that the network does not have."""

    def of(*names: str) -> int:
        return sum(full_macs(modules.get(name, Counter())) for name in names)

    rectifier = ("encoder", "bottleneck", "decoder")  # InpaintNet's, which has no backbone
    encoder = of("backbone.stem", "backbone.encoder", *rectifier[:2])
    # The decoder as a remainder: it includes the upsampling, which may be a function and then has no module.
    decoder = of("backbone", *rectifier) - encoder
    return {"motion": of(*MOTION), "encoder": encoder, "decoder": decoder, "draft": of("head"), "rstr": of("rstr")}


def giga(number: float) -> float:
    return round(number / 1e9, 6)


def count_model(name: str, size: tuple[int, int] = SIZE) -> dict:
    """The row of one network with the options of its name.

    Raises:
        ValueError: an unknown name, or a size that the network does not take.
    """
    return {"model": name} | count(create_model(name), size)


def count_bundled() -> list[dict]:
    """The rows of the bundled weights, whose options are their own, each at the size that it is used at."""
    rows = []
    for name in sorted(available()):
        model, config = load_weights(PRETRAINED / name)
        size = config.height, config.width
        rows.append({"weights": name, "sha256": config.sha256, "size": size} | count(model, size))
    return rows


def count(model: nn.Module, size: tuple[int, int]) -> dict:
    """What one pass of a network over one window of pictures of `size` (height, width) costs."""
    kinds, modules = operations(model, size)
    with countable():
        thop_macs, _ = thop.profile(model, example(model, size), verbose=False)
    frames = model.options.frames
    return {
        "params": sum(parameter.numel() for parameter in model.parameters()),
        "frames_out": frames,
        "fvcore_gmacs": giga(macs(kinds)),
        "thop_gmacs": giga(thop_macs),
        "full_gmacs": giga(full_macs(kinds)),
        "full_gmacs_per_frame": giga(full_macs(kinds) / frames),
        "full_gflops": giga(2 * full_macs(kinds)),
        # Parts of full_gmacs:
        "attention_products_gmacs": giga(kinds["attention_products"]),
        "interpolation_gmacs": giga(sum(number for kind, number in kinds.items() if kind.startswith("upsample"))),
        "normalisation_gmacs": giga(kinds["batch_norm"] + kinds["layer_norm"]),
        "by_module_gmacs": {part: giga(number) for part, number in full_macs_by_part(modules).items()},
        # In none of the readings:
        "softmax_gops": giga(kinds["softmax"]),
        "motion_gops": giga(sum(modules.get(module, Counter())["elementwise"] for module in MOTION)),
        "elementwise_gops": giga(kinds["elementwise"]),
    }


def readings(rows: Sequence[dict]) -> list[dict]:
    """How much more V5 costs than V2 under each way of counting; empty unless both are among the rows."""
    by_name = {row["model"]: row for row in rows}
    if not {"tracknet_v2", "tracknet_v5"} <= set(by_name):
        return []
    v2, v5 = by_name["tracknet_v2"], by_name["tracknet_v5"]
    remarks = {
        "thop_gmacs": "the paper's figures; without attention's projections and products",
        "fvcore_gmacs": "with the projections, without the products",
        "full_gmacs": "with both",
    }
    return [
        {
            "reading": reading,
            "tracknet_v2": v2[reading],
            "tracknet_v5": v5[reading],
            "increase_percent": round(100 * (v5[reading] / v2[reading] - 1), 3),
            "remark": remark,
        }
        for reading, remark in remarks.items()
    ]


def growth(names: Sequence[str]) -> dict[str, list[dict]]:
    """`full_gmacs` as size, number of frames and width vary one at a time."""

    def cost(name: str, size: tuple[int, int] = SIZE, **options) -> float:
        return giga(full_macs(operations(create_model(name, **options), size)[0]))

    table = {"size": [], "frames": [], "width": []}
    for name in names:
        widths = create_model(name).options.widths
        table["size"] += [{"model": name, "size": size, "full_gmacs": cost(name, size)} for size in SIZES]
        table["frames"] += [{"model": name, "frames": t, "full_gmacs": cost(name, frames=t)} for t in FRAMES]
        for factor in WIDTHS:
            scaled = tuple(int(factor * width) for width in widths)
            table["width"].append({"model": name, "widths": scaled, "full_gmacs": cost(name, widths=scaled)})
    return table


def markdown(result: dict) -> str:
    """The result as tables to read."""
    height, width = result["size"]
    lines = [
        f"G multiply-accumulates of one forward pass at {height} x {width} (1 MAC = 2 FLOPs)\n",
        "| model | parameters | frames out | thop | published | fvcore | full | full, a frame |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["models"]:
        lines.append(
            f"| {row['model']} | {row['params']:,} | {row['frames_out']} | {row['thop_gmacs']:.3f} "
            f"| {row['published_gflops'] or ''} | {row['fvcore_gmacs']:.3f} | {row['full_gmacs']:.3f} "
            f"| {row['full_gmacs_per_frame']:.3f} |"
        )
    for row in result["bundled"]:
        lines.append(
            f"\nBundled weights {row['weights']}, {row['size'][0]} x {row['size'][1]}: {row['params']:,} parameters, "
            f"{row['full_gmacs']:.3f}, {row['full_gmacs_per_frame']:.3f} a frame"
        )
    for row in result["readings"]:
        lines.append(
            f"\nV5 over V2 by {row['reading']}: {row['tracknet_v2']:.4f} -> {row['tracknet_v5']:.4f}, "
            f"**+{row['increase_percent']:.1f} %** ({row['remark']})"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flops", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=list_models(), default=list_models(), metavar="NAME")
    parser.add_argument("--size", nargs=2, type=int, default=SIZE, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.json")
    options = parser.parse_args(arguments)
    size = tuple(options.size)
    try:
        rows = [count_model(name, size) for name in options.models]
    except ValueError as error:
        parser.error(str(error))
    printed = printed_gflops() if size == SIZE else {}
    result = {
        "unit": "gmacs: 10^9 multiply-accumulates, gflops: 2 x gmacs, gops: 10^9 elementary operations; batch 1",
        "size": size,
        "models": [row | {"published_gflops": printed.get(row["model"])} for row in rows],
        "bundled": count_bundled(),
        "readings": readings(rows),
        "growth": growth([name for name in CURVE_MODELS if name in options.models]),
    }
    write_result(options.output, result, "torch", "fvcore", "thop")
    print(markdown(result))


if __name__ == "__main__":
    main()
