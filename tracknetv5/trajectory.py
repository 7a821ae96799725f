"""The ball in every frame of a video, as arrays: checked, saved, loaded, and its short gaps filled."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

SOURCES = ("", "detected", "rectified", "interpolated")
PICTURES = ("new", "cut", "repeat")  # what a frame shows: a new picture, the first of another shot, the last one again
COLUMNS = ("Frame", "Visibility", "X", "Y", "Score", "Source", "Time")

# Filling of gaps, chosen on labelled training clips; benchmarks/gaps.py measures what is filled, and how well.
GAP = 5  # frames of the longest gap that is filled unless said otherwise
MEET = 0.006  # share of the frame's height, for each 1 / RATE seconds of the gap: the two flights may miss by it
TURN = 0.005  # and their velocities, a 1 / RATE seconds, may differ by it
SPAN = 4.0  # of 1 / RATE seconds; in a longer gap both may be less, for a bounce leads farther away from a parabola
RATE = 30.0  # frames a second of most of that footage
RATE_TOLERANCE = 0.05  # share by which a claimed rate may be off: timestamps of short parts are no better
DEFAULT_HEIGHT = 720  # pixels, where the frame size is not known


@dataclass(frozen=True, slots=True)
class Point:
    """The ball in one frame."""

    frame: int
    xy: tuple[float, float] | None  # pixels of the source frame; None: no ball
    score: float  # peak of the heatmap in [0, 1]; 0 where there is no ball
    source: str  # one of SOURCES
    time: float | None = None  # seconds; None if unknown
    picture: str = "new"  # one of PICTURES


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One row for each of N frames, in order; `xy` is NaN, `score` 0 and `source` empty where there is no ball.

    Coordinates are pixels of the source frame, pixel centres at integers. Raises ValueError when built from arrays that
    do not fit together.
    """

    frame: np.ndarray  # (N,) int64, increasing
    time: np.ndarray  # (N,) float64 seconds, increasing; all NaN if unknown
    xy: np.ndarray  # (N, 2) float64
    score: np.ndarray  # (N,) float64 in [0, 1]
    source: np.ndarray  # (N,) str, one of SOURCES
    size: tuple[int, int] | None = None  # (height, width) of the source frame
    fps: Fraction | None = None
    cuts: tuple[int, ...] = ()  # frames that are the first of another shot, increasing
    repeats: tuple[int, ...] = ()  # frames that show the picture before them once more, increasing

    def __post_init__(self) -> None:
        arrays = {
            "frame": np.asarray(self.frame, np.int64),
            "time": np.asarray(self.time, np.float64),
            "xy": np.asarray(self.xy, np.float64),
            "score": np.asarray(self.score, np.float64),
            "source": np.asarray(self.source, str),
        }
        count = arrays["frame"].size
        for name, array in arrays.items():
            expected = (count, 2) if name == "xy" else (count,)
            if array.shape != expected:
                raise ValueError(f"{name} must have the shape {expected}, not {array.shape}")
        if unknown := set(arrays["source"]) - set(SOURCES):
            raise ValueError(f"source must be one of {SOURCES}, not {sorted(unknown)}")
        arrays["source"] = arrays["source"].astype("<U12")  # wide enough for every source, whatever came in
        for name, array in arrays.items():
            object.__setattr__(self, name, array)

        if (self.frame < 0).any() or (np.diff(self.frame) <= 0).any():
            raise ValueError("frame must count up from 0 or more without repetition")
        if not np.isnan(self.time).all() and not (np.isfinite(self.time).all() and (np.diff(self.time) > 0).all()):
            raise ValueError("time must be finite and increasing, or NaN throughout")
        if not (np.isfinite(self.xy).all(1) | np.isnan(self.xy).all(1)).all():
            raise ValueError("xy must be two finite numbers, or NaN twice where there is no ball")
        if ((self.source != "") != self.visible).any():
            raise ValueError("source must be empty exactly where xy is NaN")
        if not ((self.score >= 0) & (self.score <= 1)).all() or self.score[~self.visible].any():
            raise ValueError("score must lie between 0 and 1, and be 0 where there is no ball")
        if self.size is not None and min(self.size) < 1:
            raise ValueError(f"size must be (height, width) of at least 1 pixel, not {self.size}")
        if self.fps is not None and self.fps <= 0:
            raise ValueError(f"fps must be positive, not {self.fps}")
        for name in ("cuts", "repeats"):
            numbers = tuple(map(int, getattr(self, name)))
            if sorted(set(numbers)) != list(numbers):
                raise ValueError(f"{name} must be increasing frame numbers")
            object.__setattr__(self, name, numbers)

    @classmethod
    def from_points(
        cls, points: Sequence[Point], *, size: tuple[int, int] | None = None, fps: Fraction | None = None
    ) -> "Trajectory":
        """The trajectory of consecutive points; `size` (height, width) and `fps` are those that their video claims.

        Where the times of the points are known and tell another rate, `fps` is theirs.
        """
        if fps is not None and len(points) > 1 and points[0].time is not None:
            first, last = points[0], points[-1]
            rate = (last.frame - first.frame) / (last.time - first.time)
            if abs(rate / fps - 1) > RATE_TOLERANCE:
                fps = Fraction(rate).limit_denominator(100) or Fraction(1 / rate).limit_denominator(100) ** -1
        return cls(
            frame=[point.frame for point in points],
            time=[np.nan if point.time is None else point.time for point in points],
            xy=np.array([point.xy or (np.nan, np.nan) for point in points], np.float64).reshape(-1, 2),
            score=[point.score for point in points],
            source=[point.source for point in points],
            size=size,
            fps=fps,
            cuts=[point.frame for point in points if point.picture == "cut"],
            repeats=[point.frame for point in points if point.picture == "repeat"],
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def visible(self) -> np.ndarray:
        """(N,) bool: a ball is known, from whatever source."""
        return ~np.isnan(self.xy[:, 0])

    @property
    def shot(self) -> np.ndarray:
        """(N,) int64 number of the shot that a frame belongs to, from 0."""
        return np.searchsorted(np.array(self.cuts, np.int64), self.frame, side="right")

    def runs(self) -> list[tuple[int, int]]:
        """(first, last) rows, both included, of each stretch of consecutive frames of one shot with a ball."""
        linked = self.visible[1:] & self.visible[:-1] & (np.diff(self.frame) == 1) & (np.diff(self.shot) == 0)
        first = np.flatnonzero(self.visible & ~np.r_[False, linked])
        last = np.flatnonzero(self.visible & ~np.r_[linked, False])
        return list(zip(first.tolist(), last.tolist(), strict=True))

    def speed(self) -> np.ndarray:
        """(N,) float64 pixels per second since the frame before, or since the one that this repeats.

        NaN without a ball there or here, across a cut, or without a known time. A repeated frame has the speed of the
        one that it repeats.
        """
        speed = np.full(len(self), np.nan)
        new = np.flatnonzero(~np.isin(self.frame, self.repeats))
        distance = np.linalg.norm(np.diff(self.xy[new], axis=0), axis=1)
        linked = (np.diff(self.frame[new]) == np.diff(new)) & (np.diff(self.shot[new]) == 0)
        speed[new[1:]] = np.where(linked, distance / np.diff(self.time[new]), np.nan)
        return speed[self._shown()]

    def fill_gaps(self, max_frames: int = GAP) -> "Trajectory":
        """A copy in which short gaps are filled where the ball flies on as it flew; those points are `interpolated`.

        A gap of at most `max_frames` frames is filled if a ball was detected in the two pictures before it and in the
        two after it, if the mean of the velocities before and after leads from its one end to the other (to MEET), and
        if they differ no more than a flight's do (TURN). A ball that bounced or was hit within the gap fails this,
        unless it was slow, and the gap stays; so does a gap across a cut, and one where the ball would have left the
        frame. The points filled in lie on the parabola that fits the four best, and have the score 0; a repeated frame
        gets the point of the one that it repeats. A height of 720 is assumed where `size` is None, and RATE where times
        are unknown.

        Raises ValueError for a negative `max_frames`.
        """
        if max_frames < 0:
            raise ValueError(f"max_frames must be 0 or more, not {max_frames}")
        xy, source, shot = self.xy.copy(), self.source.copy(), self.shot
        new = np.flatnonzero(~np.isin(self.frame, self.repeats))  # a repeated frame is no second look
        for (_, before), (after, _) in pairwise(self.runs()):
            gap = np.arange(before + 1, after)
            whole = self.frame[after] - self.frame[before] == gap.size + 1 and shot[before] == shot[after]
            if 0 < gap.size <= max_frames and whole:
                left, right = np.searchsorted(new, before, side="right"), np.searchsorted(new, after)
                filled = self._bridge(gap, np.r_[new[max(left - 2, 0) : left], new[right : right + 2]])
                if filled is not None:
                    xy[gap], source[gap] = filled, "interpolated"
        return self.with_filled(xy, source)

    def with_filled(self, xy: np.ndarray, source: np.ndarray) -> "Trajectory":
        """A copy with these positions (N, 2) and sources (N,); a repeated frame has those of the one it repeats."""
        shown = self._shown()
        filled = self.source != source
        filled |= filled[shown]
        xy, source = xy.copy(), source.copy()
        xy[filled], source[filled] = xy[shown[filled]], source[shown[filled]]
        return replace(self, xy=xy, source=source)

    def _shown(self) -> np.ndarray:
        """(N,) the row whose picture a frame shows: its own, or that of the one it repeats."""
        new = np.flatnonzero(~np.isin(self.frame, self.repeats))
        if not len(new):
            return np.arange(len(self))
        return new[np.maximum(np.searchsorted(new, np.arange(len(self)), side="right") - 1, 0)]

    def _bridge(self, gap: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
        """(len(gap), 2) positions in a gap by the rows of two pictures before it and two after it, if these agree."""
        if len(rows) < 4 or len(set(self.shot[rows])) > 1 or (self.source[rows] != "detected").any():
            return None
        clock = self.frame - self.frame[gap[0]] if np.isnan(self.time).any() else RATE * (self.time - self.time[gap[0]])
        t, xy = clock[rows], self.xy[rows]
        length = t[2] - t[1]
        before, after = (xy[1] - xy[0]) / (t[1] - t[0]), (xy[3] - xy[2]) / (t[3] - t[2])
        missed = np.linalg.norm(xy[2] - xy[1] - length * (before + after) / 2)
        turned = np.linalg.norm(after - before)
        # From a bounce that it is taken for, a parabola is turned * length / 8 away: that stops growing at SPAN.
        allowed = min(length, SPAN**2 / length) * (self.size[0] if self.size else DEFAULT_HEIGHT)
        if missed > MEET * allowed or turned > TURN * allowed:
            return None
        parabola = np.polynomial.polynomial.polyfit(t, xy, 2)  # (3, 2)
        filled = np.polynomial.polynomial.polyval(clock[gap], parabola).T
        if self.size and not ((filled >= 0) & (filled < self.size[::-1])).all():
            return None
        return filled

    def to_csv(self, path: str | PathLike) -> None:
        """Write COLUMNS, one line a frame: X and Y to 0.01 px, 0 where there is no ball; Time to a microsecond."""
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for frame, visible, x, y, score, source, time in zip(*self._columns().values(), strict=True):
                position = (f"{x:.2f}", f"{y:.2f}") if visible else (0, 0)
                stamp = "" if np.isnan(time) else f"{time:.6f}"
                writer.writerow((frame, visible, *position, f"{score:.4f}", source, stamp))

    def to_json(self, path: str | PathLike) -> None:
        """Write size, fps ("30000/1001"), cuts, repeats and one point a frame, with null for what is not there."""

        def known(value: float) -> float | None:
            return None if np.isnan(value) else value

        points = [
            {
                "frame": frame,
                "time": known(time),
                "x": known(x),
                "y": known(y),
                "score": score,
                "source": source,
            }
            for frame, time, (x, y), score, source in zip(
                self.frame.tolist(),
                self.time.tolist(),
                self.xy.tolist(),
                self.score.tolist(),
                self.source.tolist(),
                strict=True,
            )
        ]
        size = None if self.size is None else {"height": int(self.size[0]), "width": int(self.size[1])}
        fps = None if self.fps is None else str(self.fps)
        content = {"size": size, "fps": fps, "cuts": self.cuts, "repeats": self.repeats, "points": points}
        text = json.dumps(content, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    def to_dataframe(self) -> "pandas.DataFrame":
        """The table that `to_csv` writes, unrounded; Time is NaN if unknown."""
        import pandas

        return pandas.DataFrame(self._columns())

    def _columns(self) -> dict[str, np.ndarray]:
        x, y = np.nan_to_num(self.xy).T
        columns = (self.frame, self.visible.astype(np.int64), x, y, self.score, self.source, self.time)
        return dict(zip(COLUMNS, columns, strict=True))

    @classmethod
    def from_csv(cls, path: str | PathLike) -> "Trajectory":
        """Read what `to_csv` wrote, or any table with the columns Frame, Visibility, X and Y of other tools.

        Where the other columns are missing, a ball counts as detected with score 1, and times are NaN. Rows with
        Visibility -1, not labelled, are left out. Size, fps, cuts and repeats are not in the file.

        Raises ValueError, naming the file and the line, for anything else, and OSError if it cannot be opened.
        """
        rows = []
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            try:
                names = reader.fieldnames or ()
                missing = [name for name in COLUMNS[:4] if name not in names]
                for row in () if missing else reader:
                    visibility = int(float(row["Visibility"]))
                    if visibility >= 0:
                        rows.append(_parse(row, visibility > 0))
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}: is no text in UTF-8; save the table as CSV in UTF-8") from error
            except (TypeError, ValueError, OverflowError, csv.Error) as error:
                raise ValueError(f"{path}, line {reader.line_num}: {error}; correct or remove this line") from error
        if missing and any(mark in name for mark in ";\t" for name in names):
            raise ValueError(f"{path}: its columns are not separated by commas; save the table as CSV with commas")
        if missing:
            raise ValueError(f"{path}: has no column {', '.join(missing)}; expected a header with Frame,Visibility,X,Y")
        frame, time, xy, score, source = zip(*rows, strict=True) if rows else ([],) * 5
        try:
            return cls(frame, time, np.reshape(xy, (-1, 2)), score, source)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; correct the table") from error


def _parse(row: dict[str, str | None], visible: bool) -> tuple[int, float, tuple[float, float], float, str]:
    """(frame, time, (x, y), score, source) of one line of a table."""
    xy = (float(row["X"]), float(row["Y"])) if visible else (np.nan, np.nan)
    score = float(row.get("Score") or 1) if visible else 0.0
    source = (row.get("Source") or "detected") if visible else ""
    frame = int(np.int64(int(float(row["Frame"]))))  # refuses what does not fit into the array of frames
    return frame, float(row.get("Time") or "nan"), xy, score, source
