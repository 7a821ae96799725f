"""Synthetic rallies: the same each time, labels where the ball is drawn, hidden when hidden, the same at any size."""

import csv
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from tracknetv5.data.synthetic import SCENES, Clip, render_rally, write_rally
from tracknetv5.data.synthetic_rally import BADMINTON, STEP, TENNIS, aim, plan_rally
from tracknetv5.video import probe, read_frames

SMALL = (144, 256)
EXAMPLES = Path(__file__).parents[1] / "demo" / "examples"


def clip(scene: str = "rally", frames: int = 60, size: tuple[int, int] = SMALL, seed: int = 0, fps: int = 30) -> Clip:
    return Clip(frames=frames, size=size, seed=seed, scene=scene, fps=fps)


def ball_only(rally: Clip, index: int) -> tuple[np.ndarray, tuple[float, float, int]]:
    """What the ball changes in frame `index`, (H, W), and the label."""
    image, label = rally.frame(index)
    without, _ = rally.frame(index, ball=False)
    return np.abs(image.astype(float) - without).sum(axis=2), label


def centroid(weight: np.ndarray) -> np.ndarray:
    y, x = np.indices(weight.shape)
    return np.array(((x * weight).sum(), (y * weight).sum())) / weight.sum()


@pytest.mark.parametrize("scene", SCENES)
def test_same_arguments_same_pixels(scene):
    first = list(render_rally(frames=4, size=SMALL, seed=3, scene=scene))
    again = list(render_rally(frames=4, size=SMALL, seed=3, scene=scene))
    other = list(render_rally(frames=4, size=SMALL, seed=4, scene=scene))
    for (image, label), (image2, label2), (image3, _) in zip(first, again, other, strict=True):
        assert image.shape == (*SMALL, 3) and image.dtype == np.uint8
        np.testing.assert_array_equal(image, image2)
        assert label == label2
        assert np.abs(image.astype(int) - image3).mean() > 5


def test_longer_clip_begins_with_the_same_frames():
    short, long = clip(frames=20), clip(frames=200)
    for index in (0, 10, 19):
        np.testing.assert_array_equal(short.frame(index)[0], long.frame(index)[0])
        assert short.frame(index)[1] == long.frame(index)[1]


@pytest.mark.parametrize(("scene", "seed"), [("rally", 0), ("rally", 1), ("rally", 3), ("occlusion", 1), ("pan", 2)])
def test_label_is_where_the_ball_is_drawn(scene, seed):
    rally, errors = clip(scene, seed=seed, size=(288, 512)), []
    for index in range(0, 60, 2):
        light, (x, y, visible) = ball_only(rally, index)
        if visible:
            assert light.max() > 20
            errors.append(np.hypot(*(centroid(light) - (x, y))))
    assert len(errors) >= 15
    # A court line behind, or a racket before, one end of a streak moves the centre of what is left of it.
    assert np.median(errors) < 0.1
    assert np.mean(np.array(errors) < 0.5) > 0.85
    assert max(errors) < 1.5


@pytest.mark.parametrize("scene", SCENES)
def test_no_label_means_hardly_any_ball(scene):
    rally = clip(scene, seed=2, size=(288, 512), frames=40)
    brightest = max(ball_only(rally, index)[0].sum() for index in range(0, 40, 4))
    for index in range(40):
        light, label = ball_only(rally, index)
        if not label[2]:
            assert label == (0.0, 0.0, 0)
            assert light.sum() < 0.35 * brightest


def test_another_size_shows_the_same_rally():
    small, large = clip(seed=2, size=(144, 256)), clip(seed=2, size=(288, 512))
    for index in (0, 15, 30):
        (image, (x, y, visible)), (image2, (x2, y2, visible2)) = small.frame(index), large.frame(index)
        assert visible == visible2 == 1
        np.testing.assert_allclose((2 * (x + 0.5) - 0.5, 2 * (y + 0.5) - 0.5), (x2, y2), atol=0.05)
        halved = image2.astype(float).reshape(144, 2, 256, 2, 3).mean(axis=(1, 3))
        assert np.abs(halved - image).mean() < 4


@pytest.mark.parametrize("size", [(360, 640), (101, 333), (512, 288)])
def test_any_size(size):
    image, (x, y, visible) = clip(seed=2, size=size, frames=1).frame(0)
    assert image.shape == (*size, 3)
    assert visible and 0 <= x < size[1] and 0 <= y < size[0]


def test_ball_is_mostly_seen():
    for seed in range(3):
        assert np.mean([label[2] for _, label in render_rally(frames=60, size=(72, 128), seed=seed)]) > 0.7


