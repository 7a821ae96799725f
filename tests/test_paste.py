"""Made-up balls on footage, and real ones that are painted over, in clips drawn here."""

import cv2
import numpy as np
import pytest

from tracknetv5.data.augment import AugmentOptions
from tracknetv5.data.dataset import WindowDataset
from tracknetv5.data.erase import erase
from tracknetv5.data.paste import FAINT, Ball, paste
from tracknetv5.data.readers import Clip

SIZE = (72, 128)
GREY = 90
COUNT = 40
BALL = dict(
    moment=1.0,
    place=np.array([60.3, 35.6]),
    velocity=np.array([7.0, -3.0]),
    acceleration=np.array([-0.4, 0.7]),
    heading=np.array([7.0, -3.0]) / np.hypot(7, 3),
    exposure=0.5,
    radius=2.0,
    stretch=1.0,
    softness=1.2,
    colour=np.array([240.0, 240.0, 240.0]),
    opacity=0.9,
)


def court() -> np.ndarray:
    """Pictures of which no two pixels in a row are the same, and which do not move."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (*SIZE, 3), np.uint8), (0, 0), 3)
    return np.repeat(picture[None], COUNT, 0)


def real() -> np.ndarray:
    return np.stack([10 + 2.5 * np.arange(COUNT), 20 + np.arange(COUNT)], 1)


@pytest.fixture
def rally():
    """A clip with a white ball."""
    images, xy = court(), real()
    for image, (x, y) in zip(images, xy, strict=True):
        cv2.circle(image, (round(x), round(y)), 2, (250, 250, 250), cv2.FILLED)
    return images, xy


@pytest.fixture
def given(monkeypatch):
    """Makes `paste` draw a ball with some fields of one's choice; in front of everything, and hardly compressed."""

    def make(**changes):
        monkeypatch.setattr(Ball, "random", lambda count, size, rng: Ball(**(BALL | changes)))
        monkeypatch.setattr("tracknetv5.data.paste.QUALITY", (98, 99))

    return make


class Draws:
    """Random numbers of which the first two are chosen: is the real ball erased, does the new one pass behind."""

    def __init__(self, erased: bool, behind: bool = False):
        self.chosen = [0.0 if erased else 0.9, 0.0 if behind else 0.9]

    def random(self) -> float:
        return self.chosen.pop(0)

    def integers(self, low: int, high: int) -> int:
        return low


CHOSEN = np.arange(10, 13)
EMPTY = np.full((COUNT, 2), np.nan)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"velocity": np.zeros(2), "acceleration": np.zeros(2), "radius": 0.8, "softness": 0.8},
        {"velocity": np.array([20.0, 9.0]), "exposure": 0.8},
        {"stretch": 2.0, "velocity": np.array([1.0, 1.0])},
        {"colour": np.array([10.0, 10.0, 10.0])},
    ],
)
def test_the_label_is_the_leading_end_of_what_is_drawn(given, changes):
    given(**changes)
    streaks = [Ball(**(BALL | changes)).streak(number) for number in range(3)]
    images = np.full((COUNT, *SIZE, 3), GREY, np.uint8)
    window, xy = paste(images, EMPTY, CHOSEN, Draws(erased=False))
    assert xy.shape == (2, 3, 2) and np.isnan(xy[0]).all() and not np.isnan(xy[1]).any()
    for image, label, streak in zip(window, xy[1], streaks, strict=True):
        x, y = label - streak[-1] + streak.mean(0)  # the middle of the streak
        weight = np.abs(image.astype(float) - GREY).sum(-1)
        weight[weight < 12] = 0  # marks of the encoder
        rows, columns = np.indices(SIZE)
        assert np.hypot((weight * columns).sum() / weight.sum() - x, (weight * rows).sum() / weight.sum() - y) < 0.3


