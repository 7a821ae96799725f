"""Backgrounds: medians of what is near in time."""

import numpy as np
import pytest

from tracknetv5.background import (
    RECENT,
    SAMPLE,
    SPACING,
    SPAN,
    RecentBackground,
    median,
    median_background,
    with_backgrounds,
)


def levels(count: int) -> list[np.ndarray]:
    """Pictures of one level each, their number, up to 255."""
    return [np.full((32, 3, 3), min(number, 255), np.uint8) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 31, 64, 255])
def test_the_median_is_the_middle_of_the_sorted_values(count):
    images = np.random.default_rng(count).integers(0, 256, (count, 7, 5, 3), np.uint8)
    images[: count // 2, 0] = 255
    assert np.array_equal(median(list(images)), np.sort(images, axis=0)[(count - 1) // 2])


@pytest.mark.parametrize("count", [1, 2, SAMPLE, SAMPLE + 1, 5 * SAMPLE + 3])
def test_the_median_takes_an_evenly_spaced_sample_of_bounded_size(count):
    background = median_background(np.full((2, 3, 3), number % 256, np.uint8) for number in range(count))
    assert background.shape == (2, 3, 3) and background.dtype == np.uint8
    if count <= 256:
        assert abs(int(background[0, 0, 0]) - (count - 1) / 2) <= 1
    with pytest.raises(ValueError, match="at least one frame"):
        median_background([])


@pytest.mark.parametrize("count", [0, 1, 2, 100, SPAN, SPAN + 1, SPAN + SPAN // 2 + 1])
def test_every_picture_comes_back_with_the_background_around_it(count):
    pictures = levels(count)
    answered = list(with_backgrounds(iter(pictures)))
    np.testing.assert_array_equal([picture for picture, _ in answered], pictures)
    for number, (_, background) in enumerate(answered):
        last = min(count, SPAN if number < SPAN else (SPAN + SPAN // 2 if number < SPAN + SPAN // 2 else count)) - 1
        middle = (max(0, last + 1 - SPAN) + last) / 2
        assert abs(int(background[0, 0, 0]) - min(middle, 255)) <= 0.5 + SPAN / 32
        assert (background == background[0, 0, 0]).all()


def test_no_more_pictures_are_held_than_the_span():
    taken = 0

    def pictures():
        nonlocal taken
        for picture in levels(3 * SPAN):
            taken += 1
            yield picture

    for number, _ in enumerate(with_backgrounds(pictures())):
        assert taken - number <= SPAN


def test_a_recent_background_begins_with_what_is_there_and_forgets_what_is_long_past():
    background = RecentBackground()
    assert (background(np.full((32, 3, 3), 9, np.uint8)) == 9).all()
    for number in range(40):
        made = background(np.full((32, 3, 3), 200 if number % 3 else 10, np.uint8))
    assert (made == 200).all()  # what is there most of the time, from every row
    for _ in range(2 * RECENT * SPACING):
        made = background(np.full((32, 3, 3), 70, np.uint8))
    assert (made == 70).all()


def test_whoever_hands_in_frames_may_fill_the_same_array_again():
    buffer = np.zeros((16, 3, 3), np.uint8)

    def pictures(levels):
        for level in levels:
            buffer[:] = level
            yield buffer

    shown = [10, 20, 30, 40, 50]
    seen = [(picture.max(), background.max()) for picture, background in with_backgrounds(pictures(shown))]
    assert seen == [(level, 30) for level in shown]
    assert (median_background(pictures(shown)) == 30).all()
    recent = RecentBackground()
    for picture in pictures([10] * SPACING + [200] * 3):
        made = recent(picture)
    assert (made[0] == 10).all()


def test_after_a_long_time_too_a_recent_background_forgets_as_fast():
    background = RecentBackground()
    for level, count in ((10, 4 * RECENT * SPACING), (200, RECENT * SPACING)):
        for _ in range(count):
            made = background(np.full((16, 2, 3), level, np.uint8))
    assert (made == 200).all()
