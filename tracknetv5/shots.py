"""What a frame is to the one before it: a new picture, the first of another shot, or the same picture once more.

Cameras cut, and re-encoding to another frame rate repeats frames. Either breaks the motion that the networks look for,
so windows hold new pictures of one shot, and a repetition is answered as the frame that it repeats.

The limits below were chosen by eye on 3,109 pairs of consecutive frames of broadcast rallies in three sports, on 1,315
pairs of frames from different clips, and on clips in which frames were repeated and encoded again at several qualities.
The clips were those of training and of validation, without their labels: what benchmarks.accuracy says of val has seen
val in so far.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from tracknetv5.geometry import Letterbox

FINE, COARSE = (128, 72), (32, 18)  # cells across and down that a picture is averaged to
STILL = 2  # of 255 levels: pictures are the same if no fine cell differs by more,
NEARLY_STILL = 8  # or, since encoding the same picture twice leaves traces, by more than this,
USUAL_SHARE = 3  # and by more than a third of what is usual in this footage:
USUAL = 0.75  # the quantile of the changes
USUAL_OVER = 16  # in so many frames
CHANGED = 16  # of 255 levels: a coarse cell that differs by more has changed,
CUT_SHARE = 0.15  # and if more than this share of the cells has, it is a cut,
CUT_RATIO = 3  # unless a change of a third of it or more, as of a fast pan, came
CUT_OVER = 4  # just before
# Repetitions in a row after which windows, and a live background, begin anew: nothing leads across so long a pause.
STANDSTILL = 30


class ChangeDetector:
    """Call it with the frames in order, (H, W, 3) uint8 of one size: "new" (so is the first), "cut" or "repeat".

    A repeated frame is compared with the one it repeats, so that slow changes add up to a new picture.
    """

    def __init__(self) -> None:
        self._fine = self._coarse = None  # of the last frame that was no repetition
        self._changes: deque[int] = deque(maxlen=USUAL_OVER)
        self._shares: deque[float] = deque(maxlen=CUT_OVER)

    def __call__(self, image: np.ndarray) -> str:
        fine = cv2.resize(image, FINE, interpolation=cv2.INTER_AREA)
        before, before_coarse = self._fine, self._coarse
        if before is not None:
            change = int(cv2.absdiff(fine, before).max())
            usual = sorted(self._changes)[int(USUAL * len(self._changes))] if self._changes else 0
            self._changes.append(change)
            if change <= max(STILL, min(NEARLY_STILL, usual / USUAL_SHARE)):
                return "repeat"
        coarse = cv2.resize(fine, COARSE, interpolation=cv2.INTER_AREA)
        self._fine, self._coarse = fine, coarse
        if before is None:
            return "new"
        share = float((cv2.absdiff(coarse, before_coarse).max(axis=2) > CHANGED).mean())
        cut = share > CUT_SHARE and share > CUT_RATIO * max(self._shares, default=0.0)
        self._shares.append(min(share, CUT_SHARE) if cut else share)  # another cut may follow at once
        return "cut" if cut else "new"


class Shown(NamedTuple):
    """A frame as the networks are to see it."""

    number: int
    time: float | None
    picture: str  # "new", "cut" or "repeat"
    shot: int  # windows hold frames of one shot; repetitions beyond STANDSTILL are a shot of their own
    image: np.ndarray | None  # (H, W, 3) uint8 RGB on the network's canvas; None for a repetition


def watch(frames: Iterable[tuple[int, float | None, np.ndarray]], letterbox: Letterbox) -> Iterator[Shown]:
    """Each of the frames (number, time, image), letterboxed and compared with the one before it."""
    top, left, height, width = letterbox.content
    detector = ChangeDetector()
    shot = repetitions = 0
    for number, time, image in frames:
        canvas = letterbox.apply(image)
        picture = detector(canvas[top : top + height, left : left + width])
        if picture == "repeat":
            repetitions += 1
            shot += repetitions == STANDSTILL + 1
            yield Shown(number, time, picture, shot, None)
        else:
            shot += picture == "cut" or repetitions > STANDSTILL
            repetitions = 0
            yield Shown(number, time, picture, shot, canvas)
