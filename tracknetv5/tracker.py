"""BallTracker: weights and a video in, a trajectory out. The only file that joins the stages."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike

import numpy as np
import torch
from torch import nn

from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import HeatmapMerger, decode
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import probe, read_frames
from tracknetv5.weights import WeightsConfig, load_weights, resolve
from tracknetv5.windows import windows


@dataclass(frozen=True, slots=True)
class Point:
    """The ball in one frame."""

    frame: int
    xy: tuple[float, float] | None  # pixels of the source frame; None: no ball
    score: float  # peak of the heatmap in [0, 1]; 0 where there is no ball
    source: str  # "detected", or "" where there is no ball


class BallTracker:
    """Finds the ball in every frame of a video with one network.

    Memory is bounded by the window, not by the video: frames are decoded, resized, seen and forgotten.
    """

    def __init__(
        self,
        model: nn.Module,
        config: WeightsConfig,
        *,
        device: str = "auto",
        threshold: float | None = None,
        step: int | None = None,
    ):
        """Use `from_pretrained` for weights from disk or the Hub.

        Args:
            model: a network of `create_model`.
            config: the facts about its weights; its threshold and step hold where none is given.
            device: "auto" (a GPU if there is one), or a name that torch knows.
            threshold: a heatmap's peak must exceed it to count as a ball, in (0, 1).
            step: frames between windows; 1 sees every frame in several windows, the window's length sees it once.

        Raises:
            ValueError: threshold or step out of range, or a device that torch does not have.
        """
        self.config = config
        self.threshold = config.threshold if threshold is None else threshold
        self.step = config.step if step is None else step
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, not {self.threshold}")
        if not 1 <= self.step <= config.frames:
            raise ValueError(f"step must lie between 1 and the {config.frames} frames of a window, not {self.step}")
        self.device = _device(device)
        self.model = model.eval().to(self.device, memory_format=torch.channels_last)

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | PathLike | None = None,
        *,
        revision: str | None = None,
        device: str = "auto",
        threshold: float | None = None,
        step: int | None = None,
    ) -> "BallTracker":
        """A tracker from a folder of weights, a Hub id, or the name of bundled weights; None for the default.

        Args and errors as in `__init__`, and:
            revision: branch, tag or commit on the Hub.

        Raises:
            WeightsError: weights that are missing, damaged or do not fit.
        """
        model, config = load_weights(resolve(id_or_path, revision=revision))
        return cls(model, config, device=device, threshold=threshold, step=step)

    def track(
        self,
        video: str | PathLike,
        *,
        start: float = 0.0,
        length: float | None = None,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Trajectory:
        """The ball in every frame of a video file.

        Args:
            video: a file that PyAV decodes.
            start: seconds into the video where tracking begins.
            length: seconds to track; None for the rest.
            progress: called as progress(frames done, frames in all or None where the file does not say).

        Raises:
            VideoError: the file is missing, not a video, or nothing in it decodes.
        """
        info = probe(video)
        letterbox = Letterbox((info.height, info.width), (self.config.height, self.config.width))
        numbers, times = [], []

        def images() -> Iterator[np.ndarray]:
            for frame in read_frames(video, size=letterbox.content[2:], start=start, length=length):
                numbers.append(frame.index)
                times.append(frame.time)
                yield frame.image

        total = info.frames if start == 0 and length is None else None
        points = []
        for point in self._points(images(), letterbox):
            points.append(point)
            if progress is not None:
                progress(len(points), total)
        return Trajectory(
            frame=np.array(numbers, np.int64),
            time=np.array(times, np.float64),
            xy=np.array([point.xy or (np.nan, np.nan) for point in points], np.float64).reshape(-1, 2),
            score=np.array([point.score for point in points], np.float64),
            source=np.array([point.source for point in points], dtype=object),
            size=(info.height, info.width),
            fps=info.fps,
        )

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[Point]:
        """The ball in each frame of a sequence, as soon as no later frame can change it.

        Args:
            frames: (H, W, 3) uint8 RGB, all of one size; frame numbers count them from 0.

        Raises:
            ValueError: a frame of another size or type.
        """
        frames = iter(frames)
        first = next(frames, None)
        if first is None:
            return
        letterbox = Letterbox(first.shape[:2], (self.config.height, self.config.width))
        yield from self._points(_chain_checked(first, frames), letterbox)

    def _points(self, images: Iterable[np.ndarray], letterbox: Letterbox) -> Iterator[Point]:
        for number, heatmap in self.heatmaps(letterbox.apply(image) for image in images):
            found = decode(heatmap, self.threshold)
            if found is None:
                yield Point(number, None, 0.0, "")
            else:
                x, y = letterbox.to_source(np.array([found.x, found.y]))
                yield Point(number, (float(x), float(y)), found.score, "detected")

    def heatmaps(self, frames: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """(frame number, (H, W) float32 heatmap in [0, 1]) of frames that already have the model's input size.

        Args:
            frames: (H, W, 3) uint8 RGB, letterboxed to the input size.
        """
        length = self.config.frames
        merger = HeatmapMerger(length, step=self.step)
        count = 0

        def counted() -> Iterator[np.ndarray]:
            nonlocal count
            for frame in frames:
                count += 1
                yield frame

        for start, window in windows(counted(), length, self.step):
            yield from merger.add(start, self._infer(window))
        yield from merger.flush(count)

    @torch.inference_mode()
    def _infer(self, window: list[np.ndarray]) -> np.ndarray:
        batch = torch.from_numpy(np.stack(window)).to(self.device)  # (T, H, W, 3)
        batch = batch.permute(0, 3, 1, 2)[None].float() / 255  # (1, T, 3, H, W)
        return torch.sigmoid(self.model(batch))[0].float().cpu().numpy()


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device {name!r} cannot be used: {reason}; "cpu" always can') from error
    return torch.device(name)


def _chain_checked(first: np.ndarray, rest: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """All frames, each checked to look like the first."""
    if first.ndim != 3 or first.shape[2] != 3 or first.dtype != np.uint8:
        raise ValueError(f"expected (H, W, 3) uint8 RGB frames, got {first.shape} {first.dtype}")
    yield first
    for number, frame in enumerate(rest, 1):
        if frame.shape != first.shape or frame.dtype != first.dtype:
            raise ValueError(
                f"frame {number} is {frame.shape} {frame.dtype}, the first was {first.shape} {first.dtype}: "
                "resize the frames to one size"
            )
        yield frame
