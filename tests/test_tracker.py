"""From weights and a video to a trajectory. Small networks whose answer is known take the place of trained ones."""

import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from stand_ins import HEIGHT, WIDTH, Position, Redness, images, redness, write
from torch import nn

from tracknetv5.background import RecentBackground, median_background
from tracknetv5.geometry import Letterbox
from tracknetv5.heatmaps import LEAST
from tracknetv5.linking import LAG
from tracknetv5.models import create_model
from tracknetv5.rectify import rectify, repair_mask
from tracknetv5.shots import watch
from tracknetv5.tracker import BallTracker
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import VideoError, VideoWriter, read_frames
from tracknetv5.weights import WeightsConfig, save_weights


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    """A folder of random lite weights at a small input size."""
    torch.manual_seed(0)
    config = WeightsConfig(model="tracknet_v5_lite", options={}, height=HEIGHT, width=WIDTH, threshold=0.3)
    return save_weights(create_model("tracknet_v5_lite").eval(), tmp_path_factory.mktemp("lite"), config, half=True)


class Noting(BallTracker):
    """Finds nothing, and notes how much time linking is told to have passed."""

    def link(self, heatmaps, lag=LAG, gaps=None):
        self.gaps = []
        for _ in heatmaps:
            self.gaps.append(next(gaps))
            yield None


def test_linking_is_told_how_much_time_has_passed(tmp_path):
    tracker, (frames, _) = Noting(Redness(), redness().config), images(4)
    with VideoWriter(tmp_path / "slow.mp4", (HEIGHT, WIDTH), Fraction(10)) as writer:
        for frame in frames:
            writer.write(frame)
    tracker.track(tmp_path / "slow.mp4")
    assert tracker.gaps[1:] == pytest.approx([3, 3, 3])
    list(tracker.stream(frames))
    assert tracker.gaps[1:] == [1, 1, 1]


# --- one window


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_inspect_is_what_the_heatmaps_come_from(lite, order):
    tracker = BallTracker.from_pretrained(lite)
    tracker.config = replace(tracker.config, channel_order=order)
    window, _ = images(3)
    seen = tracker.inspect(window)
    heatmaps = [heatmap for _, heatmap in tracker.heatmaps(window)]
    np.testing.assert_allclose(seen.logits[0].sigmoid().numpy(), heatmaps, atol=1e-5)
    assert seen.polarity.shape == (1, 2, 2, HEIGHT, WIDTH) and seen.logits.device.type == "cpu"


def test_a_network_with_nothing_to_look_into():
    with pytest.raises(ValueError, match="redness has nothing to look into"):
        redness().inspect(images(3)[0])


# --- positions


@pytest.mark.parametrize("size", [(64, 128), (144, 256), (120, 96)], ids=["as the model", "larger", "portrait"])
def test_positions_are_pixels_of_the_source_frame(tmp_path, size):
    frames, centres = images(7, *size)
    trajectory = redness().track(write(tmp_path / "ball.mp4", frames))
    assert trajectory.size == size and trajectory.fps == 25
    np.testing.assert_array_equal(trajectory.frame, np.arange(7))
    np.testing.assert_allclose(trajectory.time, np.arange(7) / 25)
    np.testing.assert_allclose(trajectory.xy, centres, atol=0.02 * max(size))
    assert (trajectory.source == "detected").all() and (trajectory.score > 0.9).all()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_every_frame_is_answered_whatever_the_length(tmp_path, count, step):
    frames, centres = images(count)
    tracker = redness(step=step)
    trajectory = tracker.track(write(tmp_path / "ball.mp4", frames))
    assert len(trajectory) == count
    np.testing.assert_allclose(trajectory.xy, centres, atol=1.5)


def test_stream_equals_track(tmp_path, lite):
    frames, _ = images(8, 90, 120)  # letterboxed
    tracker = BallTracker.from_pretrained(lite, step=1)
    path = write(tmp_path / "ball.mp4", frames)
    trajectory = tracker.track(path)
    points = list(tracker.stream(frame.image for frame in read_frames(path)))
    assert [point.frame for point in points] == trajectory.frame.tolist()
    streamed = np.array([point.xy or (np.nan, np.nan) for point in points])
    # The file is scaled by the decoder, the stream by OpenCV: equal to a fraction of a pixel.
    np.testing.assert_allclose(streamed, trajectory.xy, atol=0.5)