def test_occlusion_hides_a_ball_in_view_for_some_frames():
    for seed in (0, 1, 2):
        rally = clip("occlusion", frames=60, size=(288, 512), seed=seed)
        shown = [rally.frame(index)[1][2] for index in range(60)]
        hidden = [(group[0], len(group)) for seen, run in groupby(range(60), key=lambda k: shown[k])
                  if (group := list(run)) and not seen]
        start, longest = max(hidden, key=lambda run: run[1])
        assert 4 <= longest <= 8
        for index in range(start, start + longest):
            x, y = rally.camera(index / 30).project(rally.rally.ball_at(np.array([index / 30]))[0])
            assert 0 < x < 511 and 0 < y < 287


def test_ball_leaves_the_picture_and_comes_back():
    rally = clip(frames=90, seed=1)
    shown = [rally.frame(index)[1][2] for index in range(90)]
    gone = [not seen for seen in shown]
    heights = [rally.camera(0).project(rally.rally.ball_at(np.array([index / 30]))[0])[1] for index in range(90)]
    assert max(len(list(run)) for out, run in groupby(gone) if out) >= 5
    assert all(not seen for seen, y in zip(shown, heights, strict=True) if y < 0)
    assert shown[0] and shown[-1]


def test_only_a_panning_camera_moves_the_background():
    def moved(scene: str) -> float:
        rally = clip(scene, seed=2)
        return float(np.median(np.abs(rally.frame(0)[0][:40].astype(int) - rally.frame(20)[0][:40])))

    assert moved("rally") < 4 < moved("pan")
    before, after = (clip("pan", seed=2).camera(time) for time in (0, 1))
    assert abs(before.yaw - after.yaw) > 1e-3 and abs(before.focal - after.focal) > 1
    np.testing.assert_array_equal(before.position, after.position)


def test_a_longer_exposure_draws_a_longer_streak():
    def spread(fps: int) -> float:
        light, _ = ball_only(clip(seed=2, size=(576, 1024), fps=fps, frames=2), 0)
        rows, columns = np.nonzero(light > 12)
        return float(np.hypot(np.ptp(rows), np.ptp(columns)))

    assert spread(15) > spread(120) + 2.5


@pytest.mark.parametrize("wrong", [{"scene": "juggling"}, {"frames": 0}, {"size": (0, 512)}, {"fps": 0}])
def test_arguments_are_checked(wrong):
    with pytest.raises(ValueError, match="scene|cannot draw"):
        render_rally(**{"frames": 1, **wrong})


@pytest.mark.parametrize("sport", [TENNIS, BADMINTON])
def test_aim_meets_the_target_over_the_net(sport):
    start, target = np.array((1.0, -5.0, 1.0)), np.array((-1.0, 4.0, 1.2))
    path, _ = aim(sport, start, target, 0.4)
    np.testing.assert_allclose(path[-1], target, atol=0.03)
    assert path[np.argmin(np.abs(path[:, 1])), 2] > sport.net_heights[0]


def test_ball_flies_in_arcs_between_hits_and_bounces():
    rally = plan_rally(TENNIS, 6.0, np.random.default_rng(5), doubles=False, hide_from=None)
    ball = rally.ball[np.isfinite(rally.ball).all(axis=1)]
    assert ball[:, 2].min() > -0.05
    fall = np.diff(ball[:, 2], n=2) / STEP**2
    assert np.mean((fall < -4) & (fall > -16)) > 0.97  # gravity and drag but for a few kinks
    hits = [hit for player in rally.players for hit in player.hits if hit[0] > 0]
    assert len(hits) >= 3
    for player in rally.players:
        for when, spot in player.hits:
            if 0 < when < 6:
                assert np.hypot(*(player.at(when) - spot[:2])) < 1.0  # in reach


def test_written_video_and_labels_agree(tmp_path):
    path = tmp_path / "rally.mp4"
    labels = write_rally(path, frames=7, size=SMALL, seed=2, fps=Fraction(30000, 1001), labels=True)
    frames = list(read_frames(path))
    assert len(frames) == len(labels) == 7
    assert probe(path).fps == Fraction(30000, 1001)
    drawn = [image for image, _ in render_rally(frames=7, size=SMALL, seed=2, fps=Fraction(30000, 1001))]
    assert np.abs(frames[3].image.astype(int) - drawn[3]).mean() < 6
    with path.with_suffix(".csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["Frame", "Visibility", "X", "Y"]
    for index, (row, (x, y, visible)) in enumerate(zip(rows, labels, strict=True)):
        assert (int(row["Frame"]), int(row["Visibility"])) == (index, visible)
        np.testing.assert_allclose((float(row["X"]), float(row["Y"])), (x, y), atol=0.006)


def test_bundled_examples_are_whole_and_small():
    clips = sorted(EXAMPLES.glob("*.mp4"))
    assert [path.stem for path in clips] == ["camera_pan", "occlusion", "rally_long"]
    for path in clips:
        assert path.stat().st_size < 1_200_000
        with path.with_suffix(".csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == sum(1 for _ in read_frames(path, size=(36, 64)))
        assert np.mean([int(row["Visibility"]) for row in rows]) > 0.7
