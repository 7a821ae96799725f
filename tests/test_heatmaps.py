import numpy as np
import pytest

from tracknetv5.heatmaps import HeatmapMerger, decode_reference, decode_reference_v3, peaks
from tracknetv5.windows import windows

EMPTY = np.zeros((288, 512), np.float32)


def heatmap_of(pixels: dict[tuple[int, int], float]) -> np.ndarray:
    """`pixels`: (x, y) -> value."""
    heatmap = EMPTY.copy()
    for (x, y), value in pixels.items():
        heatmap[y, x] = value
    return heatmap


def gaussian(x: float, y: float, peak: float = 0.9, sigma: float = 2.0) -> np.ndarray:
    rows, columns = np.mgrid[:288, :512]
    return (peak * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))).astype(np.float32)


# --- merging


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 12])
@pytest.mark.parametrize(("length", "step"), [(3, 1), (3, 2), (3, 3), (8, 1), (8, 5)])
@pytest.mark.parametrize("weighted", [False, True])
def test_each_frame_comes_once_in_order_as_the_mean_over_its_windows(count, length, step, weighted):
    rng = np.random.default_rng(0)
    weights = list(range(1, length + 1)) if weighted else None
    merger = HeatmapMerger(length, step, weights)
    merged, seen = [], {}
    for start, frames in windows(range(count), length, step):
        heatmaps = rng.random((length, 4, 5), dtype=np.float32)
        for position in range(len(frames)):
            seen.setdefault(start + position, []).append((position, heatmaps[position]))
        before = heatmaps.copy()
        merged += merger.add(start, heatmaps)
        np.testing.assert_array_equal(heatmaps, before)
    merged += merger.flush(count)
    assert [frame for frame, _ in merged] == list(range(count))
    for frame, heatmap in merged:
        share = [weights[position] if weights else 1 for position, _ in seen[frame]]
        expected = np.average([heatmap for _, heatmap in seen[frame]], axis=0, weights=share)
        np.testing.assert_allclose(heatmap, expected, rtol=1e-5)
        assert heatmap.dtype == np.float32


def test_a_frame_is_released_only_when_no_later_window_can_touch_it():
    heatmaps = np.zeros((3, 2, 2), np.float32)
    merger = HeatmapMerger(3, step=3)
    assert [frame for frame, _ in merger.add(0, heatmaps)] == [0]
    assert [frame for frame, _ in merger.add(3, heatmaps)] == [1, 2, 3]
    assert [frame for frame, _ in merger.add(4, heatmaps)] == [4]  # the last window, moved back
    assert [frame for frame, _ in merger.flush(7)] == [5, 6]


def test_windows_that_do_not_follow_are_refused():
    heatmaps = np.zeros((3, 2, 2), np.float32)
    merger = HeatmapMerger(3, step=2)
    merger.add(0, heatmaps)
    for start in (0, 3):
        with pytest.raises(ValueError, match="does not follow window 0 by 1 to 2"):
            merger.add(start, heatmaps)
    with pytest.raises(ValueError, match="expected 3 heatmaps, got 2"):
        merger.add(1, heatmaps[:2])
    for arguments in ((3, 0), (3, 4), (3, 1, [1, 2]), (3, 1, [1, 0, 1])):
        with pytest.raises(ValueError, match="positive weights"):
            HeatmapMerger(*arguments)


# --- heatmap -> positions


@pytest.mark.parametrize("ball", [(100.3, 50.8), (255.5, 143.5), (8.2, 9.7), (503.0, 279.4)])
def test_sub_pixel_centroid(ball):
    (detection,) = peaks(gaussian(*ball))
    np.testing.assert_allclose((detection.x, detection.y), ball, atol=0.1)
    assert 0.84 < detection.score <= 0.9


@pytest.mark.parametrize("corner", [(0, 0), (511, 287)])
def test_a_ball_in_the_corner(corner):
    (detection,) = peaks(heatmap_of({corner: 0.8}))
    assert (detection.x, detection.y) == corner


def test_weights_are_the_heat_of_what_reaches_half_the_height():
    (detection,) = peaks(heatmap_of({(10, 20): 0.9, (11, 20): 0.6, (12, 20): 0.44}))
    assert (detection.x, detection.y) == (pytest.approx(10.4), pytest.approx(20))
    assert detection.score == pytest.approx(0.9)