def test_the_network_sees_the_true_shape_of_pixels_that_are_not_square(tmp_path):
    squeezed, centres = images(5, HEIGHT, WIDTH * 3 // 4)
    with VideoWriter(tmp_path / "hdv.mp4", squeezed[0].shape[:2], Fraction(25), Fraction(4, 3)) as writer:
        for frame in squeezed:
            writer.write(frame)
    tracker = redness()
    np.testing.assert_allclose(tracker.track(tmp_path / "hdv.mp4").xy, centres, atol=1.5)
    assert all((window > 0.2).all() for window, _ in tracker.model.calls)  # nothing black beside the picture


# --- shots


def test_track_says_where_the_camera_cuts_and_frames_are_repeated(tmp_path):
    (first, _), (second, _) = images(5, grey=40), images(4, grey=120)
    order = [*first[:3], first[2], *first[3:], *second]
    trajectory = redness().track(write(tmp_path / "joined.mp4", order))
    assert trajectory.cuts == (6,) and trajectory.repeats == (3,) and len(trajectory) == 10
    np.testing.assert_array_equal(trajectory.xy[3], trajectory.xy[2])


def test_batches_of_windows_give_the_same_points(tmp_path):
    frames = images(8, grey=40)[0] + images(7, grey=120)[0]
    path = write(tmp_path / "ball.mp4", frames)
    alone, together = redness(step=1), redness(step=1)
    letterbox = Letterbox((HEIGHT, WIDTH), (HEIGHT, WIDTH))
    shown = watch(((frame.index, frame.time, frame.image) for frame in read_frames(path)), letterbox)
    points = list(together._points(shown, letterbox, None, batch=4))
    np.testing.assert_array_equal([point.xy for point in points], alone.track(path).xy)
    assert [len(window) for window, _ in alone.model.calls] == [1] * 11
    assert [len(window) for window, _ in together.model.calls] == [4, 2, 4, 1]  # 6 windows in a shot, and 5


def test_a_ball_before_a_cut_does_not_speak_for_a_light_behind_it():
    frames = [np.full((HEIGHT, WIDTH, 3), (100 if k < 8 else 180) + 10 * (k % 2), np.uint8) for k in range(11)]
    for frame in frames[:8]:
        frame[30:34, 60:64] = (255, 60, 60)
    for frame in frames[8:]:
        frame[30:34, 60:64, 0] += 50  # below the threshold, and where the ball was
    points = list(redness(1).stream(frames, delay=0))
    assert [point.frame for point in points if point.picture == "cut"] == [8]
    assert [point.xy is not None for point in points] == [True] * 8 + [False] * 3


def test_a_frame_without_a_ball_is_nan(tmp_path):
    frames, _ = images(6)
    frames[2] = frames[4] = np.full_like(frames[0], 100)
    trajectory = redness().track(write(tmp_path / "ball.mp4", frames))
    assert trajectory.visible.tolist() == [True, True, False, True, False, True]
    assert trajectory.score[2] == 0 and trajectory.source[2] == ""


@pytest.mark.parametrize(
    ("length", "step", "ensemble", "expected"),
    [
        (3, 3, "mean", [0.1, 0.2, 0.2, 0.2, 0.3]),  # windows 0-2 and 2-4
        (3, 1, "mean", [0.1, 0.15, 0.2, 0.25, 0.3]),
        (4, 1, "mean", [0.1, 0.15, 0.25, 0.35, 0.4]),
        (4, 1, "triangular", [0.1, (2 * 0.2 + 0.1) / 3, 0.25, (2 * 0.3 + 0.4) / 3, 0.4]),
    ],
)
def test_heatmaps_of_overlapping_windows_are_averaged_as_the_config_says(length, step, ensemble, expected):
    config = WeightsConfig(model="", options={}, height=8, width=8, frames=length, step=step, ensemble=ensemble)
    tracker = BallTracker(Position(length), config)
    means = [heatmap.mean() for _, heatmap in tracker.heatmaps([np.zeros((8, 8, 3), np.uint8)] * 5)]
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_part_of_a_video_and_its_progress(tmp_path):
    frames, centres = images(20)
    reports = []
    path = write(tmp_path / "ball.mp4", frames)
    trajectory = redness().track(path, start=0.2, length=0.24, progress=lambda *report: reports.append(report))
    assert trajectory.frame.tolist() == [5, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(trajectory.xy, centres[5:11], atol=1.5)
    assert [done for done, _ in reports] == [1, 2, 3, 4, 5, 6] and reports[-1][1] is None
    redness().track(path, progress=lambda *report: reports.append(report))
    assert reports[-1] == (20, 20)


def test_memory_does_not_grow_with_the_stream():
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def peak(count: int) -> int:
        tracker = redness(step=1)
        tracker.model.calls = type("Forget", (), {"append": lambda self, call: None})()
        tracemalloc.start()
        for _ in tracker.stream(frame.copy() for _ in range(count)):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    peak(10)  # what is allocated once
    assert peak(400) < peak(40) + 10 * frame.nbytes


def test_channel_order_comes_from_the_config():
    frames, centres = images(3)
    assert [point.xy for point in redness(channel_order="BGR").stream(frames)] == [None] * 3
    blue = [frame[..., ::-1] for frame in frames]
    points = list(redness(channel_order="BGR").stream(blue))
    np.testing.assert_allclose([point.xy for point in points], centres, atol=1.5)


# --- background


def test_each_shot_has_the_background_of_its_own_pictures(tmp_path):
    first, centres = images(16)
    second = [np.clip(image.astype(int) + 80, 0, 255).astype(np.uint8) for image in first]
    tracker = redness(8, background=True)
    trajectory = tracker.track(write(tmp_path / "ball.mp4", [*first, *second]), start=4 / 25)
    assert list(trajectory.cuts) == [16]
    seen = []
    for window, background in tracker.model.calls:
        assert window.shape == (1, 8, 3, HEIGHT, WIDTH) and background.shape == (1, 3, HEIGHT, WIDTH)
        level = window.median()
        assert (background - level).abs().max() < 0.05  # the ball is gone
        seen.append(round(float(level) * 255, -1))
    assert seen == [100, 100, 180, 180]
    np.testing.assert_allclose(trajectory.xy[:12], centres[4:], atol=1.5)


def test_a_stream_makes_its_own_background_or_is_given_one():
    frames, centres = images(9, 120, 96)  # letterboxed
    tracker = redness(8, background=True)
    with pytest.raises(ValueError, match="take no background"):
        next(redness().stream(frames, background=frames[0]))
    own = [point.xy for point in tracker.stream(frames)]
    np.testing.assert_allclose(own, centres, atol=1.5)
    made = tracker.model.calls[0][1]
    tracker.model.calls.clear()
    assert len(list(tracker.stream(frames, background=median_background(frames)))) == 9
    given = tracker.model.calls[0][1]
    assert (made - given).abs().mean() < 0.005
    assert given[0, 0, :, 0].max() == 0 and given[0, 0, :, WIDTH // 2].min() > 0.3  # black beside the picture


def test_a_live_window_has_the_background_behind_its_last_picture():
    frames = [np.full((HEIGHT, WIDTH, 3), 20 + 4 * k, np.uint8) for k in range(12)]
    tracker, recent = redness(background=True), RecentBackground()
    assert len(list(tracker.stream(frames, delay=0))) == 12
    for (_, background), frame in zip(tracker.model.calls, frames, strict=True):
        np.testing.assert_allclose(255 * background[0].permute(1, 2, 0), recent(frame), atol=1e-3)


# --- rectification


def path_with_gaps(count: int, missing: list[int], y: float = 300.0) -> Trajectory:
    xy = np.stack([100.0 + 5 * np.arange(count), np.full(count, y)], 1)
    xy[missing] = np.nan
    source = np.where(np.isnan(xy[:, 0]), "", "detected")
    score = (source != "").astype(float)
    return Trajectory(np.arange(count), np.arange(count) / 25, xy, score, source, size=(720, 1280))


class Constant(nn.Module):
    """A rectifier that always answers the same, and remembers what it was asked."""

    def __init__(self, x: float = 0.25, y: float = 0.5):
        super().__init__()
        self.options = create_model("inpaintnet").options
        self.answer = nn.Parameter(torch.tensor([x, y]))
        self.asked = []

    def forward(self, xy, mask):
        self.asked.append((xy, mask))
        return self.answer.expand(xy.shape)


WEIGHTS = WeightsConfig(model="inpaintnet", options={}, frames=16, height=None, width=None, ensemble="triangular")


@pytest.mark.parametrize(("width", "linked"), [(512, False), (640, True)])
def test_how_far_a_ball_may_go_is_a_share_of_the_width(width, linked):
    heatmaps = np.zeros((2, 32, width), np.float32)
    heatmaps[0, 15:17, 99:101] = 0.99
    heatmaps[1, 15:17, 140:142] = 0.3  # below the threshold, and 41 pixels on
    first, second = redness(height=32, width=width, threshold=0.5).link(heatmaps)
    assert first.x == pytest.approx(99.5) and (second is not None) == linked


def test_a_low_threshold_finds_what_is_fainter_than_is_looked_at_otherwise():
    heatmap = np.zeros((HEIGHT, WIDTH), np.float32)
    heatmap[20, 30] = 0.6 * LEAST
    (found,) = redness(threshold=0.4 * LEAST).link([heatmap])
    assert (found.x, found.y) == (30, 20)


def test_a_video_is_not_read_for_gaps_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="fill_gaps must be 0 or more frames, not -1"):
        redness().track(tmp_path / "missing.mp4", fill_gaps=-1)


def test_gaps_in_flight_are_filled_unless_they_are_to_stay():
    seen = path_with_gaps(20, [9, 10])
    assert redness().complete(seen).source[8:12].tolist() == ["detected", "interpolated", "interpolated", "detected"]
    assert not redness().complete(seen, fill_gaps=1).visible[[9, 10]].any()


def test_the_repair_mask_covers_gaps_between_balls_below_the_top():
    trajectory = path_with_gaps(12, [0, 1, 4, 5, 8, 11])
    assert np.flatnonzero(repair_mask(trajectory)).tolist() == [0, 1, 4, 5, 8]  # not the gap at the end
    trajectory.xy[3, 1] = 20.0  # the ball may have left the picture over the top
    assert np.flatnonzero(repair_mask(trajectory)).tolist() == [0, 1, 8]
    trajectory.xy[2, 1] = 36.0  # 5 % of the height, not lower
    assert np.flatnonzero(repair_mask(trajectory)).tolist() == [8]
    assert not repair_mask(path_with_gaps(5, [0, 1, 2, 3, 4])).any()
    assert len(repair_mask(path_with_gaps(0, []))) == 0


@pytest.mark.parametrize("count", [5, 16, 40])
def test_masked_points_alone_are_replaced_and_marked(count):
    trajectory = path_with_gaps(count, [2, 3])
    model = Constant()
    result = rectify(trajectory, model, WEIGHTS.window_weights)
    assert np.flatnonzero(result.source == "rectified").tolist() == [2, 3]
    np.testing.assert_allclose(result.xy[2:4], [[320, 360]] * 2, rtol=1e-6)
    assert (result.score[2:4] == 0).all()
    others = np.r_[:2, 4:count]
    np.testing.assert_array_equal(result.xy[others], trajectory.xy[others])
    xy, mask = model.asked[0]
    assert xy.shape[1:] == (16, 2)
    torch.testing.assert_close(mask[0, :5, 0], torch.tensor([0.0, 0, 1, 1, 0]))
    torch.testing.assert_close(xy[0, 1], torch.tensor([105 / 1280, 300 / 720]))
    assert (xy[0, 2:4] == 0).all()


def test_windows_without_any_detection_stay_empty():
    trajectory = path_with_gaps(60, list(range(10, 50)))
    model = Constant()
    result = rectify(trajectory, model, WEIGHTS.window_weights)
    filled = np.flatnonzero(result.source == "rectified")
    assert filled.tolist() == [*range(10, 25), *range(35, 50)]  # within 15 frames of a detection
    for xy, _ in model.asked:
        assert (xy.abs().sum((1, 2)) > 0).all()
    model = Constant()
    assert not rectify(path_with_gaps(20, list(range(20))), model, WEIGHTS.window_weights).visible.any()
    assert not model.asked


def test_every_gap_of_a_long_video_is_filled():
    gaps = range(5, 895, 10)
    result = rectify(path_with_gaps(900, list(gaps)), Constant(), WEIGHTS.window_weights)
    assert np.flatnonzero(result.source == "rectified").tolist() == list(gaps)


def test_the_published_rectifier_fills_a_gap():
    torch.manual_seed(0)
    result = rectify(path_with_gaps(20, [4, 5]), create_model("inpaintnet").eval(), WEIGHTS.window_weights)
    assert np.flatnonzero(result.source == "rectified").tolist() == [4, 5]
    assert ((result.xy[4:6] > 0) & (result.xy[4:6] < [1280, 720])).all()


def test_points_near_the_corner_mean_no_ball():
    trajectory = path_with_gaps(20, [4])
    for answer, visible in [((0.08, 0.08), False), ((0.08, 0.09), True), ((0.09, 0.08), True)]:
        assert rectify(trajectory, Constant(*answer), WEIGHTS.window_weights).visible[4] == visible


def test_the_windows_that_see_a_frame_are_averaged_by_position():
    class Ramp(Constant):
        def forward(self, xy, mask):
            return torch.linspace(0.2, 0.8, 16)[None, :, None].expand(xy.shape)

    trajectory = path_with_gaps(16 + 1, [5])  # two windows: frame 5 is at positions 5 and 4
    ramp = np.linspace(0.2, 0.8, 16)
    expected = (6 * ramp[5] + 5 * ramp[4]) / 11
    result = rectify(trajectory, Ramp(), WEIGHTS.window_weights)
    np.testing.assert_allclose(result.xy[5], [1280 * expected, 720 * expected], rtol=1e-6)


def test_track_rectifies_with_the_network_it_was_given(tmp_path):
    frames, centres = images(20)
    frames[8] = np.full_like(frames[0], 100)
    path = write(tmp_path / "ball.mp4", frames)
    tracker = redness()
    tracker.rectifier = (Constant(), WEIGHTS)
    trajectory = tracker.track(path)
    assert trajectory.source[8] == "rectified" and trajectory.score[8] == 0
    np.testing.assert_allclose(trajectory.xy[8], [WIDTH / 4, HEIGHT / 2], rtol=1e-6)
    assert (np.delete(trajectory.source, 8) == "detected").all()


# --- settings and errors


def test_settings_come_from_the_config_unless_given(lite):
    tracker = BallTracker.from_pretrained(lite)
    assert (tracker.threshold, tracker.step, tracker.config.frames) == (0.3, 3, 3)
    tracker = BallTracker.from_pretrained(lite, threshold=0.7, step=1, device="cpu")
    assert (tracker.threshold, tracker.step, str(tracker.device)) == (0.7, 1, "cpu")
    assert type(BallTracker.from_pretrained(lite, threshold=np.float32(0.5)).threshold) is float  # as JSON wants it


def test_other_settings_share_the_network(lite):
    tracker = BallTracker.from_pretrained(lite, threshold=0.7, step=1)
    other = tracker.with_settings(threshold=0.2)
    assert other.model is tracker.model
    assert (other.threshold, other.step) == (0.2, 3) and (tracker.threshold, tracker.step) == (0.7, 1)
    with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
        tracker.with_settings(threshold=2.0)
    with pytest.raises(ValueError, match="step must lie between 1 and the 3 frames"):
        tracker.with_settings(step=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(threshold=0.0), "threshold must lie between 0 and 1"),
        (dict(threshold=1.5), "threshold must lie between 0 and 1"),
        (dict(threshold="0.5"), "threshold must lie between 0 and 1, not '0.5'"),
        (dict(step=0), "step must lie between 1 and the 3 frames"),
        (dict(step=4), "step must lie between 1 and the 3 frames"),
        (dict(step=1.5), "step must lie between 1 and the 3 frames of a window, not 1.5"),
        (dict(device="meta"), "'meta' cannot be used"),
        (dict(device="abacus"), "'abacus' cannot be used.*\"cpu\" always can"),
        (dict(runtime="abacus"), "runtime must be one of auto, torch, onnx .* not 'abacus'"),
        (dict(precision="float8"), "precision must be one of auto, float32, bfloat16, float16, not 'float8'"),
        (dict(runtime="onnx", precision="bfloat16"), "ONNX Runtime computes in float32"),
        (dict(runtime="onnx", compiled=True), "ONNX Runtime computes in float32, not compiled"),
        (dict(runtime="onnx", device="cuda"), "computes on the CPU here, not on cuda"),
    ],
)
def test_settings_that_cannot_be(lite, settings, message):
    with pytest.raises(ValueError, match=message):
        BallTracker.from_pretrained(lite, **settings)


