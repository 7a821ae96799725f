"""The background of a clip: the median of its frames, in which whatever moves is gone.

Frames that are kept are copied: whoever hands them in may fill the same array again.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

SAMPLE = 64  # frames, an even number; the sample holds between half of them and all
SPAN = 256  # pictures that a background is made of, if the shot is long enough,
SPREAD = 32  # by so many of them
RECENT = 31  # pictures that a background is made of while a source is live,
SPACING = 16  # each so many after the one before, once there are enough of them


def median_background(frames: Iterable[np.ndarray]) -> np.ndarray:
    """The median image of a sequence of (H, W, 3) uint8 frames, from an evenly spaced sample of at most SAMPLE frames.

    Raises:
        ValueError: there is no frame.
    """
    sample, spacing = [], 1
    for number, frame in enumerate(frames):
        if number % spacing == 0:
            if len(sample) == SAMPLE:  # the length is not known beforehand: halve the sample, double its spacing
                sample = sample[::2]
                spacing *= 2
            sample.append(frame.copy())
    if not sample:
        raise ValueError("a background needs at least one frame")
    return median(sample)


def with_backgrounds(pictures: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each picture of a shot, and the background around it: the median of SPREAD of the SPAN pictures near it.

    Holds SPAN pictures, and so answers that much later.
    """
    pictures, near = iter(pictures), deque(maxlen=SPAN)
    while part := [picture.copy() for picture in islice(pictures, SPAN // 2 if near else SPAN)]:
        near.extend(part)
        places = np.linspace(0, len(near) - 1, min(SPREAD, len(near))).round().astype(int)
        background = median([near[place] for place in places])
        yield from ((picture, background) for picture in part)


class RecentBackground:
    """The background of a live shot: call it with each picture, (H, W, 3) uint8, for the median of those so far.

    Of RECENT pictures at most, the last SPACING * RECENT or so. A few rows are computed at a time, so that no picture
    takes longer than another; the first background is the first picture itself, in which nothing moves.
    """

    def __init__(self) -> None:
        self._sample: deque[np.ndarray] = deque(maxlen=RECENT)
        self._background: np.ndarray | None = None
        self._count, self._spacing = 0, 1

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        if self._count % self._spacing == 0:
            if len(self._sample) == RECENT and self._spacing < SPACING:
                self._sample = deque(islice(self._sample, 0, None, 2), RECENT)
                self._spacing *= 2
            self._sample.append(picture.copy())
        if self._background is None:
            self._background = picture.copy()
        due = self._count % SPACING
        rows = slice(due * len(picture) // SPACING, (due + 1) * len(picture) // SPACING)
        self._background[rows] = median([seen[rows] for seen in self._sample])
        self._count += 1
        return self._background


def median(images: Sequence[np.ndarray]) -> np.ndarray:
    """The median of 1 to 255 uint8 images of one shape; of an even number, the lower of the two in the middle.

    Bit by bit, from the highest: the median is the largest value that no more than half of the images lie below. A
    tenth of the time that sorting takes.
    """
    middle = (len(images) - 1) // 2
    result = np.zeros_like(images[0])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        higher = result | np.uint8(bit)
        below = np.zeros_like(result)
        for image in images:
            below += image < higher
        np.copyto(result, higher, where=below <= middle)
    return result
