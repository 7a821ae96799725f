"""Which of the peaks in each frame's heatmap is the ball: the path through time that explains them best.

A network that looks at three frames finds a shoe or a lamp now and then, and doubts a ball that it followed a moment
before. A real ball is near where it was. So the whole sequence is decided at once, by the Viterbi algorithm: in each
frame the ball is one of the peaks, or there is none. Being at a peak is worth its log-odds above those of the
threshold; appearing and vanishing cost, and so does moving, up to the cost of doing both.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from math import log

import numpy as np

from tracknetv5.heatmaps import Detection

LAG = 8  # frames after which no later frame is waited for: longer changes no more on the footage it was chosen on
# Chosen on training clips; benchmarks/decisions.py measures what it all gives. RATE is that of trajectory.py.
SWITCH = 3.0  # cost of appearing, and of vanishing, in log-odds
STRIDE = 25 / 512  # of the picture's width: moving so far in 1 / RATE seconds costs 1, twice as far 4
STANDING = 4.0  # frames of 1 / RATE seconds; a picture shown for longer does not let the ball jump farther
CERTAIN = 1e-4  # probabilities count as no nearer to 0 and 1 than this


def linked(
    candidates: Iterable[Sequence[Detection]],
    threshold: float,
    lag: int | None = LAG,
    gaps: Iterable[float] | None = None,
    *,
    width: int,
) -> Iterator[Detection | None]:
    """The ball in each frame of one shot, None where there is none.

    A frame with the very same candidates as the one before it shows the same picture: it is answered as that one, and
    what it shows counts no second time.

    Args:
        candidates: for each frame the places where the ball may be, as `heatmaps.peaks` finds them.
        threshold: in (0, 1); where nothing is known of the frames around it, a peak above it is a ball.
        lag: frames that are looked at before a frame is decided; None for all. 0 decides each frame as it comes, from
            the frames before it alone.
        gaps: for each frame the time since the one before it, in frames of 1 / RATE seconds (that of the first counts
            for nothing); None for a footage of that rate. Asked for after the frame's candidates.
        width: of the network's input, in the pixels of the candidates.
    """
    base = _log_odds(threshold)
    # Of the frames not decided yet: what may be there, and for each of it, and first for nothing, which entry of the
    # frame before leads to it at the least cost; None for the same picture once more.
    waiting: deque[tuple[Sequence[Detection], np.ndarray | None]] = deque()
    worth = before = None  # (1 + K,) of the best path that ends with nothing, with each candidate; their (K, 2) places
    elapsed = 0.0  # since the last new picture, in frames of 1 / RATE seconds
    shown = ball = None  # the candidates of the last frame that came; the ball in the last frame that was decided

    def best() -> Iterator[Detection | None]:
        """The ball in each frame that waits, on the path that is the best so far."""
        entries, entry = [], int(worth.argmax())
        for _, leads in reversed(waiting):
            entries.append(entry)
            entry = entry if leads is None else int(leads[entry])
        now = ball
        for (found, leads), entry in zip(waiting, reversed(entries), strict=True):
            if leads is not None:
                now = found[entry - 1] if entry else None
            yield now

    for found, gap in zip(candidates, repeat(1.0) if gaps is None else gaps, strict=False):
        places = np.array([(each.x, each.y) for each in found]).reshape(-1, 2)
        elapsed = max(gap, min(elapsed + gap, STANDING))
        gain = np.array([0.0, *(_log_odds(each.score) - base for each in found)])
        if worth is None:
            leads, worth = np.zeros(len(gain), int), gain
        elif found == shown:
            leads = None
        else:
            cost = np.zeros((len(worth), len(gain)))
            cost[0, 1:] = cost[1:, 0] = SWITCH
            moved = np.linalg.norm(before[:, None] - places, axis=2)
            cost[1:, 1:] = np.minimum((moved / (STRIDE * width * elapsed)) ** 2, 2 * SWITCH)
            paths = worth[:, None] - cost
            leads = paths.argmax(0)
            worth = paths.max(0) + gain
        waiting.append((found, leads))
        if leads is not None:
            before, shown, elapsed = places, found, 0.0
        if lag is not None and len(waiting) > lag:
            ball = next(best())
            waiting.popleft()
            yield ball
    if waiting:
        yield from best()


def _log_odds(probability: float) -> float:
    probability = min(max(probability, CERTAIN), 1 - CERTAIN)
    return log(probability / (1 - probability))