def test_networks_in_the_wrong_place():
    with pytest.raises(ValueError, match="give it as rectifier"):
        BallTracker(create_model("inpaintnet"), WEIGHTS)
    facts = WeightsConfig(model="redness", options={}, height=HEIGHT, width=WIDTH)
    with pytest.raises(ValueError, match="cannot be the rectifier"):
        BallTracker(Redness(), facts, rectifier=(Redness(), facts))


def test_frames_that_do_not_fit():
    frames, _ = images(3)
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8 RGB"):
        list(redness().stream([frame.astype(np.float32) for frame in frames]))
    with pytest.raises(ValueError, match=r"frame 2 is \(32, 128, 3\)"):
        list(redness().stream([*frames[:2], frames[2][:32]]))
    assert list(redness().stream([])) == []
    for frame, kind in ((None, "NoneType"), ("a.png", "str"), (frames[0][0], r"\(128, 3\) uint8")):
        with pytest.raises(ValueError, match=rf"expected \(H, W, 3\) uint8 RGB frames, frame 0 is {kind}"):
            list(redness().stream([frame]))
    for frame in (frames[0] / np.float32(255), frames[0][..., 0]):
        with pytest.raises(ValueError, match=r"expected \(H, W, 3\) uint8 RGB pictures, got \("):
            list(redness().heatmaps([frame] * 3))
    # A network of convolutions would take them, and answer in pixels of its own.
    with pytest.raises(ValueError, match=r"pictures of 64 x 128, got \(72, 128, 3\).*Letterbox"):
        list(redness().heatmaps(images(3, 72, 128)[0]))
    for delay in (-1, 3):
        with pytest.raises(ValueError, match=f"delay must lie between 0 and 2 frames, not {delay}"):
            redness().stream(frames, delay=delay)


def test_a_file_that_is_no_video(tmp_path):
    with pytest.raises(VideoError, match="no such file"):
        redness().track(tmp_path / "nothing.mp4")


@pytest.mark.parametrize(
    ("name", "options"),
    [("tracknet_v2", {}), ("tracknet_v3", {}), ("tracknet_v4", {}), ("tracknet_v5", dict(grid=(2, 4)))],
)
def test_full_size_networks_go_through_the_same_tracker(tmp_path, name, options):
    torch.manual_seed(0)
    model = create_model(name, **options)
    frames = model.options.frames
    v3 = dict(background=True, ensemble="triangular") if frames == 8 else {}
    config = WeightsConfig(model=name, options={}, height=32, width=64, frames=frames, step=frames, **v3)
    folder = save_weights(model, tmp_path / "weights", config)
    tracker = BallTracker.from_pretrained(folder)
    assert len(tracker.track(write(tmp_path / "ball.mp4", images(9)[0]))) == 9
    heatmaps = np.stack([heatmap for _, heatmap in tracker.heatmaps(images(9, 32, 64)[0])])
    assert heatmaps.shape == (9, 32, 64) and np.isfinite(heatmaps).all() and heatmaps.std() > 0
