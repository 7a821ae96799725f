"""Frames per second, latency and peak memory of the networks on this machine.

    python -m benchmarks.speed [--models NAME ...] [--batch 1 4] [--step 1 3] [--threads 1 2]
        [--runtime plain torch compiled onnx] [--precision float32 bfloat16] --output FOLDER

Two measurements: the network alone (a batch of windows to heatmaps), and end to end (a video file to a CSV, by
`BallTracker`). The runtime `plain` is the network as it stands, called as the published code calls it, and is measured
alone; `compiled` is torch with `torch.compile`; 16 bits are for torch, compiled or not.

Every case is run a few times unmeasured, then all cases take turns, so that a machine that slows down slows all of
them; figures are the median and the quartiles of the turns. Peak memory is that of a process of its own.

Roofline: the GFLOP/s that a network achieves (2 x `full_gmacs` of `benchmarks.flops`) against those of a matrix
product (float32) on the same machine with as many threads.

The file name holds processor, cores and the version of torch. Measure on an idle machine: the file also has its load.
"""

import argparse
import gc
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.environment import in_own_process, load_average, machine, write_result
from benchmarks.inputs import SIZE, example
from tracknetv5.export import cached_onnx
from tracknetv5.models import create_model, list_models
from tracknetv5.runtime import ONNX_PACKAGES, PRECISIONS, OnnxRuntime, TorchRuntime, keep_freed_memory
from tracknetv5.tracker import BallTracker
from tracknetv5.video import probe
from tracknetv5.weights import WeightsConfig, available, load_weights, resolve

RUNTIMES = ("plain", "torch", "compiled", "onnx")
MODELS = ("tracknet_v2", "tracknet_v4", "tracknet_v5", "tracknet_v2_lite", "tracknet_v4_lite", "tracknet_v5_lite")
VIDEO = Path("demo/examples/rally_long.mp4")
WARM_UP = 2  # unmeasured runs of each case
MATRIX = 2048  # rows and columns of the product that stands for the machine's rate


@dataclass(frozen=True)
class Case:
    """One thing to measure: the network alone if `batch` is given, end to end if `step` is."""

    model: str
    threads: int
    runtime: str = "torch"
    precision: str = "float32"
    batch: int | None = None  # windows a pass
    step: int | None = None  # frames between windows


@dataclass(frozen=True)
class Setting:
    """What all cases have in common."""

    size: tuple[int, int] = SIZE  # pixels (height, width) of the network's input
    video: Path = VIDEO
    seconds: float = 2.0  # of the video


@cache
def network(name: str) -> tuple[nn.Module, WeightsConfig]:
    """The network with the bundled weights, where there are any, and its config; random weights have no hash there."""
    if name in available():
        return load_weights(resolve(name))
    model = create_model(name).eval()
    frames, background = model.options.frames, model.takes_background
    # What random weights see is noise, and decoding thousands of blobs is not what the tracker is there for.
    config = WeightsConfig(model=name, options={}, frames=frames, step=frames, background=background, threshold=0.999)
    return model, config


def prepare(case: Case, setting: Setting) -> Callable[[], int]:
    """A function that runs the case once and returns the number of frames it has done."""
    keep_freed_memory()  # as `tracknetv5 track` does
    model, config = network(case.model)
    torch.set_num_threads(case.threads)
    if case.batch is None:
        probe(setting.video)
        tracker = BallTracker(
            model,
            config,
            device="cpu",
            runtime="onnx" if case.runtime == "onnx" else "torch",
            precision=case.precision,
            compiled=case.runtime == "compiled",
            step=case.step,
        )

        def end_to_end() -> int:
            torch.set_num_threads(case.threads)
            with tempfile.TemporaryDirectory() as folder:
                trajectory = tracker.track(setting.video, length=setting.seconds)
                trajectory.to_csv(Path(folder) / "trajectory.csv")
            return len(trajectory)

        return end_to_end
    generator = torch.Generator().manual_seed(0)
    inputs = tuple(torch.rand(each.shape, generator=generator) for each in example(model, setting.size, case.batch))
    if case.runtime == "onnx":
        compute = OnnxRuntime(cached_onnx(model, replace(config, height=setting.size[0], width=setting.size[1])))
    elif case.runtime == "plain":
        compute = torch.inference_mode()(lambda *windows: model(*windows).sigmoid().numpy())
    else:
        compute = TorchRuntime(model, torch.device("cpu"), case.precision, case.runtime == "compiled")

    def alone() -> int:
        torch.set_num_threads(case.threads)
        compute(*inputs)
        return case.batch * config.frames

    return alone