def test_a_streak_is_as_long_as_the_shutter_is_open(given):
    ball = Ball(**(BALL | {"velocity": np.array([20.0, 0.0]), "acceleration": np.zeros(2)}))
    streak = ball.streak(1)
    assert np.allclose(streak[[0, -1]] - ball.place, [(-5, 0), (5, 0)])
    assert np.linalg.norm(np.diff(streak, axis=0), axis=1).max() < 1
    _, share = ball.cover(streak, SIZE)
    disc = np.pi * ball.radius**2
    assert np.isclose(share.sum(), disc, rtol=0.05)  # a longer streak is fainter
    assert share.max() < 0.5


def test_it_flies_as_it_says():
    ball = Ball(**BALL)
    path = ball.at(np.arange(3.0))
    assert np.allclose(path[1], ball.place)
    assert np.allclose(np.diff(path, 2, axis=0), ball.acceleration)


def test_the_real_ball_is_kept_or_erased(rally, given):
    given()
    images, xy = rally
    kept, both = paste(images, xy, CHOSEN, Draws(erased=False))
    assert np.array_equal(both[0], xy[CHOSEN])
    erased, alone = paste(images, xy, CHOSEN, Draws(erased=True))
    assert np.array_equal(alone, both[1:])
    for which, (x, y) in enumerate(np.rint(xy[CHOSEN]).astype(int)):
        around = np.s_[which, y - 3 : y + 4, x - 3 : x + 4]
        assert np.array_equal(kept[around], images[CHOSEN][around])
        assert np.abs(erased[around].astype(int) - court()[CHOSEN][around]).max() <= 1


def test_a_ball_that_cannot_be_erased_is_kept(rally, given):
    given()
    images, xy = rally
    resting = np.repeat(xy[11:12], COUNT, 0)
    assert not erase(images, resting, CHOSEN)[1].any()
    _, balls = paste(images, resting, CHOSEN, Draws(erased=True))
    assert np.array_equal(balls[0], resting[CHOSEN])


def test_frames_wanted_are_erased_as_in_the_whole_clip(rally):
    images, xy = rally
    every, whole = erase(images, xy)
    some, which = erase(images, xy, CHOSEN)
    assert np.array_equal(some, every[CHOSEN]) and np.array_equal(which, whole[CHOSEN]) and which.all()


@pytest.mark.parametrize("stripe", [30, GREY])
def test_a_ball_behind_what_moves_is_not_drawn_and_not_labelled(given, stripe):
    given(velocity=np.array([3.0, 0.0]), acceleration=np.zeros(2))
    images = np.full((COUNT, *SIZE, 3), GREY, np.uint8)
    images[11, 20:50, 50:70] = 30  # a player who is here in this frame alone
    images[11, 20:50:4, 50:70] = stripe  # and may in part look like the court
    front, seen = paste(images, EMPTY, CHOSEN, Draws(erased=False, behind=False))
    assert not np.isnan(seen[1]).any() and front[1, 36, 60].min() > 200
    behind, balls = paste(images, EMPTY, CHOSEN, Draws(erased=False, behind=True))
    assert np.isnan(balls[1, 1]).all() and not np.isnan(balls[1, [0, 2]]).any()
    assert np.abs(behind[1].astype(int) - images[11]).max() <= 4


def test_a_ball_that_is_half_hidden_is_a_ball(given):
    given(velocity=np.array([3.0, 0.0]), acceleration=np.zeros(2), place=np.array([60.0, 35.0]))
    images = np.full((COUNT, *SIZE, 3), GREY, np.uint8)
    images[11, 20:35, 50:70] = 30
    window, balls = paste(images, EMPTY, CHOSEN, Draws(erased=False, behind=True))
    assert not np.isnan(balls[1]).any()
    assert window[1, 37, 60].min() > 130 > 80 > window[1, 32, 60].max()


