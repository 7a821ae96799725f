"""Many videos: each process of a launch takes its share, and a video that is finished is not tracked again.

Beside a video's results lies `<stem>_track.json`, written last: what was tracked, how, and what the columns of the CSV
do not hold. A video whose record matches is finished, whichever process or launch did it. Files that no record names
are somebody else's and are not written over.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

import tracknetv5
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Trajectory
from tracknetv5.weights import WeightsConfig

PATIENCE = timedelta(days=30)  # for the processes with more or longer videos


@contextmanager
def launch() -> Iterator[tuple[int, int]]:
    """(number of this process, processes in all) under torchrun; (0, 1) without.

    The block ends when it has ended in all processes, unless by an exception: a launcher stops all when one fails.

    Raises:
        ValueError: the processes do not find each other.
    """
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield rank, world
        return
    try:
        distributed.init_process_group("gloo", timeout=PATIENCE)
    except RuntimeError as error:
        raise ValueError(f"the {world} processes do not find each other: {error}") from error
    try:
        yield rank, world
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def own_device(device: str) -> str:
    """The device for this process of a launch: with "auto", one GPU each where there are any."""
    if device == "auto" and "LOCAL_RANK" in os.environ and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return device


class Record:
    """What is known of the results for one video in the folder `output`. Made before the video is tracked.

    Args:
        video: the video file.
        output: the folder of the results.
        tracker: weights, precision, threshold and step count; device and runtime do not: they give the same points.
        settings: whatever else decides what is in the files.
    """

    def __init__(self, video: Path, output: Path, tracker: BallTracker, settings: Mapping):
        self.path = output / f"{video.stem}_track.json"
        # Of now: a file that is still being copied is another one when it has been tracked, and to be tracked again.
        self._video = _facts(video)
        settings = {
            "version": tracknetv5.__version__,
            "weights": _decisive(tracker.config),
            "rectifier": None if tracker.rectifier is None else _decisive(tracker.rectifier[1]),
            "precision": tracker.precision,
            "threshold": tracker.threshold,
            "step": tracker.step,
            **settings,
        }
        self._settings = json.loads(json.dumps(settings))  # as they are read back: JSON has no tuples

    def finished(self, files: Sequence[Path]) -> bool:
        """Whether these files were made of this video, as it is now, with these settings, and are still there."""
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            made = record["files"]
            same = record["video"] == self._video and record["settings"] == self._settings
        except (OSError, ValueError, TypeError, KeyError):  # no record, or a damaged one
            return False
        return same and all(path.name in made and path.is_file() for path in files)

    def foreign(self, files: Sequence[Path]) -> Path | None:
        """One of these files that is there and that no launch made; None if there is none."""
        made = self._made()
        return next((path for path in files if path.exists() and made is not None and path.name not in made), None)

    def begin(self, files: Sequence[Path]) -> None:
        """The files are about to change: what was known of them does not hold any more, but whose they are."""
        self._write({"files": [], "earlier": self._earlier([]) + [path.name for path in files]})

    def finish(self, files: Sequence[Path], trajectory: Trajectory, warnings: Sequence[str]) -> None:
        """Write the record; `files` are complete."""
        record = {
            "video": self._video,
            "settings": self._settings,
            "files": [path.name for path in files],
            "earlier": self._earlier(files),
            "frames": len(trajectory),
            "frames_with_ball": int(trajectory.visible.sum()),
            "cuts": trajectory.cuts,
            "repeats": trajectory.repeats,
            "warnings": list(warnings),
        }
        self._write(record)

    def _made(self) -> list[str] | None:
        """Names of all files that launches made of a video of this name; None if a damaged record keeps them."""
        if not self.path.is_file():
            return []
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
            return [*record["files"], *record.get("earlier", [])]
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def _earlier(self, files: Sequence[Path]) -> list[str]:
        """Files that were made with other settings than those of `files`, and perhaps are still there."""
        return sorted(set(self._made() or ()) - {path.name for path in files})

    def _write(self, record: Mapping) -> None:
        text = json.dumps(record, indent=1) + "\n"
        write_whole(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _decisive(config: WeightsConfig) -> dict:
    """What of the facts about some weights decides what they find; the tracker has the threshold and the step."""
    facts = asdict(config)
    names = "model options height width frames background channel_order resize ensemble sha256".split()
    return {name: facts[name] for name in names}


def _facts(video: Path) -> dict[str, str | int] | None:
    """What tells the file from a later one of its name; None if it is not there, which tracking it will say."""
    try:
        state = video.stat()
    except OSError:
        return None
    return {"name": video.name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns}


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make a file that appears under `path` only when it is complete."""
    partial = path.with_name(f".{path.name}.part")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
