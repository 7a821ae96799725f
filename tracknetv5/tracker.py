"""BallTracker: weights and a video in, a trajectory out. The only file that joins the stages."""

import copy
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import chain, groupby
from numbers import Real
from os import PathLike
from pathlib import Path

import numpy as np
from huggingface_hub import ModelCard, ModelHubMixin
from torch import nn

from tracknetv5.card import model_card, write_picture
from tracknetv5.export import load_onnx
from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import LEAST, Detection, peaks
from tracknetv5.linking import LAG, linked
from tracknetv5.live import LiveSource
from tracknetv5.predictor import HeatmapPredictor, is_rgb, kind_of
from tracknetv5.rectify import rectify
from tracknetv5.runtime import OnnxRuntime
from tracknetv5.scheduling import Answer, by_shot, with_delay
from tracknetv5.shots import Shown, watch
from tracknetv5.trajectory import GAP, RATE, Point, Trajectory
from tracknetv5.video import Frame, probe, read_frames
from tracknetv5.weights import RECTIFIER, WeightsConfig, WeightsError, load_weights, resolve, save_weights

GPU_BATCH = 8  # windows a pass; on a CPU more than one is no faster
LEAST_GAP = 0.1  # frames of 1 / RATE seconds; timestamps of damaged files can stand still


