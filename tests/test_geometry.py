from fractions import Fraction

import cv2
import numpy as np
import pytest

from tracknetv5.geometry import Letterbox, resized

MODEL = (288, 512)
SOURCES = [(720, 1280), (1080, 1920), (288, 512), (1280, 720), (480, 640), (361, 641), (90, 160), (1, 1), (2, 3000)]


@pytest.mark.parametrize("source", SOURCES)
def test_round_trip_and_nan(source):
    box = Letterbox(source, MODEL)
    xy = np.random.default_rng(0).uniform(-0.5, (source[1], source[0]), (4, 5, 2))
    xy[1, 2] = np.nan
    back = box.to_source(box.to_model(xy))
    assert back.dtype == np.float64 and back.shape == xy.shape
    np.testing.assert_allclose(back, xy, atol=1e-9)


@pytest.mark.parametrize("source", SOURCES)
def test_the_outline_of_the_frame_meets_the_outline_of_the_content(source):
    box = Letterbox(source, MODEL)
    top, left, height, width = box.content
    assert height == MODEL[0] or width == MODEL[1]
    assert abs(height - max(1, width * source[0] / source[1])) <= max(1, source[0] / source[1])  # not distorted
    assert top + height <= MODEL[0] and left + width <= MODEL[1]
    assert abs(top - (MODEL[0] - height) / 2) <= 0.5 and abs(left - (MODEL[1] - width) / 2) <= 0.5
    corners = box.to_model(np.array([[-0.5, -0.5], [source[1] - 0.5, source[0] - 0.5]]))
    np.testing.assert_allclose(corners, [[left - 0.5, top - 0.5], [left + width - 0.5, top + height - 0.5]], atol=1e-9)


def test_known_positions():
    np.testing.assert_allclose(Letterbox((720, 1280), MODEL).to_source([0, 0]), [0.75, 0.75])
    box = Letterbox((480, 640), MODEL)
    assert box.content == (0, 64, 288, 384)
    np.testing.assert_allclose(box.to_model([319.5, 239.5]), [255.5, 143.5])  # centre to centre


def test_points_of_a_resized_picture_stay_on_what_they_mark():
    xy = np.array([[0.0, 0.0], [9.5, 4.5], [np.nan, 3.0]])
    np.testing.assert_allclose(resized(xy, (10, 20), (20, 80)), [[1.5, 0.5], [39.5, 9.5], [np.nan, 6.5]])


@pytest.mark.parametrize(
    ("source", "aspect", "content"),
    [
        ((1080, 1440), Fraction(4, 3), (0, 0, 288, 512)),  # HDV, 16:9
        ((576, 720), Fraction(64, 45), (0, 0, 288, 512)),  # DVD, 16:9
        ((576, 720), Fraction(16, 15), (0, 64, 288, 384)),  # DVD, 4:3
        ((1440, 1080), Fraction(3, 4), (0, 175, 288, 162)),  # HDV on its side
    ],
)
def test_pixels_that_are_not_square(source, aspect, content):
    box = Letterbox(source, MODEL, aspect)
    assert box.content == content
    xy = np.random.default_rng(0).uniform(-0.5, (source[1], source[0]), (20, 2))
    np.testing.assert_allclose(box.to_source(box.to_model(xy)), xy, atol=1e-9)
    middle = np.array([source[1] / 2, source[0] / 2])
    right, below = middle + [60 / float(aspect), 0], middle + [0, 60]  # as far away as displayed
    across, down = (box.to_model(point) - box.to_model(middle) for point in (right, below))
    assert across[0] == pytest.approx(down[1], rel=0.002)


@pytest.mark.parametrize("source", [(720, 1280), (1280, 720), (480, 640), (90, 160)])
def test_a_blob_lands_where_the_coordinates_say(source):
    height, width = source
    y, x = np.mgrid[:height, :width]
    ball = (width * 0.83, height * 0.17)
    sigma = max(source) / 150
    image = (255 * np.exp(-((x - ball[0]) ** 2 + (y - ball[1]) ** 2) / (2 * sigma**2))).astype(np.uint8)
    box = Letterbox(source, MODEL)
    heat = box.apply(np.repeat(image[..., None], 3, 2))[..., 0].astype(float)
    assert heat.shape == MODEL
    rows, columns = np.mgrid[: MODEL[0], : MODEL[1]]
    centroid = np.array([(heat * columns).sum(), (heat * rows).sum()]) / heat.sum()
    np.testing.assert_allclose(centroid, box.to_model(ball), atol=0.05)


def test_apply_uses_area_when_shrinking_and_linear_when_enlarging():
    rng = np.random.default_rng(0)
    large, small = (rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in ((720, 1280), (144, 256)))
    shrunk = Letterbox((720, 1280), MODEL).apply(large)
    np.testing.assert_array_equal(shrunk, cv2.resize(large, (512, 288), interpolation=cv2.INTER_AREA))
    enlarged = Letterbox((144, 256), MODEL).apply(small)
    np.testing.assert_array_equal(enlarged, cv2.resize(small, (512, 288), interpolation=cv2.INTER_LINEAR))


def test_apply_places_an_image_of_the_content_size_on_black():
    box = Letterbox((480, 640), MODEL)
    image = np.random.default_rng(0).integers(1, 255, (288, 384, 3), dtype=np.uint8)
    canvas = box.apply(image)
    np.testing.assert_array_equal(canvas[:, 64:448], image)
    assert not canvas[:, :64].any() and not canvas[:, 448:].any()


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected an image of \(480, 640\) or \(288, 384\), got \(100, 100\)"):
        Letterbox((480, 640), MODEL).apply(np.zeros((100, 100, 3), np.uint8))
    with pytest.raises(ValueError, match="at least 1 pixel"):
        Letterbox((0, 640), MODEL)
