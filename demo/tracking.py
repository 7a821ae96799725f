"""One visitor's run: a part of a video in; progress, a growing trajectory and finished files out."""

import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from demo.court import draw_court, empty_court, main_shot
from demo.guard import Job
from demo.models import INFERENCE, SLICE_SECONDS
from tracknetv5.draw import STYLES
from tracknetv5.geometry import Letterbox
from tracknetv5.overlay import write_overlay
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import GAP, Point, Trajectory
from tracknetv5.video import Frame, VideoWarning, read_frames

# Drawing and encoding keep one core busy each; no more of them at a time than a small machine has cores.
RENDERING = ThreadPoolExecutor(2, thread_name_prefix="rendering")


class Cancelled(Exception):
    """The visitor asked for it."""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    stage: str  # "tracking" or "drawing"
    done: int  # frames
    total: int | None
    rate: float  # frames per second
    trajectory: Trajectory  # so far

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.total and self.rate else None


@dataclass(frozen=True)
class Result:
    """A finished run. The files lie in the folder that the run was given."""

    trajectory: Trajectory
    csv: Path
    json: Path
    court: Path
    overlay: Path | None
    archive: Path
    rate: float  # frames tracked per second
    seconds: float  # the whole run
    warning: str | None  # where the file is damaged


class Detector:
    """Runs a tracker over a part of a video and keeps what it found so far."""

    def __init__(self, tracker: BallTracker, job: Job, frames: Generator[Frame, None, None]):
        """`frames` of the part, as `_frames` reads them."""
        self.warning: str | None = None
        self._job = job
        self._frames = frames
        # The first frame may be long in coming: whoever makes this waits for it, not the thread that all share.
        first = list(islice(frames, 1))
        self._points: list[Point] = []
        size, aspect = (job.info.height, job.info.width), job.info.pixel_aspect
        self._detections = tracker.detect_frames(chain(first, frames), size, pixel_aspect=aspect)

    def __len__(self) -> int:
        return len(self._points)

    def work(self, seconds: float) -> bool:
        """Track for about so long; whether there is more to do."""
        until = time.monotonic() + seconds
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideoWarning)
            more = any(time.monotonic() > until for _ in self._detected())
        # What is caught is the whole process's: other threads may have warned of other visitors' videos meanwhile.
        name = f"{self._job.info.path}: "
        for item in caught:
            if issubclass(item.category, VideoWarning) and str(item.message).startswith(name):
                self.warning = str(item.message).removeprefix(name)
        return more

    def close(self) -> None:
        self._frames.close()

    def trajectory(self) -> Trajectory:
        info = self._job.info
        return Trajectory.from_points(self._points, size=(info.height, info.width), fps=info.fps)

    def _detected(self) -> Iterator[Point]:
        for point in self._detections:
            if len(self) == self._job.most:
                self.warning = f"only the first {self._job.most} frames were tracked"
                return
            self._points.append(point)
            yield point


def _frames(tracker: BallTracker, job: Job, cancel: threading.Event) -> Generator[Frame, None, None]:
    """The frames of the part in the size that the network sees; raises Cancelled soon after `cancel` is set."""
    info, config = job.info, tracker.config
    size = Letterbox((info.height, info.width), (config.height, config.width), info.pixel_aspect).content[2:]

    def look() -> None:
        if cancel.is_set():
            raise Cancelled

    with closing(read_frames(info.path, size=size, start=job.start, length=job.length, seeking=look)) as frames:
        for frame in frames:
            look()
            yield frame


def _court(tracker: BallTracker, job: Job, trajectory: Trajectory, path: Path, cancel: threading.Event) -> None:
    shot = main_shot(trajectory)
    first, last = int(shot.frame[0]), int(shot.frame[-1])
    with closing(_frames(tracker, job, cancel)) as frames:
        background = empty_court(frame.image for frame in frames if first <= frame.index <= last)
    if cancel.is_set():
        raise Cancelled
    draw_court(background, shot, path)


