"""Which window answers which frame, and when; networks that note what they see take the place of trained ones."""

import numpy as np
import pytest
import torch
from stand_ins import HEIGHT, WIDTH, Position, images, redness

from tracknetv5.linking import LAG
from tracknetv5.tracker import BallTracker
from tracknetv5.weights import WeightsConfig


def greys(tracker: BallTracker) -> list[list[int]]:
    """The brightness of the corner of each picture in each window that the network saw."""
    return [(255 * window[0, :, 0, 0, 0]).round().int().tolist() for window, _ in tracker.model.calls]


@pytest.mark.parametrize("delay", [None, 0, 1, 2])
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("lengths", [(1, 1), (2, 5), (4, 1, 3), (7, 8)])
def test_windows_stay_within_a_shot_and_no_frame_is_lost(lengths, step, delay):
    frames, centres = map(list, zip(*(images(n, grey=20 + 60 * k) for k, n in enumerate(lengths)), strict=True))
    tracker = redness(step=step)
    points = list(tracker.stream((frame for part in frames for frame in part), delay=delay))
    assert [point.frame for point in points] == list(range(sum(lengths)))
    np.testing.assert_allclose([point.xy for point in points], np.concatenate(centres), atol=0.5)
    assert [point.frame for point in points if point.picture == "cut"] == np.cumsum(lengths)[:-1].tolist()
    assert all(len(set(window)) == 1 for window in greys(tracker))


@pytest.mark.parametrize("delay", [None, 0, 1, 2])
def test_a_repeated_frame_is_answered_as_the_one_it_repeats_and_fills_no_place_in_a_window(delay):
    order = [0, 0, 1, 2, 2, 2, 3, 4, 5, 5]
    frames, centres = images(6)
    frames = [np.where(frame == 100, 100 + k, frame).astype(np.uint8) for k, frame in enumerate(frames)]
    tracker = redness(step=1)
    points = list(tracker.stream([frames[k].copy() for k in order], delay=delay))
    np.testing.assert_allclose([point.xy for point in points], centres[order], atol=0.5)
    assert [point.frame for point in points if point.picture == "repeat"] == [1, 4, 5, 9]
    for window in greys(tracker):
        steps = np.diff(window)
        assert set(steps[np.flatnonzero(steps)[:1].sum() :]) <= {0, 1} and window[-1] - window[0] <= 2
    ends = {None: [2, 3, 4, 5], 0: [0, 1, 2, 3, 4, 5], 1: [0, 2, 4, 5], 2: [1, 2, 5]}[delay]
    assert [window[-1] - 100 for window in greys(tracker)] == ends


@pytest.mark.parametrize("delay", [None, 0, 1, 2])
@pytest.mark.parametrize("times", [2, 6, 50])
def test_a_flash_is_no_ball_however_often_its_frame_is_repeated(times, delay):
    frames = [np.full((HEIGHT, WIDTH, 3), 50 + 10 * k, np.uint8) for k in range(10)]
    frames[5] = images(1)[0][0]
    tracker = redness(step=1)
    tracker.model.forward = lambda window: torch.where(window[:, :, 0] > window[:, :, 2] + 0.3, 1.5, -9.0)
    order = [*range(5), *[5] * times, *range(6, 10)]
    points = list(tracker.stream([frames[k] for k in order], delay=delay))
    assert sum(point.picture == "repeat" for point in points) == times - 1
    assert [point.frame for point in points if point.xy] == []


@pytest.mark.parametrize(
    ("delay", "step", "waits", "windows"),
    [
        (0, 1, [0, 0, 0, 0, 0, 0, 0], 7),
        (0, 3, [0, 0, 0, 0, 0, 0, 0], 7),
        (1, 1, [1, 1, 1, 1, 1, 1, 0], 6),
        (1, 2, [1, 0, 1, 0, 1, 0, 0], 4),
        (1, 3, [1, 0, 1, 0, 1, 0, 0], 4),
        (2, 1, [2, 2, 2, 2, 2, 1, 0], 5),
        (2, 2, [2, 1, 2, 1, 2, 1, 0], 3),
        (2, 3, [2, 1, 0, 2, 1, 0, 0], 3),
    ],
)
def test_a_point_comes_with_its_delay_from_the_newest_window(delay, step, waits, windows):
    config = WeightsConfig(model="", options={}, height=8, width=8, frames=3, step=step, threshold=0.05)
    tracker, seen = BallTracker(Position(), config), 0

    def frames():
        nonlocal seen
        for k in range(7):
            seen += 1
            yield np.full((8, 8, 3), 10 * k, np.uint8)

    for point, wait in zip(tracker.stream(frames(), delay=delay), waits, strict=True):
        assert seen - 1 == point.frame + wait
        assert point.score == pytest.approx((3 - wait) / 10)
    assert len(tracker.model.calls) == windows


@pytest.mark.parametrize("delay", [None, 0, 1, 2])
def test_a_repeated_frame_has_the_score_of_the_one_it_repeats(delay):
    config = WeightsConfig(model="", options={}, height=8, width=8, frames=3, step=1, threshold=0.05)
    order = [0, 1, 1, 2, 3, 3, 3, 4, 5, 5]
    frames = (np.full((8, 8, 3), 10 * k, np.uint8) for k in order)
    scores = [point.score for point in BallTracker(Position(), config).stream(frames, delay=delay)]
    assert all(a == b for a, b, k, j in zip(scores, scores[1:], order, order[1:], strict=False) if k == j)
    assert len(set(scores)) > (delay != 0)


def test_a_point_does_not_wait_for_a_standstill_to_end():
    frame, other = (images(2)[0][k] for k in range(2))
    for delay, most in ((None, 40), (1, 1)):
        seen = 0

        def frames():
            nonlocal seen
            for image in [frame] * 100 + [other] * 5 + [frame]:
                seen += 1
                yield image

        points = [(point, seen) for point in redness().stream(frames(), delay=delay)]
        assert [point.frame for point, _ in points] == list(range(106)) and all(point.xy for point, _ in points)
        assert max(seen - 1 - point.frame for point, seen in points) <= most


def test_stream_answers_as_soon_as_no_later_frame_matters():
    frames, _ = images(30)
    seen = 0

    def counted():
        nonlocal seen
        for frame in frames:
            seen += 1
            yield frame

    delays = [seen - point.frame for point in redness(step=1).stream(counted())]
    assert max(delays) == LAG + 3


@pytest.mark.parametrize("delay", [0, 3])
def test_a_live_background_is_made_of_what_was_seen_so_far_in_the_shot(delay):
    dark, _ = images(60)
    bright = [np.full_like(image, 220) for image in dark[:20]]
    tracker = redness(8, background=True)
    assert len(list(tracker.stream([*dark, *bright], delay=delay))) == 80
    behind = [background[0].numpy() for _, background in tracker.model.calls]
    first = tracker.model.calls[0][0][0, -1 - delay].numpy()
    np.testing.assert_allclose(behind[0], first, atol=0.3)  # nothing else is known
    of_dark = [each for each in behind if np.median(each) < 0.5]
    assert np.abs(of_dark[-1] - 100 / 255).max() < 0.05  # the ball is gone
    assert np.abs(behind[-1] - 220 / 255).max() < 0.01  # and so is the shot before