def peak_memory(case: Case, setting: Setting) -> float | None:
    """The most memory, in MB, that a process of its own holds while it runs the case; None where the system cannot say.

    Python and torch are in it.
    """
    return in_own_process(_own_peak, case, setting)


def _own_peak(case: Case, setting: Setting) -> float | None:
    run = prepare(case, setting)
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    with suppress(OSError):  # forget the peak of preparing; not every container lets a process do that
        Path("/proc/self/clear_refs").write_text("5")
    run()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1e3


def take_turns(runs: Sequence[Callable[[], int]], repeats: int) -> list[tuple[int, np.ndarray]]:
    """For each run, the frames of one call and the seconds (repeats,) that its calls took."""
    frames = [0] * len(runs)
    for _ in range(WARM_UP):
        frames = [run() for run in runs]
    seconds = np.empty((len(runs), repeats))
    gc.disable()
    try:
        for turn in range(repeats):
            for row, run in zip(seconds, runs, strict=True):
                start = time.perf_counter()
                run()
                row[turn] = time.perf_counter() - start
    finally:
        gc.enable()
    return list(zip(frames, seconds, strict=True))


def matrix_rate(threads: int, repeats: int = 10) -> float:
    """GFLOP/s of a float32 matrix product, the best of some."""
    torch.set_num_threads(threads)
    a, b = torch.rand(2, MATRIX, MATRIX)
    a @ b
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * MATRIX**3 / best / 1e9


def measure(cases: Sequence[Case], setting: Setting, repeats: int) -> dict:
    """All figures of the cases, as in the result file.

    Raises:
        ValueError: a size or step that does not fit a network, or a video that cannot be read.
    """
    from benchmarks.flops import full_macs, operations  # here, and not in the processes whose memory is measured

    runs = [prepare(case, setting) for case in cases]  # what does not fit is told before anything is measured
    memory = [peak_memory(case, setting) for case in cases]
    timed = take_turns(runs, repeats)
    rates = {threads: matrix_rate(threads) for threads in sorted({case.threads for case in cases})}
    cost = {
        name: 2 * full_macs(operations(network(name)[0], setting.size)[0]) / 1e9
        for name in {case.model for case in cases if case.batch}
    }
    rows = {"model_only": [], "end_to_end": []}
    for case, peak, (frames, seconds) in zip(cases, memory, timed, strict=True):
        low, median, high = np.percentile(seconds, [25, 50, 75])
        row = {name: value for name, value in asdict(case).items() if value is not None}
        row |= {
            "weights_sha256": network(case.model)[1].sha256,
            "frames": frames,
            "frames_per_second": round(frames / median, 3),
            "frames_per_second_quartiles": [round(frames / high, 3), round(frames / low, 3)],
            "latency_ms": round(1e3 * median, 3),
            "latency_ms_quartiles": [round(1e3 * low, 3), round(1e3 * high, 3)],
            "peak_memory_mb": peak and round(peak, 1),
        }
        if case.batch:
            achieved = case.batch * cost[case.model] / median
            row |= {
                "gflops_per_second": round(achieved, 2),
                "share_of_matrix_rate": round(achieved / rates[case.threads], 3),
            }
        rows["model_only" if case.batch else "end_to_end"].append(row)
    return {"matrix_gflops_per_second": {str(t): round(rate, 1) for t, rate in rates.items()}} | rows