def _ended(work: Future, cancel: threading.Event) -> None:
    """Stop work that is left half-way, and come back when it has ended: it writes into a folder that goes next."""
    if not work.done():
        cancel.set()
        if not work.cancel():
            wait([work])


def detect(
    tracker: BallTracker, job: Job, cancel: threading.Event, fill_gaps: int = GAP
) -> Generator[Progress, None, tuple[Trajectory, float, str | None]]:
    """Track; yields several times a second, returns the trajectory, frames per second, and where the file is damaged.

    Errors as in `run`.
    """
    started = time.monotonic()
    detector = Detector(tracker, job, _frames(tracker, job, cancel))
    try:
        while INFERENCE.submit(detector.work, SLICE_SECONDS).result():
            if cancel.is_set():
                raise Cancelled
            rate = len(detector) / (time.monotonic() - started)
            yield Progress("tracking", len(detector), job.frames, rate, detector.trajectory())
    finally:
        INFERENCE.submit(detector.close)
    rate = len(detector) / (time.monotonic() - started)
    trajectory = INFERENCE.submit(tracker.complete, detector.trajectory(), fill_gaps).result()
    return trajectory, rate, detector.warning


def run(
    tracker: BallTracker,
    job: Job,
    folder: Path,
    cancel: threading.Event,
    *,
    fill_gaps: int = GAP,
    overlay: bool = True,
    style: str = STYLES[0],
) -> Iterator[Progress | Result]:
    """Track, then write all files into `folder`; yields several times a second, a Result at last.

    `style` of the overlay: one of `tracknetv5.draw.STYLES`.

    Raises:
        Cancelled: soon after `cancel` is set.
        VideoError: nothing in the video decodes.
    """
    started = time.monotonic()
    trajectory, rate, warning = yield from detect(tracker, job, cancel, fill_gaps)

    stem = job.info.path.stem
    files = {kind: folder / f"{stem}{end}" for kind, end in _ENDINGS.items()}
    trajectory.to_csv(files["csv"])
    trajectory.to_json(files["json"])
    court = RENDERING.submit(_court, tracker, job, trajectory, files["court"], cancel)
    try:
        if overlay:
            yield from _render(job, trajectory, files["overlay"], style, cancel)
        court.result()
    finally:
        _ended(court, cancel)
    with zipfile.ZipFile(files["archive"], "w") as archive:  # not compressed: video and picture are already
        for kind in ("csv", "json", "court", "overlay"):
            if files[kind].exists():
                archive.write(files[kind], files[kind].name)
    if not overlay:
        files["overlay"] = None
    yield Result(trajectory, **files, rate=rate, seconds=time.monotonic() - started, warning=warning)


_ENDINGS = {"csv": ".csv", "json": ".json", "court": "_court.png", "overlay": "_ball.mp4", "archive": "_ball.zip"}


def _render(job: Job, trajectory: Trajectory, path: Path, style: str, cancel: threading.Event) -> Iterator[Progress]:
    started = time.monotonic()
    for done in rendered(write_overlay, job.info.path, trajectory, path, style=style, cancel=cancel):
        yield Progress("drawing", done, len(trajectory), done / (time.monotonic() - started), trajectory)


def rendered(write: Callable, *arguments, cancel: threading.Event, **options) -> Iterator[int]:
    """Run write(*arguments, **options, progress=...) aside; yields the frames done several times a second.

    Raises:
        Cancelled: soon after `cancel` is set.
    """
    done = 0

    def count(frames: int, _: int) -> None:
        nonlocal done
        done = frames
        if cancel.is_set():
            raise Cancelled

    rendering = RENDERING.submit(write, *arguments, progress=count, **options)
    try:
        while not rendering.done():
            yield done
            wait([rendering], timeout=SLICE_SECONDS)
        rendering.result()
    finally:
        _ended(rendering, cancel)
