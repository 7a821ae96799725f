"""One ball through time from the peaks of each frame."""

import itertools
from functools import partial

import numpy as np
import pytest

from tracknetv5 import linking
from tracknetv5.heatmaps import Detection
from tracknetv5.linking import LAG, STRIDE, SWITCH, _log_odds

WIDTH = 512  # pixels of the picture
linked = partial(linking.linked, width=WIDTH)
ANYTHING = [[], [(10.0, 10.0, 0.9)], [(12.0, 10.0, 0.6), (90.0, 80.0, 0.7)], [(200.0, 9.0, 0.3), (14.0, 9.0, 0.2)]]


def detections(frames) -> list[list[Detection]]:
    return [[Detection(*each) for each in frame] for frame in frames]


def scores(balls) -> list[float]:
    return [ball.score if ball else 0.0 for ball in balls]


def test_a_lone_flash_is_no_ball_but_a_run_of_doubtful_peaks_is():
    path = [[(10.0 + 5 * k, 50.0, 0.7)] for k in range(12)]
    path[5] = [(35.0, 50.0, 0.3), (200.0, 20.0, 0.8)]  # a doubtful ball on the path, a surer one far from it
    assert scores(linked(detections(path), 0.5)) == [0.7] * 5 + [0.3] + [0.7] * 6
    flash = [[] for _ in range(12)]
    flash[6] = [(200.0, 20.0, 0.8)]
    assert scores(linked(detections(flash), 0.5)) == [0.0] * 12


@pytest.mark.parametrize(("score", "found"), [(0.51, True), (0.49, False)])
def test_where_nothing_else_is_known_the_threshold_decides(score, found):
    assert bool(*linked(detections([[(5.0, 5.0, score)]]), 0.5)) is found


def test_a_ball_may_go_farther_in_a_longer_time():
    frames = detections([[(60.0 * k, 50.0, 0.9)] for k in range(8)])
    assert scores(linked(frames, 0.5)) == [0.0] * 8
    assert scores(linked(frames, 0.5, gaps=[3.0] * 8)) == [0.9] * 8
    far = detections([[(230.0 * k, 50.0, 0.9)] for k in range(3)])
    assert scores(linked(far, 0.5, gaps=[6.0] * 3)) == [0.9] * 3  # a gap counts in full, however long
    # A picture shown three times: the ball of the next new one has had three times as long.
    repeated = [frame for frame in frames for _ in range(3)]
    assert scores(linked(repeated, 0.5)) == [0.9] * 24


def test_how_far_a_ball_may_go_is_a_share_of_the_picture():
    frames = detections([[(60.0 * k, 50.0, 0.9)] for k in range(8)])
    assert scores(linked(frames, 0.5)) == [0.0] * 8
    assert scores(linked(frames, 0.5, width=2 * WIDTH)) == [0.9] * 8


def test_nothing_follows_from_nothing():
    assert list(linked([], 0.5)) == []
    assert list(linked([[], []], 0.5)) == [None, None]


def cost(path, frames, threshold) -> float:
    """Of a path (index of a candidate, or None, in each frame), by the words of the module's docstring."""
    total = 0.0
    for k, chosen in enumerate(path):
        if chosen is not None:
            total -= _log_odds(frames[k][chosen].score) - _log_odds(threshold)
        if k:
            before = path[k - 1]
            if (before is None) != (chosen is None):
                total += SWITCH
            elif chosen is not None:
                a, b = frames[k - 1][before], frames[k][chosen]
                total += min(np.hypot(a.x - b.x, a.y - b.y) ** 2 / (STRIDE * WIDTH) ** 2, 2 * SWITCH)
    return total


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_the_path_is_the_cheapest_of_all(threshold):
    for chosen in itertools.product(ANYTHING, repeat=4):
        frames = detections([(x + k, y, score) for x, y, score in frame] for k, frame in enumerate(chosen))
        every = itertools.product(*([None, *range(len(frame))] for frame in frames))
        least = min(cost(path, frames, threshold) for path in every)
        found = list(linked(frames, threshold, lag=None))
        indices = [None if ball is None else frames[k].index(ball) for k, ball in enumerate(found)]
        assert cost(indices, frames, threshold) == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("lag", [0, 2, LAG, None])
def test_a_picture_shown_again_is_answered_alike_and_counts_once(lag):
    flash, shoe, ball = (200.0, 20.0, 0.8), (60.0, 50.0, 0.7), (12.0, 50.0, 0.9)
    order = [0] * 3 + [1] * 20 + [2, 3, 3, 4, 4, 4]
    pictures = detections([[], [flash], [ball], [(14.0, 50.0, 0.55), shoe], [(16.0, 50.0, 0.9)]])
    once = list(linked(pictures, 0.5, lag=None))
    again = list(linked([list(pictures[k]) for k in order], 0.5, lag))
    assert again[:23] == [None] * 23 and once[:2] == [None] * 2
    assert all(a is b for a, b, k, j in zip(again, again[1:], order, order[1:], strict=False) if k == j)
    if lag is None:
        assert again == [once[k] for k in order] and once[3].x == 14


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_a_frame_is_decided_after_its_lag(lag):
    taken = 0

    def frames():
        nonlocal taken
        for k in range(9):
            taken += 1
            yield [Detection(10.0 + k, 10.0, 0.9)]

    for k, ball in enumerate(linked(frames(), 0.5, lag)):
        assert taken == min(k + lag + 1, 9) and ball.x == 10 + k


def test_without_lag_the_past_alone_decides():
    frames = [[(10.0, 10.0, 0.6), (100.0, 90.0, 0.55)], *([[(100.0, 90.0, 0.95)]] * 3)]
    assert next(linked(detections(frames), 0.5, lag=0)).x == 10
    assert next(linked(detections(frames), 0.5, lag=3)).x == 100


def test_memory_does_not_grow():
    balls = linked(itertools.repeat([Detection(1.0, 1.0, 0.9)]), 0.5)
    for _ in range(1000):
        next(balls)
    assert len(balls.gi_frame.f_locals["waiting"]) <= LAG + 1