def file_name() -> str:
    """Processor, cores and version of torch, as a name for the result file."""
    here = machine()
    processor = re.sub(r"[^a-z0-9]+", "-", here["cpu"].lower()).strip("-")
    return f"speed-{processor}-{here['cores']}cores-torch{torch.__version__.split('+')[0]}.json"


def markdown(result: dict) -> str:
    rate = ", ".join(f"{gflops} with {threads}" for threads, gflops in result["matrix_gflops_per_second"].items())
    lines = [
        f"{result['machine']['cpu']}, {result['machine']['cores']} cores; matrix product, GFLOP/s by threads: {rate}\n",
        "| network alone | runtime | precision | threads | batch | frames/s (quartiles) | ms a pass | GFLOP/s "
        "| of matrix | MB |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in result["model_only"]:
        low, high = row["frames_per_second_quartiles"]
        lines.append(
            f"| {row['model']} | {row['runtime']} | {row['precision']} | {row['threads']} | {row['batch']} "
            f"| {row['frames_per_second']:.2f} ({low:.2f} to {high:.2f}) | {row['latency_ms']:.1f} "
            f"| {row['gflops_per_second']:.1f} | {row['share_of_matrix_rate']:.0%} | {row['peak_memory_mb']} |"
        )
    lines += ["\n| video to CSV | runtime | precision | threads | step | frames/s (quartiles) | MB |"]
    lines += ["|---|---|---|---:|---:|---:|---:|"]
    for row in result["end_to_end"]:
        low, high = row["frames_per_second_quartiles"]
        lines.append(
            f"| {row['model']} | {row['runtime']} | {row['precision']} | {row['threads']} | {row['step']} "
            f"| {row['frames_per_second']:.2f} ({low:.2f} to {high:.2f}) | {row['peak_memory_mb']} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    trackers = [name for name in list_models() if name != "inpaintnet"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=trackers, default=MODELS, metavar="NAME")
    parser.add_argument("--batch", nargs="*", type=int, default=[1], help="windows a pass of the network alone")
    parser.add_argument("--step", nargs="*", type=int, default=[3], help="frames between windows, end to end")
    parser.add_argument("--threads", nargs="+", type=int, default=[machine()["cores"]])
    parser.add_argument("--runtime", nargs="+", choices=RUNTIMES, default=["torch"])
    parser.add_argument("--precision", nargs="+", choices=PRECISIONS[1:], default=["float32"])
    parser.add_argument("--size", nargs=2, type=int, default=SIZE, metavar=("HEIGHT", "WIDTH"), help="network alone")
    parser.add_argument("--video", type=Path, default=VIDEO, help="end to end")
    parser.add_argument("--seconds", type=float, default=2.0, help="of the video")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="or a name that ends in .json")
    options = parser.parse_args(arguments)
    setting = Setting(tuple(options.size), options.video, options.seconds)
    ways = [
        (name, threads, runtime, precision)
        for name in options.models
        for threads in options.threads
        for runtime in options.runtime
        for precision in options.precision
        if precision == "float32" or runtime in ("torch", "compiled")
    ]
    cases = [Case(*way, batch=batch) for way in ways for batch in options.batch]
    cases += [Case(*way, step=step) for way in ways for step in options.step if way[2] != "plain"]
    load = load_average()
    packages = ["torch", "numpy", "av", "opencv-python", *(ONNX_PACKAGES if "onnx" in options.runtime else ())]
    try:
        figures = measure(cases, setting, options.repeats)
    except ValueError as error:  # a step, size or video that does not fit names itself
        parser.error(str(error))
    result = {
        "machine": machine() | {"load_at_start": load},
        "size": setting.size,
        "video": {"name": setting.video.name, "seconds": setting.seconds},
        "repeats": options.repeats,
    } | figures
    path = options.output if options.output.suffix == ".json" else options.output / file_name()
    write_result(path, result, *packages)
    print(markdown(result))


if __name__ == "__main__":
    main()
