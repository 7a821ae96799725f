"""What a network or a file of predictions says about labelled clips, beside what the labels say.

Protocol `frame`: one prediction a frame by `BallTracker`, as a user gets it; right if less than 4 px away, in pixels of
a 512 x 288 picture letterboxed like the network's input. Predictions in CSV files are measured in the same way.

Protocol `paper`: every heatmap counts, as the papers count. Windows at every frame, of 512 x 288 pixels whatever size
the network was made for; each heatmap is decoded alone by `decode_reference` to whole pixels; the labels are scaled by
512 / width and 288 / height (no half pixel) and truncated to whole pixels; right if less than 4 px away. A ball whose
place is not labelled is FP2 if one is predicted, FN if not. Weights of TrackNetV3 have its own decoder and up to and
including 4 px, and no rectifier. 16:9 footage looks as it does to the papers' networks but for the kind of
interpolation; other footage is letterboxed, not stretched.
"""

import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path

import numpy as np

from benchmarks.splits import RADIUS, SPLITS, path_order, read_tennis_folder
from tracknetv5.background import median_background
from tracknetv5.data.readers import NO_CLASS, UNLABELLED, VISIBLE, Clip, DatasetError, read_clips
from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import Detection, decode_reference, decode_reference_v3, peaks
from tracknetv5.linking import LAG, linked
from tracknetv5.metrics import SIZE, TOLERANCE, outcomes
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Trajectory
from tracknetv5.windows import windows

PRECISION = "float32"  # of all figures but those of speed and latency: on any machine the same
THRESHOLDS = tuple(round(0.05 * k, 2) for k in range(1, 20))
PAPER_THRESHOLD = 128 / 255  # uint8(255 p) > 127
V3_TOLERANCE = float(np.nextafter(TOLERANCE, np.inf))  # `outcomes` takes what is less: this admits 4 px
WINDOW = 2 * RADIUS + 1  # frames in a window of the papers' splits
NONE = (np.nan, np.nan)


@dataclass(frozen=True)
class Scored:
    """Predictions in one clip that its labels can judge: one row a frame, or with `paper` a heatmap."""

    clip: Clip
    frame: np.ndarray  # (N,) int64
    predicted: np.ndarray  # (N, 2) pixels of SIZE, NaN for no ball
    labelled: np.ndarray  # (N, 2) pixels of SIZE, NaN for no ball, or one of unknown place
    ball: np.ndarray  # (N,) bool: there is a ball
    tolerance: float = TOLERANCE
    at_threshold: np.ndarray | None = None  # (K, N, 2) what would be predicted at each of THRESHOLDS, if known

    @cached_property
    def outcome(self) -> np.ndarray:
        """(N,) "tp", "fp1", "fp2", "tn", "fn"."""
        return outcomes(self.predicted, self.labelled, self.tolerance, self.ball)

    @property
    def distance(self) -> np.ndarray:
        """(N,) pixels of SIZE between prediction and label; NaN without either."""
        return np.linalg.norm(self.predicted - self.labelled, axis=1)

    @cached_property
    def second(self) -> np.ndarray:
        """(N,) second of footage in which the frame is shown."""
        return (self.frame / self.clip.fps).astype(int)


class SweepingTracker(BallTracker):
    """A tracker that also notes, from the heatmaps it makes anyway, where the ball would be at each of THRESHOLDS."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.candidates: list[list[tuple[float, float]]] = []  # [frame][threshold], pixels of the network's input

    def link(
        self, heatmaps: Iterable[np.ndarray], lag: int | None = LAG, gaps: Iterable[float] | None = None
    ) -> Iterator[Detection | None]:
        seen, between = [], []

        def noted() -> Iterator[list[Detection]]:
            for heatmap in heatmaps:
                seen.append(peaks(heatmap))
                yield seen[-1]

        def noted_gaps() -> Iterator[float]:
            for gap in repeat(1.0) if gaps is None else gaps:
                between.append(gap)
                yield gap

        width = self.config.width
        yield from linked(noted(), self.threshold, lag, noted_gaps(), width=width)
        swept = (linked(seen, threshold, lag, between, width=width) for threshold in THRESHOLDS)
        for row in zip(*swept, strict=True):
            self.candidates.append([NONE if ball is None else (ball.x, ball.y) for ball in row])


def by_frame(tracker: SweepingTracker, clip: Clip) -> Scored:
    """Protocol `frame`. Warns of labelled frames that do not decode: no ball was found there.

    The candidates at each threshold are what the network says, before any gap is filled.
    """
    tracker.candidates = []
    trajectory = tracked(tracker, clip)
    letterbox = Letterbox(clip.size, (tracker.config.height, tracker.config.width))
    candidates = letterbox.to_source(np.moveaxis(np.array(tracker.candidates), 1, 0))
    return _scored(clip, trajectory, candidates)


def tracked(tracker: BallTracker, clip: Clip) -> Trajectory:
    """What a user gets of the clip's footage."""
    if not clip.source.is_dir():
        return tracker.track(clip.source)
    return tracker.complete(Trajectory.from_points(list(tracker.stream(clip.images())), size=clip.size))


def by_file(folder: Path, clip: Clip) -> Scored:
    """Protocol `frame` for `FOLDER/CLIP.csv`: Frame, Visibility, X, Y in pixels of the stored footage.

    Warns of labelled frames without a row: no ball was found there.
    """
    return _scored(clip, Trajectory.from_csv(prediction_file(folder, clip)))


def prediction_file(folder: Path, clip: Clip) -> Path:
    return Path(folder) / f"{clip.name}.csv"


