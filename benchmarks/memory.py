"""Peak memory of `tracknetv5 track` on a short and on a long video.

    python -m benchmarks.memory --video CLIP [--minutes 1 10] --output FILE.json

The clip is repeated, without encoding it again, until the videos are as long as asked.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.environment import write_result


def repeated(clip: Path, output: Path, seconds: float) -> int:
    """Write the clip's video stream over and over until it lasts `seconds`; the number of frames."""
    frames = offset = 0
    with av.open(str(output), "w") as target:
        stream = None
        while True:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                    step = int(1 / (video.average_rate * video.time_base))
                end = 0
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    end = max(end, packet.pts + step)
                    target.mux(packet)
                    frames += 1
                offset = end
                if offset * video.time_base >= seconds:
                    return frames


# A process counts what its parent held when it was started, so a small one stands between.
WATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak_megabytes(arguments: Sequence[str]) -> float:
    """Largest resident memory of a command.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    watch = [sys.executable, "-c", WATCH, *arguments]
    peak = int(subprocess.run(watch, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kilobytes elsewhere


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            video = Path(folder, f"{minutes:g}min.mp4")
            frames = repeated(options.video, video, 60 * minutes)
            track = [sys.executable, "-m", "tracknetv5", "track", str(video), "--output", folder]
            rows.append({"minutes": minutes, "frames": frames, "peak_mb": round(peak_megabytes(track))})
            print(rows[-1])
    write_result(options.output, {"runs": rows}, "torch", "av", "numpy")


if __name__ == "__main__":
    main()
