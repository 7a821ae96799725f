"""Which window of the network answers which frame, and when: frames in, the same frames with their heatmaps out.

Windows hold the pictures of one shot. A repeated frame is no picture of its own: it fills no place in a window and has
the heatmap of the frame that it repeats (see shots.py).

Offline, `by_shot`: windows begin every `step` pictures, and the last ends with the shot. A frame comes when the last
window that sees it is there, with the mean over all of them.

Live, `with_delay`: a frame comes after `delay` further ones at most, from a window that ends with the newest picture.
The same window answers those frames, too, that would wait too long for the next one, `step` frames later; at the end of
the shot, all that are left. With windows of 3, for frames 0, 1, 2, ...:

    delay  step     windows end with  and answer
    0      1, 2, 3  0, 1, 2, 3, ...   0; 1; 2; 3; ...
    1      1        1, 2, 3, 4, ...   0; 1; 2; 3; ...
    1      2, 3     1, 3, 5, ...      0 and 1; 2 and 3; 4 and 5; ...
    2      1        2, 3, 4, 5, ...   0; 1; 2; 3; ...
    2      2        2, 4, 6, ...      0 and 1; 2 and 3; 4 and 5; ...
    2      3        2, 5, 8, ...      0, 1 and 2; 3, 4 and 5; ...
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby
from operator import attrgetter

import numpy as np

from tracknetv5.predictor import Seen
from tracknetv5.shots import Shown

Answer = tuple[Shown, np.ndarray]  # a frame and its heatmap, (H, W) float32 in [0, 1]


def by_shot(
    shown: Iterable[Shown], heatmaps: Callable[[Iterator[np.ndarray]], Iterator[tuple[int, np.ndarray]]]
) -> Iterator[Answer]:
    """Each frame and its heatmap, once it is final.

    Args:
        shown: the frames of a video.
        heatmaps: given the pictures of one shot, yields (number, heatmap) of each, as `HeatmapPredictor.heatmaps` does.
    """
    heatmap = None
    for _, frames in groupby(shown, key=attrgetter("shot")):
        first = next(frames)
        frames = chain([first], frames)
        if first.image is None:  # a standstill goes on
            yield from ((frame, heatmap) for frame in frames)
            continue
        waiting = deque()  # frames in the network, each with its repetitions: they come before it is final
        for _, heatmap in heatmaps(_pictures(frames, waiting)):
            yield from ((frame, heatmap) for frame in waiting.popleft())


def _pictures(frames: Iterable[Shown], waiting: deque[list[Shown]]) -> Iterator[np.ndarray]:
    """The pictures among the frames of a shot; each goes to the end of `waiting`, with those that repeat it."""
    for frame in frames:
        if frame.image is None:
            waiting[-1].append(frame)
        else:
            waiting.append([frame])
            yield frame.image


def with_delay(
    shown: Iterable[Shown],
    delay: int,
    *,
    length: int,
    step: int,
    begin: Callable[[], Callable[[np.ndarray], Seen]],
    infer: Callable[[list[Seen]], np.ndarray],
) -> Iterator[Answer]:
    """Each frame, at most `delay` frames later or at a cut if that is sooner, and its heatmap in the newest window.

    Args:
        shown: the frames of a video.
        delay: in frames, from 0 to `length` - 1.
        length: pictures that a window holds.
        step: frames between windows, where the delay does not ask for more of them.
        begin: called for every shot, returns what makes of its pictures, one after the other, what the network sees.
        infer: heatmaps (T, H, W) of a window of T pictures.
    """
    shot = None

    def of_pictures(frame: Shown) -> int:
        nonlocal shot
        if frame.image is not None:  # a standstill belongs to the shot that came to rest
            shot = frame.shot
        return shot

    for _, frames in groupby(shown, key=of_pictures):
        yield from _shot_with_delay(frames, delay, length, step, begin(), infer)


def _shot_with_delay(
    frames: Iterable[Shown],
    delay: int,
    length: int,
    step: int,
    see: Callable[[np.ndarray], Seen],
    infer: Callable[[list[Seen]], np.ndarray],
) -> Iterator[Answer]:
    """`with_delay` for the frames of one shot; a window that would reach back beyond it repeats its first picture."""
    later = max(0, delay + 1 - step)  # newest frames that the next window answers, having seen more
    recent = deque(maxlen=length)  # pictures as the network sees them
    count = 0  # pictures so far
    waiting = deque()  # (frame, number of its picture, from 1)
    heatmaps = None  # (T, H, W) of the window that ends with the newest picture, once a frame needs it
    heatmap = None  # of the last answer

    def answers(left: int) -> Iterator[Answer]:
        """All but the last `left` of those that wait."""
        nonlocal heatmaps, heatmap
        for frame, number in [waiting.popleft() for _ in range(len(waiting) - left)]:
            if frame.image is not None:
                if heatmaps is None:
                    heatmaps = infer([recent[0]] * (length - len(recent)) + list(recent))
                heatmap = heatmaps[number - count - 1]
            yield frame, heatmap

    for frame in frames:
        if frame.image is not None:
            recent.append(see(frame.image))
            count += 1
            heatmaps = None
        waiting.append((frame, count))
        if len(waiting) > delay:
            yield from answers(later)
    yield from answers(0)
