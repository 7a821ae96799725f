"""Windows a second that a training step of the lite V5 takes, with and without what makes it cheap on a CPU.

    python -m benchmarks.training_step [--repeats 3] --output FILE.json

A step is that of `tracknetv5.training.loop` on BATCH windows of noise, in bf16 autocast; making the windows, which
other processes do, is left out. Every way is measured in processes of its own, in turns. Measure on an idle machine.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.environment import in_own_process, write_result
from benchmarks.trainings import V5
from tracknetv5.models import create_model
from tracknetv5.runtime import keep_freed_memory
from tracknetv5.training.loss import weighted_bce

SIZES = {"parts of 160 x 256": (160, 256), "whole frames": (288, 512)}
# Whether freed memory is kept, and whether gradients are taken by short cuts.
WAYS = {"neither": (False, False), "freed memory is kept": (True, False), "and gradients by short cuts": (True, True)}
BATCH, WARM_UP, STEPS = 8, 4, 12


def windows_per_second(size: tuple[int, int], keep: bool, short: bool) -> float:
    """The median over STEPS steps.

    Args:
        keep: call `keep_freed_memory`, which holds for the rest of the process.
        short: leave out the gradient of pixels, store the products of attention, embed patches by a matrix product.
    """
    if keep:
        keep_freed_memory()
    torch.manual_seed(0)
    model = create_model(V5).train().to(memory_format=torch.channels_last)
    if not short:
        assert model.backbone.stem.conv.grad_channels, "the stem has no short cut"
        model.backbone.stem.conv.grad_channels = []
        model.rstr.eval()  # it has no dropout: only the way of computing changes
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    frames = torch.rand(BATCH, 3, 3, *size)
    target = torch.zeros(BATCH, 3, *size)
    target[..., 20:24, 20:24] = 1
    labelled = torch.ones(BATCH, 3, dtype=torch.bool)
    seconds = []
    for _ in range(WARM_UP + STEPS):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(frames)
        weighted_bce(logits, target, labelled).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
    return BATCH / float(np.median(seconds[WARM_UP:]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_step", description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3, help="turns")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats must be at least 1, not {options.repeats}")
    rates = {(size, way): [] for size in SIZES for way in WAYS}
    for _ in range(options.repeats):
        for size, way in rates:
            rates[size, way].append(in_own_process(windows_per_second, SIZES[size], *WAYS[way]))
    report = {
        "threads": torch.get_num_threads(),
        "batch": BATCH,
        "rows": [
            {"size": size, "way": way, "windows_per_second": [round(rate, 1) for rate in sorted(each)]}
            for (size, way), each in rates.items()
        ],
    }
    write_result(options.output, report, "torch", "numpy")
    print(json.dumps(report["rows"], indent=1))


if __name__ == "__main__":
    main()