@pytest.mark.parametrize(("speed", "edge"), [(10.5, True), (20.0, False)])
def test_a_ball_whose_leading_end_has_left_the_picture_has_no_label(given, speed, edge):
    given(place=np.array([118.0, 35.0]), velocity=np.array([speed, 0.0]), acceleration=np.zeros(2))
    images = np.full((COUNT, *SIZE, 3), GREY, np.uint8)
    window, balls = paste(images, EMPTY, CHOSEN, Draws(erased=False))
    assert np.isnan(balls[1, 2]).all() and np.allclose(balls[1, :2], [(118 - 0.75 * speed, 35), (118 + speed / 4, 35)])
    assert (window[2] != GREY).any() == edge  # a part of it may still be seen


@pytest.mark.parametrize("erased", [False, True])
def test_a_ball_that_nobody_could_see_is_left_out(rally, given, erased):
    given(colour=np.full(3, GREY + FAINT - 5.0), place=np.array([60.3, 60.0]))
    images, xy = rally
    images[:, 40:] = GREY
    window, balls = paste(images, xy, CHOSEN, Draws(erased))
    assert np.array_equal(window, images[CHOSEN]) and np.array_equal(balls, xy[None, CHOSEN])


def test_balls_fly_as_real_ones_do_and_some_leave_the_picture():
    rng = np.random.default_rng(0)
    balls = [Ball.random(3, (288, 512), rng) for _ in range(300)]
    paths = np.stack([ball.at(np.arange(3.0)) for ball in balls])  # (300, 3, 2)
    steps = np.linalg.norm(np.diff(paths, axis=1), axis=-1)
    assert steps.min() < 0.5 and 4 < np.median(steps) < 9 and 20 < steps.max() < 30
    inside = ((paths >= 0) & (paths <= (511, 287))).all(-1)
    assert inside.any(1).all() and 5 < (~inside).any(1).sum() < 60


def test_a_seed_gives_the_same_window_and_does_not_touch_the_clip(rally):
    images, xy = rally
    before = images.copy()
    first, again, other = (paste(images, xy, CHOSEN, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(images, before)


def test_a_single_picture_gets_a_ball_too(rally):
    """Nothing in it is known to move, so nothing hides the ball."""
    images, xy = rally
    for seed in range(4):
        window, balls = paste(images, xy, np.array([20]), np.random.default_rng(seed))
        assert window.shape == (1, *SIZE, 3) and balls.shape[1:] == (1, 2)


STILL = dict(flip=0, reverse=0, scale=(1, 1), shift=0, brightness=0, colour=0, blur=0, noise=0)


@pytest.fixture
def windows_of(rally, tmp_path, monkeypatch):
    """Training windows of that clip, with some kind of augmentation alone."""
    images, xy = rally
    monkeypatch.setattr("tracknetv5.data.dataset.cached_frames", lambda clip, cache, size: images)
    monkeypatch.setattr(Clip, "size", SIZE)
    seen = np.ones(COUNT, np.int8)
    clip = Clip("a", "tennis", "court", "train", tmp_path, xy, seen, seen)

    def make(**options):
        augmentation = AugmentOptions(**STILL, **options)
        dataset = WindowDataset([clip], count=60, length=3, size=SIZE, cache=tmp_path, augmentation=augmentation)
        return [dataset[index] for index in range(len(dataset))]

    return make


def test_training_windows_have_both_balls_in_their_target(windows_of):
    balls = []
    for chance in (0, 1):
        targets = [target.numpy() for _, window, _ in windows_of(paste=chance) for target in window]
        balls.append(np.mean([cv2.connectedComponents(target)[0] - 1 for target in targets]))
    # One more in half of the windows, one in place of the real one in the others; some have left the picture.
    assert balls[0] == 1 and 1.2 < balls[1] < 1.5


def test_a_training_window_without_its_ball_has_none_in_its_target_and_is_still_labelled(windows_of):
    empty = court()[0].transpose(2, 0, 1).astype(int)
    for frames, target, labelled in windows_of(erase=1.0):
        assert not target.any() and labelled.all()
        assert np.abs(frames.numpy() - empty).max() < 5