def _scored(clip: Clip, trajectory: Trajectory, candidates: np.ndarray | None = None) -> Scored:
    """What a trajectory, and what (K, len(trajectory), 2) candidates in source pixels, say in the labelled frames."""
    rows = trajectory.frame < len(clip)
    labelled = clip.visibility != UNLABELLED
    if missing := np.setdiff1d(np.flatnonzero(labelled), trajectory.frame).size:
        warnings.warn(
            f"{clip.source}: {missing} of {labelled.sum()} labelled frames have no prediction: they count as frames in "
            "which no ball was found",
            stacklevel=2,
        )

    def in_clip(xy: np.ndarray) -> np.ndarray:
        """(..., len(trajectory), 2) source pixels -> (..., N, 2) pixels of SIZE in the labelled frames."""
        placed = np.full((*xy.shape[:-2], len(clip), 2), np.nan)
        placed[..., trajectory.frame[rows], :] = xy[..., rows, :]
        return Letterbox(clip.size, SIZE).to_model(placed[..., labelled, :])

    return Scored(
        clip,
        frame=np.flatnonzero(labelled),
        predicted=in_clip(trajectory.xy),
        labelled=Letterbox(clip.size, SIZE).to_model(clip.xy[labelled]),
        ball=clip.visibility[labelled] == VISIBLE,
        at_threshold=None if candidates is None else in_clip(candidates),
    )


def by_heatmap(
    tracker: BallTracker,
    clip: Clip,
    starts: Collection[int] | None = None,
    thresholds: Sequence[float] = (PAPER_THRESHOLD,),
) -> list[Scored]:
    """Protocol `paper`, of the windows that begin at the frames `starts`, or of all.

    Args:
        thresholds: where the papers' decoder cuts; theirs is PAPER_THRESHOLD.

    Returns:
        What is scored at each of the thresholds.

    Raises:
        ValueError: `starts` of windows that are not the network's, or an ONNX file for pictures of another size.
        DatasetError: the footage has fewer frames than labels.
    """
    config = tracker.config
    if starts is not None and config.frames != WINDOW:
        raise ValueError(f"the windows of this split hold {WINDOW} frames, those of {config.model} {config.frames}")
    if tracker.runtime == "onnx" and (config.height, config.width) != SIZE:
        raise ValueError(
            f"the protocol shows pictures of {SIZE[0]} x {SIZE[1]} and the ONNX file takes {config.height} x "
            f"{config.width} alone: name the weights that it was exported from, with --runtime torch"
        )
    is_v3 = config.model == "tracknet_v3"
    decode_one, tolerance = (decode_reference_v3, V3_TOLERANCE) if is_v3 else (decode_reference, TOLERANCE)
    # Convolutions take pictures of any size.
    tracker = tracker.with_settings(threshold=tracker.threshold, step=tracker.step)
    tracker.config = replace(config, height=SIZE[0], width=SIZE[1])
    background = median_background(clip.images(SIZE)) if config.background else None
    frame, end = [], 0
    predicted = [[] for _ in thresholds]
    for start, window in windows(clip.images(SIZE), config.frames, 1):
        end = start + config.frames
        if end > len(clip):  # behind the labels, or a clip shorter than a window
            break
        if starts is None or start in starts:
            for _, heatmap in tracker.heatmaps(window, background=background):  # one window long: nothing is averaged
                for threshold, rows in zip(thresholds, predicted, strict=True):
                    # The decoder's own threshold stays, and what was at ours is moved to it.
                    moved = heatmap if threshold == PAPER_THRESHOLD else heatmap * (PAPER_THRESHOLD / threshold)
                    rows.append(decode_one(np.minimum(moved, 1)) or NONE)
            frame += range(start, end)
    if end < len(clip):
        raise DatasetError(f"{clip.source}: the footage ends before its {len(clip)} labels: it is cut or damaged")
    ball = (clip.visibility == VISIBLE) | (clip.difficulty != NO_CLASS)
    frame = np.array(frame, int)
    judged = (ball | (clip.visibility != UNLABELLED))[frame]
    frame, targets = frame[judged], _reference_targets(clip)[frame[judged]]
    return [
        Scored(clip, frame, np.reshape(rows, (-1, 2))[judged], targets, ball[frame], tolerance) for rows in predicted
    ]


def _reference_targets(clip: Clip) -> np.ndarray:
    """(N, 2) labels in whole pixels of SIZE, as the reference code scales them; NaN stays NaN."""
    top, left, height, width = Letterbox(clip.size, SIZE).content
    scale = np.array([width / clip.size[1], height / clip.size[0]])
    return np.trunc(clip.xy * scale + (left, top))


def held_out(root: Path, split: str) -> tuple[list[Clip], dict[Path, set[int]]]:
    """The clips of the tennis folder that hold validation windows of one of SPLITS.

    Returns:
        The clips, and for the folder of each the first frames of its validation windows.

    Raises:
        DatasetError: images are missing, or there is no such window.
        ValueError: not the layout of the tennis data set.
    """
    lengths = read_tennis_folder(root).lengths
    _, val = SPLITS[split](lengths)
    by_name = {f"{clip.group}/{clip.source.name}": clip for clip in read_clips(root)}
    clips, starts = [], {}
    for index, name in enumerate(path_order(lengths)):
        centres = val[val[:, 0] == index, 1]
        if not len(centres):
            continue
        clip = by_name[name]
        present = {int(path.stem) for path in clip.source.iterdir() if path.stem.isdecimal()}
        if missing := sorted(set(range(lengths[name])) - present):
            raise DatasetError(f"{clip.source}: no image of frame {missing[0]}: a split needs all frames of a clip")
        clips.append(clip)
        starts[clip.source] = set((centres - RADIUS).tolist())
    if not clips:
        raise DatasetError(f"{root}: too few frames: no window is left for validation")
    return clips, starts
