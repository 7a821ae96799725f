"""Two trajectories of one clip, and perhaps the truth, frame by frame."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from tracknetv5.draw import COLOURS, draw_ball
from tracknetv5.geometry import Letterbox, resized
from tracknetv5.metrics import SIZE, TOLERANCE, count, outcomes
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import VideoWriter, read_frames

PANE_WIDTH = 640  # pixels of each half of the film, at most
WORDS = {"tp": "right", "fp1": "wrong place", "fp2": "false ball", "tn": "right: no ball", "fn": "missed"}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Row k is frame k of the part that A was tracked on; positions in pixels of the video, NaN for no ball."""

    names: tuple[str, str]  # of A and B
    video: Path
    start: float  # seconds into the video at which the part begins
    a: Trajectory
    b: np.ndarray  # (N, 2)
    truth: np.ndarray | None  # (N, 2)
    labelled: np.ndarray | None  # (N,) bool, frames that the truth says anything about
    covered: np.ndarray  # (N,) bool, frames that B says anything about: no others are compared
    pixel_aspect: Fraction = Fraction(1)  # width of the video's pixels over their height

    @property
    def apart(self) -> np.ndarray:
        """(N,) distance in pixels of a 512 x 288 picture, NaN where one of the two has no ball."""
        return np.linalg.norm(self._scored(self.a.xy) - self._scored(self.b), axis=1)

    @property
    def agree(self) -> np.ndarray:
        """(N,) bool: the same place within the papers' tolerance, or no ball twice."""
        neither = np.isnan(self.a.xy[:, 0]) & np.isnan(self.b[:, 0])
        return neither | (self.apart < TOLERANCE)

    def scores(self) -> list[list]:
        """Name, right places, wrong places, false balls, missed, precision, recall and F1 of A and B, by the truth."""
        rows, chosen = [], self.labelled & self.covered
        for letter, name, xy in zip("AB", self.names, (self.a.xy, self.b), strict=True):
            c = count(self._scored(xy)[chosen], self._scored(self.truth)[chosen])
            ratios = ["–" if np.isnan(value) else f"{value:.3f}" for value in (c.precision, c.recall, c.f1)]
            rows.append([f"{letter}: {name}", c.tp, c.fp1, c.fp2, c.fn, *ratios])
        return rows

    def worth_a_look(self) -> list[list]:
        """Frame, time, what A and B say, and how far apart, of each frame where they differ or one of them is wrong."""
        if self.truth is None:
            say = [np.where(np.isnan(xy[:, 0]), "no ball", "ball") for xy in (self.a.xy, self.b)]
            chosen = ~self.agree
        else:
            marks = [outcomes(self._scored(xy), self._scored(self.truth)) for xy in (self.a.xy, self.b)]
            say = [np.array([WORDS[mark] for mark in column], dtype=object) for column in marks]
            for column in say:
                column[~self.labelled] = "not known"
            wrong = ~np.isin(marks[0], ("tp", "tn")) | ~np.isin(marks[1], ("tp", "tn"))
            chosen = ~self.agree | (wrong & self.labelled)
        apart = self.apart
        return [
            [int(self.a.frame[row]), round(float(self.a.time[row]), 2), str(say[0][row]), str(say[1][row]),
             "" if np.isnan(apart[row]) else round(float(apart[row]), 1)]
            for row in np.flatnonzero(chosen & self.covered)
        ]  # fmt: skip

    def picture(self, image: np.ndarray, row: int) -> np.ndarray:
        """`image`, frame `row` in any size with the video's letterboxed geometry, with A, B and the truth on it."""
        box = Letterbox(self.a.size, image.shape[:2], self.pixel_aspect)
        out = image
        for xy, source in ((self.a.xy[row], "detected"), (self.b[row], "rectified")):
            if not np.isnan(xy[0]):
                out = draw_ball(out, tuple(box.to_model(xy)), source)
        if self.truth is not None and not np.isnan(self.truth[row, 0]):
            x, y = np.round(box.to_model(self.truth[row])).astype(int).tolist()
            out = cv2.drawMarker(out.copy(), (x, y), (255, 255, 255), cv2.MARKER_CROSS, 9, 1)
        return out

    def _scored(self, xy: np.ndarray) -> np.ndarray:
        return Letterbox(self.a.size, SIZE, self.pixel_aspect).to_model(xy)


def aligned(other: Trajectory, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) positions of another trajectory at `frames`, NaN for none, and (N,) whether it has the frame."""
    xy = np.full((len(frames), 2), np.nan)
    rows = np.searchsorted(other.frame, frames)
    rows[rows == len(other)] = 0
    has = other.frame[rows] == frames if len(other) else np.zeros(len(frames), bool)
    xy[has] = other.xy[rows[has]]
    return xy, has


def write_film(comparison: Comparison, path: Path, style: str, progress: Callable[[int, int], None]) -> None:
    """Both overlays side by side, in step, as one video that browsers play; `style` of `tracknetv5.draw.STYLES`."""
    a, total = comparison.a, len(comparison.a)
    shown = a.size[0], a.size[1] * float(comparison.pixel_aspect)
    shrunk = min(1.0, PANE_WIDTH / shown[1])
    height, width = (round(side * shrunk) for side in shown)
    tracks = [resized(xy, a.size, (height, width)) for xy in (a.xy, comparison.b)]
    begins = np.searchsorted(a.shot, a.shot)  # no tail reaches back across a cut
    with VideoWriter(path, (height, 2 * width), a.fps) as writer:
        part = dict(size=(height, width), start=comparison.start, seeking=lambda: progress(0, total))
        for row, frame in enumerate(read_frames(comparison.video, **part)):
            if row == total:
                break
            panes = []
            for xy, source, name in zip(tracks, ("detected", "rectified"), "AB", strict=True):
                trail = [tuple(point) for point in xy[max(begins[row], row - 12) : row]]
                pane = draw_ball(frame.image, None if np.isnan(xy[row, 0]) else tuple(xy[row]), source, trail, style)
                cv2.putText(
                    pane, name, (12, height - 14), cv2.FONT_HERSHEY_SIMPLEX, 1.0, COLOURS[source], 2, cv2.LINE_AA
                )
                panes.append(pane)
            writer.write(np.hstack(panes), float(a.time[row] - a.time[0]))
            progress(row + 1, total)
