"""Many videos: each process of a launch takes its share, and a video that is finished is not tracked again.

Beside a video's results lies `<stem>_track.json`, written when they are whole: what was tracked, how, and what the
columns of the CSV do not hold. A video whose record matches is finished, whichever process or launch did it. Files that
no record names, or that of another video, are not written over.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import torch
from torch import distributed

import tracknetv5
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Trajectory
from tracknetv5.weights import WeightsConfig

PATIENCE = timedelta(days=30)  # for the processes with more or longer videos
CUT_OFF = re.compile(r'\s*(\{\s*"(video|files)": |\Z)')  # how a record begins that a crash of the machine cut off

NO_RECORD = {"video": None, "path": "", "settings": None, "files": [], "earlier": []}  # of what was never tracked


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
        files: the results that are to be, the CSV first; the record is written beside them.
        tracker: weights, precision, threshold and step count; device and runtime do not: they give the same points.
        settings: whatever else decides what is in the files.
    """

    def __init__(self, video: Path, files: Sequence[Path], tracker: BallTracker, settings: Mapping):
        self.files = files
        self.path = files[0].with_name(f"{video.stem}_track.json")
        # Of now: a file that is still being copied is another one when it has been tracked, and to be tracked again.
        self._video = _facts(video)
        self._place = os.path.realpath(video)
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
            record = self._read()
            if record is None or record["settings"] != self._settings or self._other(record):
                return False
            made = record["files"] if record["video"] == self._video else ()
            return all(path.name in made and path.is_file() for path in files)
        except OSError:  # which `check` will say
            return False

    def check(self) -> None:
        """See that the results can be written, before any work is done.

        Raises:
            ValueError: they cannot, or would take the place of files that are not of this video.
        """
        if self._video is None:
            return  # it is not there, as tracking will say
        for path in (*self.files, self.path):
            _try_writing(path)
        record = self._read()
        made = set() if record is None else {self.path.name} | _named(record)
        if foreign := [path for path in (self.path, *self.files) if path.exists() and path.name not in made]:
            raise ValueError(f"{foreign[0]} is there and was not made from it: choose another --output")
        if other := self._other(record):
            raise ValueError(f"{self.path} is there and was made from {other}: choose another --output")

    def begin(self) -> None:
        """The files are about to change: what was known of them does not hold any more, but whose they are."""
        self._write([])

    def finish(self, files: Sequence[Path], trajectory: Trajectory, warnings: Sequence[str]) -> None:
        """Write the record; these of the files are complete."""
        self._write(
            files,
            size=trajectory.size,
            fps=str(trajectory.fps),
            frames=len(trajectory),
            frames_with_ball=int(trajectory.visible.sum()),
            cuts=trajectory.cuts,
            repeats=trajectory.repeats,
            warnings=list(warnings),
        )

    def tracked(self) -> tuple[Trajectory, list[str]]:
        """The trajectory and the warnings of which `finish` was told; positions to the 0.01 px of the CSV.

        Raises:
            ValueError: the CSV was changed, and is no trajectory any more.
            OSError: it cannot be opened.
        """
        record = self._read()
        facts = dict(size=tuple(record["size"]), fps=Fraction(record["fps"]))
        facts |= dict(cuts=record["cuts"], repeats=record["repeats"])
        return replace(Trajectory.from_csv(self.files[0]), **facts), record["warnings"]

    def _read(self) -> dict | None:
        """The record, one of no files if there is none, or None for a file that is none of ours."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return NO_RECORD
        except ValueError:  # no text
            return None
        try:
            record = json.loads(text)
        except ValueError:
            # One of ours that was cut off has lost the names of its files: they are those of now.
            return NO_RECORD | {"earlier": [path.name for path in self.files]} if CUT_OFF.match(text) else None
        return record if isinstance(record, dict) and set(NO_RECORD) <= set(record) else None

    def _other(self, record: Mapping) -> str | None:
        """The video that the record is of, if it is another one that is still there: one that was moved is the same."""
        path = record["path"]
        both = os.path.exists(path) and os.path.exists(self._place)
        return path if both and not os.path.samefile(path, self._place) else None

    def _write(self, files: Sequence[Path], **facts: object) -> None:
        names = [path.name for path in files]
        # Others that were made of this video, with other settings or not to their end, and perhaps are still there.
        earlier = _named(self._read() or NO_RECORD) | {path.name for path in self.files}
        record = {
            "video": self._video,
            "path": self._place,
            "settings": self._settings,
            "files": names,
            "earlier": sorted(earlier - set(names)),
        }
        text = json.dumps(record | facts, indent=1) + "\n"
        write_whole(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))


def _named(record: Mapping) -> set[str]:
    """Names of all files that launches made of the video of this record."""
    return {*record["files"], *record["earlier"]}


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
    partial = _partial(path)
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _try_writing(path: Path) -> None:
    """Raises ValueError if no file can appear under this path."""
    partial = _partial(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial.touch()
        partial.unlink()
    except OSError as error:
        long = error.errno == errno.ENAMETOOLONG
        remedy = "give the video a shorter name" if long else "choose another --output"
        raise ValueError(f"{path}: cannot be written ({error.strerror}); {remedy}") from error


def _partial(path: Path) -> Path:
    """Where a file is until it is whole, as in VideoWriter."""
    return path.with_name(f".{path.name}.part")