class BallTracker(HeatmapPredictor, ModelHubMixin):
    """Finds the ball in every frame of a video with one network.

    Memory does not grow with the video: frames are decoded, resized, seen and forgotten, and no more are held than a
    window has, or, for weights that take a background, than SPAN of `tracknetv5.background`.

    Of `huggingface_hub.ModelHubMixin` it has `save_pretrained` and `push_to_hub`; loading is its own, from safetensors
    alone and strict.
    """

    def __init__(
        self,
        model: nn.Module | OnnxRuntime,
        config: WeightsConfig,
        *,
        rectifier: tuple[nn.Module, WeightsConfig] | None = None,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
        compiled: bool = False,
        threshold: float | None = None,
        step: int | None = None,
    ):
        """Use `from_pretrained` for weights from disk or the Hub.

        Args and errors as in `HeatmapPredictor`, and:
            rectifier: a network that fills the gaps of trajectories (InpaintNet) and the facts about its weights.
            threshold: a peak of a heatmap above it counts as a ball, if nothing speaks against it in the frames
                before and after (see linking.py), in (0, 1); None for that of the weights' config.

        Raises:
            ValueError: threshold out of range, or a rectifier that takes frames.
        """
        super().__init__(
            model, config, device=device, runtime=runtime, precision=precision, compiled=compiled, step=step
        )
        if rectifier is not None and rectifier[1].height is not None:
            raise ValueError(f"{rectifier[1].model} finds balls and fills no gaps: it cannot be the rectifier")
        self.threshold = _checked_threshold(config.threshold if threshold is None else threshold)
        self.rectifier = rectifier
        if rectifier is not None:
            rectifier[0].eval().to(self.device)

    def with_settings(self, *, threshold: float | None = None, step: int | None = None) -> "BallTracker":
        """A tracker with other settings that shares this one's network; None for what the weights' config says.

        Raises:
            ValueError: threshold or step out of range.
        """
        other = copy.copy(self)
        other.threshold = _checked_threshold(self.config.threshold if threshold is None else threshold)
        other.step = self._checked_step(step)
        return other

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | PathLike | None = None,
        *,
        revision: str | None = None,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
        compiled: bool = False,
        threshold: float | None = None,
        step: int | None = None,
        rectifier: str | PathLike | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike | None = None,
        local_files_only: bool = False,
    ) -> "BallTracker":
        """A tracker from a folder of weights, a Hub id, the name of bundled weights, or an ONNX file of `export`.

        Args and errors as in `__init__`, and:
            id_or_path: None for the default weights; a name that ends in .onnx is a file.
            revision: branch, tag or commit on the Hub; "organisation/name@revision" says the same.
            rectifier: weights of a network that fills gaps, named in the same ways; None for those that come with the
                weights, if any do.
            token: for private repositories; None for the one that `hf auth login` stored.
            cache_dir: where downloads are kept; None for the Hub's own cache.
            local_files_only: take what is in the cache and do not ask the Hub.

        Raises:
            WeightsError: weights that are missing, damaged or do not fit.
        """
        hub = dict(token=token, cache_dir=cache_dir, local_files_only=local_files_only)
        if str(id_or_path).endswith(".onnx"):
            folder = None
            if revision is not None:
                raise WeightsError(f"{id_or_path}: is a file, of which there is no revision {revision}: leave it out")
            model, config = load_onnx(Path(id_or_path).expanduser())
        else:
            folder = resolve(id_or_path, revision=revision, **hub)
            model, config = load_weights(folder)
        fills_gaps = None
        if rectifier is not None:
            fills_gaps = load_weights(resolve(rectifier, **hub))
        elif config.rectifier:
            fills_gaps = load_weights(folder / RECTIFIER)
        return cls(
            model,
            config,
            rectifier=fills_gaps,
            device=device,
            runtime=runtime,
            precision=precision,
            compiled=compiled,
            threshold=threshold,
            step=step,
        )

    def _save_pretrained(self, save_directory: Path) -> None:
        if self.model is None:
            raise ValueError("an ONNX file cannot be turned back into weights: save those that it was exported from")
        half = self.config.precision == "float16"
        save_weights(self.model, save_directory, self._facts(), half=half, rectifier=self.rectifier)
        write_picture(save_directory)
        (save_directory / "README.md").unlink(missing_ok=True)  # the mixin would keep the card of earlier weights

    def generate_model_card(self, repo_id: str | None = None) -> ModelCard:
        """The card that `save_pretrained` and `push_to_hub` write, for a repository of this name."""
        return model_card(self._facts(), repo_id)

    def _facts(self) -> WeightsConfig:
        """The facts about the weights as this tracker uses them; what was measured with other settings is left out."""
        facts = replace(self.config, threshold=self.threshold, step=self.step)
        return facts if facts == self.config else replace(facts, metrics={})

    def push_to_hub(self, repo_id: str, **options) -> str:
        """As in `ModelHubMixin`, whose options these are; the card shows how to load from `repo_id`."""
        options.setdefault("model_card_kwargs", {"repo_id": repo_id})
        return super().push_to_hub(repo_id, **options)

    def track(
        self,
        video: str | PathLike,
        *,
        start: float = 0.0,
        length: float | None = None,
        fill_gaps: int = GAP,
        progress: Callable[[int, int | None], None] | None = None,
    ) -> Trajectory:
        """The ball in every frame of a video file.

        Windows stay within a shot, a repeated frame is answered as the one it repeats, and the trajectory says where
        either was seen. A network that takes a background gets the median of the pictures around, of the same shot.

        Args:
            video: a file that PyAV decodes.
            start: seconds into the video where tracking begins.
            length: seconds to track; None for the rest.
            fill_gaps: as in `complete`.
            progress: called as progress(frames done, frames in all or None where the file does not say).

        Raises:
            VideoError: the file is missing, not a video, or nothing in it decodes.
            ValueError: a negative `fill_gaps`.
        """
        if fill_gaps < 0:  # before an hour is spent on a video
            raise ValueError(f"fill_gaps must be 0 or more frames, not {fill_gaps}")
        info = probe(video)
        total = info.frames if start == 0 and length is None else None
        points = []
        with closing(self.detect(video, start=start, length=length)) as detections:
            for point in detections:
                points.append(point)
                if progress is not None:
                    progress(len(points), total)
        return self.complete(Trajectory.from_points(points, size=(info.height, info.width), fps=info.fps), fill_gaps)

    def complete(self, trajectory: Trajectory, fill_gaps: int = GAP) -> Trajectory:
        """What `track` makes of the points that were detected: a copy with those gaps filled that can be.

        First by the rectifier, if there is one: those points are `rectified`. Then gaps of up to `fill_gaps` frames in
        which the ball flies on as it flew, as `Trajectory.fill_gaps` says: those are `interpolated`.
        """
        if self.rectifier is not None:
            network, facts = self.rectifier
            trajectory = rectify(trajectory, network, facts.window_weights)
        return trajectory.fill_gaps(fill_gaps)

    def detect(
        self,
        video: str | PathLike,
        *,
        start: float = 0.0,
        length: float | None = None,
    ) -> Generator[Point, None, None]:
        """What `track` collects, one point after the other and before any gap is filled; args and errors as there."""
        info = probe(video)
        letterbox = Letterbox((info.height, info.width), (self.config.height, self.config.width), info.pixel_aspect)
        part = dict(size=letterbox.content[2:], start=start, length=length)
        with closing(read_frames(video, **part)) as frames:
            yield from self.detect_frames(frames, (info.height, info.width), pixel_aspect=info.pixel_aspect)

    def detect_frames(
        self,
        frames: Iterable[Frame],
        size: tuple[int, int],
        *,
        pixel_aspect: Fraction = Fraction(1),
    ) -> Iterator[Point]:
        """What `detect` yields, for whoever reads the frames himself.

        Args:
            frames: of one video in order, as `read_frames` yields them, of the video's size or of its content's in the
                network's input (`Letterbox.content`).
            size: (height, width) of the video.
            pixel_aspect: width of the video's pixels over their height.
        """
        letterbox = Letterbox(size, (self.config.height, self.config.width), pixel_aspect)
        shown = watch(((frame.index, frame.time, frame.image) for frame in frames), letterbox)
        return self._points(shown, letterbox, None, batch=1 if self.device.type == "cpu" else GPU_BATCH)

    def stream(
        self, frames: Iterable[np.ndarray], *, delay: int | None = None, background: np.ndarray | None = None
    ) -> Iterator[Point]:
        """The ball in each frame of a sequence; no point is changed later.

        Gaps stay: a rectifier needs to know how they end, and is used by `track` alone.

        Args:
            frames: (H, W, 3) uint8 RGB, all of one size, with square pixels; frame numbers count them from 0.
            delay: after how many further frames, at the latest, a point comes, decided from what is there by then
                alone. 0: at once, from the last heatmap of a window that ends with the frame; 1: when the next one is
                there; up to the window's length less 1. Windows begin every `step` frames, or more often where the
                delay asks for it: with a step of 2 and a delay of 1, every second frame, which waits for the next one,
                and that one does not wait. None: windows as in `track`, and as there LAG frames more (linking.py) that
                may speak for a ball or against it.
            background: (H, W, 3) uint8 RGB, the scene without what moves, for weights that take one
                (`config.background`); None for the median of the frames so far, or where `delay` is None, of those
                around, which it waits for.

        Raises:
            ValueError: a delay out of range, or a background for weights that take none; and while the points come, a
                frame, or the background, of another size or type.
        """
        self._check_background(background)
        if delay is not None:
            self._check_delay(delay)
        return self._stream(iter(frames), delay, background)

    def _stream(
        self, frames: Iterator[np.ndarray], delay: int | None, background: np.ndarray | None
    ) -> Iterator[Point]:
        images = _checked(frames)
        first = next(images, None)
        if first is None:
            return
        letterbox = Letterbox(first.shape[:2], (self.config.height, self.config.width))
        images = enumerate(chain([first], images))
        shown = watch(((number, None, image) for number, image in images), letterbox)
        yield from self._points(shown, letterbox, background, delay=delay)

    def follow(self, source: LiveSource, *, delay: int = 2) -> Iterator[Point]:
        """The ball in the newest frames of a live source, which this opens: those that it has the time to look at.

        Frame numbers and times are the source's, and so are the counts of frames that came and were dropped.

        Args:
            source: not opened yet.
            delay: as in `stream`, counted in frames that were looked at.

        Raises:
            VideoError: the source cannot be opened; one that breaks later ends the points, see `LiveSource.error`.
            ValueError: a delay out of range.
        """
        self._check_delay(delay)
        return self._follow(source, delay)

    def _follow(self, source: LiveSource, delay: int) -> Iterator[Point]:
        black = self._planes(np.zeros((self.config.height, self.config.width, 3), np.uint8))
        self._infer([[(black, black)] * self.config.frames])  # the first window takes longest: not while frames come
        with source:
            letterbox = Letterbox(source.size, (self.config.height, self.config.width), source.pixel_aspect)
            frames = ((frame.index, frame.time, frame.image) for frame in source.frames(letterbox.content[2:]))
            yield from self._points(watch(frames, letterbox), letterbox, None, delay=delay)

    def _points(
        self,
        shown: Iterable[Shown],
        letterbox: Letterbox,
        background: np.ndarray | None,
        *,
        delay: int | None = None,
        batch: int = 1,
    ) -> Iterator[Point]:
        """The ball in each of the frames, in pixels of the source.

        Args:
            shown: frames, letterboxed to the network's input.
            letterbox: from the source to that.
            background: as in `stream`, in pixels of the source.
            delay: None for windows of `step` within a shot, each heatmap the mean over all of them, and a decision
                that looks LAG frames ahead; else as in `stream`.
            batch: windows a pass, where `delay` is None.
        """
        background = None if background is None else letterbox.apply(background)
        if delay is None and self.config.frames > 1:
            answered = by_shot(shown, lambda pictures: self._merged(self._seen(pictures, background), batch))
        else:
            answered = with_delay(
                shown,
                delay or 0,
                length=self.config.frames,
                step=self.step,
                begin=lambda: self._seen_live(background),
                infer=lambda window: self._infer([window])[0],
            )
        lag = LAG if delay is None else 0
        cuts = 0

        def of_shot(answer: Answer) -> int:
            nonlocal cuts
            cuts += answer[0].picture == "cut"  # a standstill begins windows anew, but the ball is where it was
            return cuts

        for _, shot in groupby(answered, key=of_shot):
            for frame, found in self._balls(shot, lag):
                if found is None:
                    yield Point(frame.number, None, 0.0, "", frame.time, frame.picture)
                else:
                    x, y = letterbox.to_source(np.array([found.x, found.y])).tolist()
                    yield Point(frame.number, (x, y), found.score, "detected", frame.time, frame.picture)

    def _balls(self, shot: Iterable[Answer], lag: int) -> Iterator[tuple[Shown, Detection | None]]:
        """Each frame of a shot with its ball."""
        waiting = deque()

        def heatmaps() -> Iterator[np.ndarray]:
            for frame, heatmap in shot:
                waiting.append(frame)
                yield heatmap

        def gaps() -> Iterator[float]:
            before = None
            while True:
                frame = waiting[-1]  # whose heatmap was asked for just now
                yield LEAST_GAP if before is None else max(_frames_between(before, frame), LEAST_GAP)
                before = frame

        for found in self.link(heatmaps(), lag, gaps()):
            yield waiting.popleft(), found

    def link(
        self, heatmaps: Iterable[np.ndarray], lag: int | None = LAG, gaps: Iterable[float] | None = None
    ) -> Iterator[Detection | None]:
        """The ball in each frame of one shot, None where there is none, in pixels of the network's input.

        Args:
            heatmaps: (H, W) float32 in [0, 1], in order.
            lag: heatmaps that are looked at before one is decided; None for all, 0 for none.
            gaps: as in `linked`.
        """
        least = min(LEAST, self.threshold)
        found = (peaks(heatmap, least) for heatmap in heatmaps)
        return linked(found, self.threshold, lag, gaps, width=self.config.width)

    def _check_delay(self, delay: int) -> None:
        if not 0 <= delay < self.config.frames:
            raise ValueError(f"delay must lie between 0 and {self.config.frames - 1} frames, not {delay}")


def _checked_threshold(threshold: float) -> float:
    if not isinstance(threshold, Real) or not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, not {threshold!r}")
    return float(threshold)


def _frames_between(before: Shown, frame: Shown) -> float:
    """The time between two frames, in frames of 1 / RATE seconds; without timestamps, by their numbers."""
    if before.time is None or frame.time is None:
        return frame.number - before.number
    return (frame.time - before.time) * RATE


def _checked(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, each checked to look like the first."""
    first = None
    for number, frame in enumerate(frames):
        if not is_rgb(frame):
            raise ValueError(f"expected (H, W, 3) uint8 RGB frames, frame {number} is {kind_of(frame)}")
        first = frame if first is None else first
        if frame.shape != first.shape:
            raise ValueError(
                f"frame {number} is {kind_of(frame)}, the first was {kind_of(first)}: resize the frames to one size"
            )
        yield frame
