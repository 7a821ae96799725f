"""What the network computes for one window, where draft and decision differ, and which windows are worth a look."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from demo import models
from demo.footage import Footage
from demo.models import INFERENCE, SLICE_SECONDS
from demo.words import HELD
from tracknetv5.heatmaps import Detection, peaks
from tracknetv5.linking import linked
from tracknetv5.metrics import SIZE, TOLERANCE
from tracknetv5.models import TrackNetV5
from tracknetv5.models.motion import MotionDirectionDecoupling, MotionOptions
from tracknetv5.tracker import BallTracker

KEPT = 2  # windows of a clip, 20 MB each
UNDECIDED = 0.5  # heat of a logit of 0
SAME_PLACE = TOLERANCE / SIZE[1]  # of the picture's width: what is closer is right to the papers, and one place here


@cache
def network() -> str | None:
    """Display name of the first of the offered weights that can be looked into: a V5 with both of its parts."""
    for name in models.offered():
        model = models.load(name).model
        if isinstance(model, TrackNetV5) and model.mdd is not None and model.rstr is not None:
            return name
    return None


def learned_map(name: str) -> tuple[float, float]:
    """a and b of the attention map, as trained."""
    attention = models.load(name).model.mdd.attention
    return attention.a.item(), attention.b.item()


@dataclass(frozen=True, eq=False)
class Window:
    """One window of T frames and all that the network makes of it, as `tracknetv5.models.Inspection`, in NumPy."""

    start: int  # number of the first frame, counted from the start of the video
    images: np.ndarray  # (T, H, W, 3) uint8 RGB
    polarity: np.ndarray  # (T - 1, 2, H, W) in [0, 1]
    attention: np.ndarray  # (T - 1, 2, H, W) in (0, 1)
    draft: np.ndarray  # (T, H, W) logits
    gated: np.ndarray  # (T, H, W) logits
    residual: np.ndarray  # (T, H, W) logits
    logits: np.ndarray  # (T, H, W)
    threshold: float
    background: np.ndarray | None = None  # (H, W, 3) uint8 RGB; None for a network that takes none
    background_polarity: np.ndarray | None = None  # (T, 2, H, W) in [0, 1]: of each frame against it

    def drafted(self, frame: int) -> np.ndarray:
        """(H, W) heat in [0, 1] that the network would give without its residual."""
        return _heat(self.gated[frame - self.start])

    def refined(self, frame: int) -> np.ndarray:
        """(H, W) heat in [0, 1] that it gives."""
        return _heat(self.logits[frame - self.start])

    def decisions(self, frame: int) -> tuple[Detection | None, Detection | None]:
        """The ball by the draft alone and by the refined heatmap, in model pixels.

        The draft's is its hottest place: the gate pulls it towards undecided where nothing became brighter.
        """
        heat = self.drafted(frame)
        y, x = np.unravel_index(heat.argmax(), heat.shape)
        found = heat[y, x] > max(self.threshold, UNDECIDED)
        draft = Detection(float(x), float(y), float(heat[y, x])) if found else None
        # As the tracker decides where it knows nothing of the frames around.
        refined = self.refined(frame)
        return draft, next(linked([peaks(refined)], self.threshold, width=refined.shape[1]))


def window_of(row: int, count: int, length: int = 3) -> int:
    """First row of the window that shows `row`: windows in a row from the first frame on, the last one moved back.

    The tracker's windows begin anew at each cut, and leave out repeated pictures; here neither is known.
    """
    return max(0, min(row // length * length, count - length))


def inspect(name: str, footage: Footage, frame: int, a: float | None = None, b: float | None = None) -> Window:
    """The window that holds `frame`, a number in the video; with `a` and `b` in place of the learned attention map."""
    row = window_of(frame - footage.first, len(footage), models.load(name).config.frames)
    return INFERENCE.submit(_kept, name, footage, row, a, b).result()


def _kept(name: str, footage: Footage, row: int, a: float | None, b: float | None) -> Window:
    """As `_inspect`, remembered for the next question about the same window."""
    key = (name, row, a, b)
    window = footage.windows.pop(key, None) or _inspect(name, footage, row, a, b)
    footage.windows[key] = window
    if len(footage.windows) > KEPT:
        footage.windows.popitem(last=False)
    return window


def _inspect(name: str, footage: Footage, row: int, a: float | None = None, b: float | None = None) -> Window:
    tracker = models.load(name)
    if a is not None and b is not None:
        tracker = _with_map(tracker, a, b)
    images = footage.window(row, tracker.config.frames)
    background = footage.background(row) if tracker.config.background else None
    seen = tracker.inspect(images, background)
    fields = (seen.polarity, seen.attention, seen.draft, seen.gated_draft, seen.residual, seen.logits)
    parts = (field[0].numpy() for field in fields)
    moved = None if background is None else seen.background_polarity[0].numpy()
    return Window(footage.first + row, images, *parts, tracker.config.threshold, background, moved)


def _with_map(tracker: BallTracker, a: float, b: float) -> BallTracker:
    """The same network on the same device, sharing its weights, with another attention map."""
    model = copy.copy(tracker.model)
    model._modules = model._modules | {"mdd": MotionDirectionDecoupling(MotionOptions(a=a, b=b)).to(tracker.device)}
    # A copy, too: a tracker of its own would make a runtime ready, which nothing asks here.
    other = copy.copy(tracker)
    other.model = model
    return other


def _heat(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).sigmoid().numpy()


@dataclass(frozen=True, eq=False)
class Scan:
    """Draft and decision in every row of a clip; positions in model pixels, NaN where there is none."""

    draft_xy: np.ndarray  # (N, 2)
    draft_score: np.ndarray  # (N,) highest heat of the draft
    xy: np.ndarray  # (N, 2)
    score: np.ndarray  # (N,) highest heat after the residual
    residual: np.ndarray  # (N,) largest magnitude of the residual, logits

    @property
    def recovered(self) -> np.ndarray:
        """(N,) heat that the residual added where only it made a ball, -inf elsewhere."""
        only_refined = np.isnan(self.draft_xy[:, 0]) & ~np.isnan(self.xy[:, 0])
        return np.where(only_refined, self.score - self.draft_score, -np.inf)

    @property
    def suppressed(self) -> np.ndarray:
        """(N,) heat that the residual took away where only the draft had a ball, -inf elsewhere."""
        only_draft = ~np.isnan(self.draft_xy[:, 0]) & np.isnan(self.xy[:, 0])
        return np.where(only_draft, self.draft_score - self.score, -np.inf)

    @property
    def doubtful(self) -> np.ndarray:
        """(N,) minus the confidence where there is a ball, -inf elsewhere."""
        return np.where(np.isnan(self.xy[:, 0]), -np.inf, -self.score)

    @property
    def pace(self) -> np.ndarray:
        """(N,) model pixels a frame that last for HELD frames around a row, -inf where one of them has no ball."""
        step = np.linalg.norm(np.diff(self.xy, axis=0, prepend=np.nan), axis=1)
        held = sliding_window_view(np.pad(step, HELD // 2, constant_values=np.nan), HELD).min(axis=1)
        return np.where(np.isnan(held), -np.inf, held)


FINDS = {
    "Largest correction": ("residual", "nothing was corrected in this clip"),
    "Recovered ball": ("recovered", "the draft missed no ball that the residual brought back in this clip"),
    "Removed false ball": ("suppressed", "the residual removed no ball of the draft in this clip"),
    "Least certain": ("doubtful", "no ball was found in this clip"),
    "Fastest ball": ("pace", f"no ball was found in {HELD + 1} frames in a row of this clip"),
}


def find(scan: Scan, what: str) -> tuple[int | None, str]:
    """The row with most of one of FINDS; None, and why, where the clip has none."""
    name, missing = FINDS[what]
    worth = getattr(scan, name)
    row = int(np.argmax(worth))
    return (None, missing) if np.isneginf(worth[row]) else (row, "")


def scan(name: str, footage: Footage) -> Iterator[int | Scan]:
    """Look at all windows of a clip: the number of frames done, several times, then the result."""
    count, length = len(footage), models.load(name).config.frames
    starts = iter(sorted({window_of(row, count, length) for row in range(count)}))
    rows: dict[int, tuple] = {}

    def work() -> bool:
        until = time.monotonic() + SLICE_SECONDS
        for start in starts:
            window = _inspect(name, footage, start)
            rows.update((row, _row(window, footage.first + row)) for row in range(start, min(start + length, count)))
            if time.monotonic() > until:
                return True
        return False

    while INFERENCE.submit(work).result():
        yield len(rows)
    columns = [np.array(column) for column in zip(*(rows[row] for row in range(count)), strict=True)]
    yield Scan(*columns)


def _row(window: Window, frame: int) -> tuple:
    draft, refined = window.decisions(frame)
    nowhere = (np.nan, np.nan)
    return (
        nowhere if draft is None else (draft.x, draft.y),
        window.drafted(frame).max(),
        nowhere if refined is None else (refined.x, refined.y),
        window.refined(frame).max(),
        np.abs(window.residual[frame - window.start]).max(),
    )


def in_words(window: Window, frame: int) -> str:
    """What the residual did to the decision in one frame."""
    draft, refined = window.decisions(frame)
    before, after = window.drafted(frame), window.refined(frame)
    if draft is None and refined is None:
        change = f"{before.max():.2f} → {after.max():.2f}"
        return f"No ball, neither in the draft nor in the result; the highest heat is {change}."
    if refined is None:
        at = _pixel(draft)
        return (
            f"The draft saw a ball at ({draft.x:.0f}, {draft.y:.0f}); the residual takes it away: "
            f"{before[at]:.2f} → {after[at]:.2f}."
        )
    at = _pixel(refined)
    change = f"{before[at]:.2f} → {after[at]:.2f}"
    if draft is None:
        return f"The draft missed the ball at ({refined.x:.0f}, {refined.y:.0f}); the residual recovers it: {change}."
    apart = np.hypot(draft.x - refined.x, draft.y - refined.y)
    if apart >= SAME_PLACE * window.images.shape[2]:
        return (
            f"The residual moves the ball by {apart:.0f} pixels, from ({draft.x:.0f}, {draft.y:.0f}) to "
            f"({refined.x:.0f}, {refined.y:.0f}); heat there {change}."
        )
    return f"Draft and result agree on the ball at ({refined.x:.0f}, {refined.y:.0f}); heat there {change}."


def _pixel(found: Detection) -> tuple[int, int]:
    return round(found.y), round(found.x)
