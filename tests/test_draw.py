import numpy as np
import pytest

from tracknetv5.draw import COLOURS, STYLES, draw_ball, heat_overlay, polarity_image, signed_image

GREY = np.full((360, 640, 3), 100, np.uint8)


def changed(image: np.ndarray, original: np.ndarray = GREY) -> np.ndarray:
    """(N, 2) positions (x, y) of the pixels that differ."""
    return np.argwhere((image != original).any(-1))[:, ::-1]


def has_colour(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((abs(image.astype(int) - colour).max(-1) < 8).any())


@pytest.mark.parametrize("source", COLOURS)
def test_the_ring_is_centred_on_the_ball_in_the_colour_of_its_source(source):
    image = draw_ball(GREY, (200.25, 100.75), source)
    pixels = changed(image)
    np.testing.assert_allclose((pixels.min(0) + pixels.max(0)) / 2, (200.25, 100.75), atol=0.6)
    assert [name for name, colour in COLOURS.items() if has_colour(image, colour)] == [source]
    assert (image[101, 200] == 100).all()  # the ball itself stays visible
    assert (GREY == 100).all()


def test_sizes_grow_with_the_image():
    large = np.full((1440, 2560, 3), 100, np.uint8)
    small_extent, large_extent = (
        np.ptp(changed(draw_ball(image, (300, 200), "detected"), image), axis=0)[0] for image in (GREY, large)
    )
    assert 2.5 < large_extent / small_extent < 5


def test_the_tail_follows_the_trail_and_fades_into_the_past():
    trail = [(100.0, 200.0), (150.0, 200.0), (200.0, 200.0), (250.0, 200.0)]
    image = draw_ball(GREY, None, "", trail)
    pixels = changed(image)
    assert abs(pixels[:, 1] - 200).max() <= 3
    assert pixels[:, 0].min() <= 101 and pixels[:, 0].max() >= 249
    strength = abs(image[200].astype(int) - 100).sum(-1)
    assert 0 < strength[120] < strength[175] < strength[225]
    np.testing.assert_array_equal(draw_ball(GREY, None, "", []), GREY)


def test_the_tail_ends_at_the_ball_and_breaks_at_unknown_positions():
    image = draw_ball(GREY, (300, 200), "detected", [(100, 200), (np.nan, np.nan), (200, 200), (250, 200)])
    assert (image[200, 100:195] == 100).all()
    assert (image[200, 275] != 100).any()
    assert (image[199:202, 299:302] == 100).all()  # not over the ball itself


def test_dots_mark_each_position_before_and_nothing_between():
    image = draw_ball(GREY, (300, 200), "detected", [(100, 200), (np.nan, np.nan), (200, 200)], "dots")
    strength = abs(image[200].astype(int) - 100).sum(-1)
    assert 0 < strength[100] < strength[200]
    assert (image[200, 105:195] == 100).all() and (image[200, 205:290] == 100).all()
    assert (image[199:202, 299:302] == 100).all()  # not over the ball itself


def test_a_ring_alone_has_no_trail():
    trail = [(100, 200), (200, 200)]
    np.testing.assert_array_equal(
        draw_ball(GREY, (300, 200), "detected", trail, "ring"), draw_ball(GREY, (300, 200), "detected")
    )


def test_styles_share_the_ring_and_an_unknown_one_is_refused():
    for style in STYLES:
        np.testing.assert_array_equal(
            draw_ball(GREY, (300, 200), "rectified", [], style), draw_ball(GREY, (300, 200), "rectified")
        )
    with pytest.raises(ValueError, match="style must be one of"):
        draw_ball(GREY, (300, 200), "detected", [], "sparkles")


def test_balls_at_and_beyond_the_border_are_drawn_without_an_error():
    for xy in ((0, 0), (639.5, 359.5), (-400, 5000)):
        for style in STYLES:
            assert draw_ball(GREY, xy, "detected", [(320, 180), xy], style).shape == GREY.shape


@pytest.mark.parametrize("source", ["", "guessed"])
def test_a_ball_of_unknown_source_is_refused(source):
    with pytest.raises(ValueError, match="source must be one of"):
        draw_ball(GREY, (10, 10), source)


def test_heat_shows_where_it_is_hot_and_nowhere_else():
    heat = np.zeros((360, 640), np.float32)
    heat[50:60, 70:80] = 1
    image = heat_overlay(GREY, heat, 0.5)
    pixels = changed(image)
    assert pixels.min(0).tolist() == [70, 50] and pixels.max(0).tolist() == [79, 59]
    np.testing.assert_allclose(image[55, 75], (100 + np.array([252, 255, 164])) / 2, atol=2)  # the end of "inferno"
    np.testing.assert_array_equal(heat_overlay(GREY, heat, 0), GREY)


def test_heat_of_another_size_is_stretched():
    heat = np.zeros((90, 160), np.float32)
    heat[40, 20] = 1
    pixels = changed(heat_overlay(GREY, heat, 1))
    np.testing.assert_allclose(pixels.mean(0), (20.5 * 4 - 0.5, 40.5 * 4 - 0.5), atol=0.1)


def test_polarity_is_red_for_brightening_and_blue_for_darkening_on_white():
    plus, minus = np.array([[1, 0, 0, 0.5, 2]]), np.array([[0, 1, 0, 0, 0]])
    expected = [[[255, 0, 0], [0, 0, 255], [255, 255, 255], [255, 128, 128], [255, 0, 0]]]
    np.testing.assert_array_equal(polarity_image(plus, minus), expected)
    assert polarity_image(plus, minus).dtype == np.uint8


def test_signed_fields_are_scaled_to_their_largest_magnitude():
    field = np.array([[-4.0, -2.0, 0.0, 2.0]])
    expected = [[[0, 0, 255], [128, 128, 255], [255, 255, 255], [255, 128, 128]]]
    np.testing.assert_array_equal(signed_image(field), expected)
    np.testing.assert_array_equal(signed_image(np.zeros((1, 2))), np.full((1, 2, 3), 255))
