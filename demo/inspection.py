"""What the network computes for one window, where draft and decision differ, and which windows are worth a look."""

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from demo import models
from demo.footage import Footage
from demo.models import INFERENCE, SLICE_SECONDS
from tracknetv5.heatmaps import Detection, decode
from tracknetv5.models import TrackNetV5
from tracknetv5.models.motion import MotionDirectionDecoupling, MotionOptions

SAME_PLACE = 4.0  # model pixels: closer than the papers' tolerance counts as one place


@lru_cache(1)
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

    start: int  # number of the first frame
    images: np.ndarray  # (T, H, W, 3) uint8 RGB
    polarity: np.ndarray  # (T - 1, 2, H, W) in [0, 1]
    attention: np.ndarray  # (T - 1, 2, H, W) in (0, 1)
    draft: np.ndarray  # (T, H, W) logits
    gated: np.ndarray  # (T, H, W) logits
    residual: np.ndarray  # (T, H, W) logits
    logits: np.ndarray  # (T, H, W)
    threshold: float

    def drafted(self, frame: int) -> np.ndarray:
        """(H, W) heat in [0, 1] that the network would give without its residual."""
        return _heat(self.gated[frame - self.start])

    def refined(self, frame: int) -> np.ndarray:
        """(H, W) heat in [0, 1] that it gives."""
        return _heat(self.logits[frame - self.start])

    def decisions(self, frame: int) -> tuple[Detection | None, Detection | None]:
        """The ball by the draft alone and by the refined heatmap, in model pixels."""
        return decode(self.drafted(frame), self.threshold), decode(self.refined(frame), self.threshold)


def window_of(frame: int, count: int, length: int = 3) -> int:
    """First frame of the window in which the tracker, at its fastest, sees `frame`: the last window is moved back."""
    return max(0, min(frame // length * length, count - length))


def inspect(name: str, footage: Footage, frame: int, a: float | None = None, b: float | None = None) -> Window:
    """The window that holds `frame`; with `a` and `b` in place of the learned attention map."""
    start = window_of(frame, len(footage), models.load(name).config.frames)
    return INFERENCE.submit(_inspect, name, footage, start, a, b).result()


@lru_cache(4)  # about 13 MB each
def _inspect(name: str, footage: Footage, start: int, a: float | None, b: float | None) -> Window:
    model, config = models.load(name).model, models.load(name).config
    if a is not None and b is not None:
        model = _with_map(model, a, b)
    images = footage.window(start, config.frames)
    frames = torch.from_numpy(images).permute(0, 3, 1, 2)[None].float() / 255  # (1, T, 3, H, W)
    if config.channel_order == "BGR":
        frames = frames.flip(2)
    with torch.inference_mode():
        seen = model.inspect(frames)
    fields = (seen.polarity, seen.attention, seen.draft, seen.gated_draft, seen.residual, seen.logits)
    return Window(start, images, *(field[0].float().numpy() for field in fields), config.threshold)


def _with_map(model: TrackNetV5, a: float, b: float) -> TrackNetV5:
    """The same network, sharing its weights, with another attention map."""
    other = copy.copy(model)
    other._modules = model._modules | {"mdd": MotionDirectionDecoupling(MotionOptions(a=a, b=b)).eval()}
    return other


def _heat(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).sigmoid().numpy()


@dataclass(frozen=True, eq=False)
class Scan:
    """Draft and decision in every frame; positions in model pixels, NaN where there is none."""

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
        """(N,) model pixels since the frame before, -inf where one of the two has no ball."""
        step = np.linalg.norm(np.diff(self.xy, axis=0, prepend=np.nan), axis=1)
        return np.where(np.isnan(step), -np.inf, step)


FINDS = {
    "Largest correction": ("residual", "nothing was corrected in this clip"),
    "Recovered ball": ("recovered", "the draft missed no ball that the residual brought back in this clip"),
    "Removed false ball": ("suppressed", "the residual removed no ball of the draft in this clip"),
    "Least certain": ("doubtful", "no ball was found in this clip"),
    "Fastest ball": ("pace", "no ball was found in two frames in a row of this clip"),
}


def find(scan: Scan, what: str) -> tuple[int | None, str]:
    """The frame with most of one of FINDS; None, and why, where the clip has none."""
    name, missing = FINDS[what]
    worth = getattr(scan, name)
    frame = int(np.argmax(worth))
    return (None, missing) if np.isneginf(worth[frame]) else (frame, "")


def scan(name: str, footage: Footage) -> Iterator[int | Scan]:
    """Look at all windows of a clip: the number of frames done, several times, then the result."""
    count, length = len(footage), models.load(name).config.frames
    starts = iter(sorted({window_of(frame, count, length) for frame in range(count)}))
    rows: dict[int, tuple] = {}

    def work() -> bool:
        until = time.monotonic() + SLICE_SECONDS
        for start in starts:
            window = _inspect.__wrapped__(name, footage, start, None, None)  # not kept: there are too many
            rows.update((frame, _row(window, frame)) for frame in range(start, min(start + length, count)))
            if time.monotonic() > until:
                return True
        return False

    while INFERENCE.submit(work).result():
        yield len(rows)
    columns = [np.array(column) for column in zip(*(rows[frame] for frame in range(count)), strict=True)]
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
        return f"Neither the draft nor the refined heatmap sees a ball; the highest heat is {change}."
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
    if apart >= SAME_PLACE:
        return (
            f"The residual moves the ball by {apart:.0f} pixels, from ({draft.x:.0f}, {draft.y:.0f}) to "
            f"({refined.x:.0f}, {refined.y:.0f}); heat there {change}."
        )
    return f"Draft and refined heatmap agree on the ball at ({refined.x:.0f}, {refined.y:.0f}); heat there {change}."


def _pixel(found: Detection) -> tuple[int, int]:
    return round(found.y), round(found.x)
