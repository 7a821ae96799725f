"""What a second process gains: `tracknetv5 track` over several videos, alone and by torchrun.

    python -m benchmarks.scaling --video CLIP [--videos 4] [--processes 1 2] [--repeats 2] --output FILE.json

The clip is tracked under several names. Every number of processes gets all cores: each as many threads as there are
cores for it. The numbers take turns, and the seconds are those of the whole command, start-up and all. The results are
compared byte by byte. A clip of 10 seconds takes about two minutes on two idle cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.environment import load_average, machine, write_result
from tracknetv5.video import probe


def track(videos: Sequence[Path], output: Path, processes: int, weights: str | None) -> float:
    """Seconds that the command takes.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    run = [sys.executable, *(launch if processes > 1 else ()), "-m", "tracknetv5", "track", *map(str, videos)]
    run += ["--output", str(output), *(["--weights", weights] if weights else ())]
    threads = max(1, machine()["cores"] // processes)
    start = time.perf_counter()
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": str(threads)})
    return time.perf_counter() - start


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def measure(clip: Path, count: int, numbers: Sequence[int], repeats: int, weights: str | None) -> list[dict]:
    """One row for each number of processes.

    Raises:
        VideoError: the clip cannot be read.
    """
    info = probe(clip)
    seconds = {number: [] for number in numbers}
    first, same = None, dict.fromkeys(numbers, True)
    with tempfile.TemporaryDirectory() as folder:
        videos = [Path(folder, f"{k:03}{clip.suffix}") for k in range(count)]
        for video in videos:
            shutil.copy2(clip, video)
        for _ in range(repeats):
            for number in numbers:
                output = Path(folder, "out")
                seconds[number].append(track(videos, output, number, weights))
                made = results(output)
                first = first or made
                same[number] &= made == first
                shutil.rmtree(output)  # what is finished would not be tracked again
        frames = sum(json.loads(content)["frames"] for name, content in first.items() if name.endswith(".json"))
    return [
        {
            "processes": number,
            "videos": count,
            "frames": frames,
            "seconds": [round(each, 3) for each in seconds[number]],
            "frames_per_second": round(frames / float(np.median(seconds[number])), 2),
            "speed_up": round(float(np.median(seconds[numbers[0]]) / np.median(seconds[number])), 3),
            "same_results": same[number],
            "size": [info.height, info.width],
        }
        for number in numbers
    ]


def at_least_one(text: str) -> int:
    """An argument that counts something; argparse says what is wrong with any other."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--video", required=True, type=Path, help="a short clip")
    parser.add_argument("--videos", type=at_least_one, default=4, help="copies of it to track")
    parser.add_argument("--processes", nargs="+", type=at_least_one, default=[1, 2])
    parser.add_argument("--repeats", type=at_least_one, default=2)
    parser.add_argument("--weights", help="folder, .onnx file, Hub id or name; default: the bundled ones")
    parser.add_argument("--output", required=True, type=Path, help="JSON file")
    options = parser.parse_args(arguments)
    load = load_average()
    try:
        rows = measure(options.video, options.videos, options.processes, options.repeats, options.weights)
    except ValueError as error:
        parser.error(str(error))
    result = {
        "machine": machine() | {"load_at_start": load},
        "video": options.video.name,
        "runs": rows,
    }
    write_result(options.output, result, "torch", "av")
    print("| processes | frames/s | speed-up | same results |\n|---:|---:|---:|---|")
    for row in rows:
        same = "yes" if row["same_results"] else "no"
        print(f"| {row['processes']} | {row['frames_per_second']:.1f} | {row['speed_up']:.2f} | {same} |")


if __name__ == "__main__":
    main()