def test_the_least_is_exclusive():
    assert peaks(heatmap_of({(10, 20): 0.5}), 0.5) == []
    assert len(peaks(heatmap_of({(10, 20): 0.51}), 0.5)) == 1


def test_pixels_that_touch_at_a_corner_are_one_peak():
    (detection,) = peaks(heatmap_of({(10, 10): 0.8, (11, 11): 0.8, (12, 12): 0.8, (12, 10): 0.39}))
    assert (detection.x, detection.y) == (pytest.approx(11), pytest.approx(11))


def test_peaks_come_highest_first_at_their_centroids():
    heatmap = np.maximum(gaussian(100.3, 50.6, 0.6), gaussian(300.2, 200.0, 0.9))
    first, second = peaks(heatmap)
    assert (first.x, first.y) == pytest.approx((300.2, 200.0), abs=0.05) and first.score == pytest.approx(0.9, abs=0.02)
    assert (second.x, second.y) == pytest.approx((100.3, 50.6), abs=0.1)


def test_a_ball_beside_a_stronger_light_is_a_peak_of_its_own():
    # One blob above the least.
    heatmap = np.maximum(gaussian(100, 50, 0.9), gaussian(109, 50, 0.5)) + 0.11
    xs = [each.x for each in peaks(heatmap, 0.3)]
    assert xs == pytest.approx([100, 109], abs=1)


def test_a_peak_stays_where_it_is_beside_a_higher_one_that_it_is_joined_to():
    bridge = {(x, 100): 0.22 for x in range(50, 61)}
    heatmap = np.maximum.reduce([gaussian(50, 100, 0.95), gaussian(60, 100, 0.4, sigma=1.5), heatmap_of(bridge)])
    first, second = peaks(heatmap)
    assert (first.x, second.x) == (pytest.approx(50, abs=0.2), pytest.approx(60, abs=1))


def test_a_plateau_is_one_peak():
    heatmap = EMPTY.copy()
    heatmap[40:80, 100:160] = 0.8
    (only,) = peaks(heatmap)
    assert (only.x, only.y) == (129.5, 59.5)


def test_peaks_are_few_and_above_what_is_asked():
    assert peaks(EMPTY) == []
    many = heatmap_of({(20 + 30 * k, 100): 0.2 + 0.05 * k for k in range(9)})
    assert [each.x for each in peaks(many)] == [260, 230, 200, 170]
    assert len(peaks(many, 0.56)) == 1
    assert peaks(np.full((288, 512), np.nan, np.float32)) == []


# --- the papers' decoders


def square(x: int, y: int, side: int, value: float = 1.0) -> dict[tuple[int, int], float]:
    return {(x + i, y + j): value for i in range(side) for j in range(side)}


def test_reference_takes_the_largest_contour_and_truncates():
    heatmap = heatmap_of(square(10, 20, 4) | square(100, 50, 3))
    assert decode_reference(heatmap) == (11, 21)  # the centroid is (11.5, 21.5)
    assert decode_reference_v3(heatmap) == (12, 22)  # box 10..13 wide 4: 10 + 2


def test_reference_threshold_is_128_of_255():
    assert decode_reference(heatmap_of(square(10, 20, 4, 127.9 / 255))) is None
    assert decode_reference(heatmap_of(square(10, 20, 4, 128.1 / 255))) == (11, 21)


def test_reference_needs_contour_area():
    line = {(x, 5): 1.0 for x in range(30)}
    assert decode_reference(EMPTY) is None and decode_reference_v3(EMPTY) is None
    assert decode_reference(heatmap_of(line)) is None
    assert decode_reference_v3(heatmap_of(line)) == (15, 5)
    assert decode_reference(heatmap_of(line | square(100, 50, 3))) == (101, 51)
    assert decode_reference_v3(heatmap_of(line | square(100, 50, 3))) == (15, 5)  # 30 x 1 against 3 x 3


def test_reference_ignores_heat_and_holes():
    ring = square(10, 10, 7) | {key: 0.0 for key in square(12, 12, 3)}
    assert decode_reference(heatmap_of(ring)) == (13, 13)
