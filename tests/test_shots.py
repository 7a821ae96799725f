"""Cuts and repetitions are told from footage, encoded or not, and from nothing that merely moves."""

from fractions import Fraction

import numpy as np
import pytest

from tracknetv5.data.synthetic import write_rally
from tracknetv5.geometry import Letterbox
from tracknetv5.shots import STANDSTILL, ChangeDetector, watch
from tracknetv5.video import VideoWriter, read_frames

SIZE = (144, 256)


@pytest.fixture(scope="module")
def rallies(tmp_path_factory):
    """Frames of three rallies on different courts."""
    folder = tmp_path_factory.mktemp("rallies")
    clips = []
    for seed in range(3):
        write_rally(folder / "rally.mp4", frames=12, size=SIZE, seed=seed)
        clips.append([frame.image for frame in read_frames(folder / "rally.mp4")])
    return clips


def changes(frames) -> list[str]:
    return list(map(ChangeDetector(), frames))


def encoded(path, frames):
    with VideoWriter(path, frames[0].shape[:2], Fraction(30)) as writer:
        for frame in frames:
            writer.write(frame)
    return [frame.image for frame in read_frames(path)]


def test_a_rally_is_one_shot_of_new_pictures(rallies):
    for frames in rallies:
        assert changes(frames) == ["new"] * 12


def test_cuts_are_where_the_clips_were_joined(rallies, tmp_path):
    first, second, third = rallies
    joined = encoded(tmp_path / "joined.mp4", [*first, *second[:1], *third, *second[5:]])
    assert [k for k, change in enumerate(changes(joined)) if change == "cut"] == [12, 13, 25]


def test_frames_that_were_encoded_again_are_repeats(tmp_path):
    write_rally(tmp_path / "rally.mp4", frames=12, size=(720, 1280), seed=0)
    once = [frame.image for frame in read_frames(tmp_path / "rally.mp4")]
    order = [0, 1, 2, 3, 4, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 11]
    frames = encoded(tmp_path / "again.mp4", [once[k] for k in order])
    assert [k for k, change in enumerate(changes(frames)) if change == "repeat"] == [5, 7, 10, 13]


def test_a_pan_is_no_cut(rallies):
    wide = np.concatenate([rallies[0][0], rallies[1][0], rallies[0][0][:, ::-1]], axis=1)
    left = np.cumsum([0, 1, 2, 3, 4, 6, 8, 10, *[12] * 25])  # in the end, 5 % of the width a frame
    assert changes([wide[:, k : k + SIZE[1]] for k in left]) == ["new"] * len(left)


def test_a_ball_alone_makes_a_new_picture():
    frames = []
    for k in range(20):
        image = np.full((288, 512, 3), 90, np.uint8)
        image[100:104, 50 + 5 * k : 54 + 5 * k] = 130
        frames.append(image)
    assert changes(frames) == ["new"] * 20


def test_slow_changes_add_up_to_a_new_picture():
    frames = [np.full((36, 64, 3), 100 + k, np.uint8) for k in range(10)]
    assert changes(frames) == ["new", "repeat", "repeat"] * 3 + ["new"]


def test_black_bars_do_not_hide_a_cut(rallies):
    tall = [image[:, 100:150] for image in (*rallies[0], *rallies[1])]
    frames = ((number, None, image) for number, image in enumerate(tall))
    shown = list(watch(frames, Letterbox(tall[0].shape[:2], (288, 512))))
    assert [frame.number for frame in shown if frame.picture == "cut"] == [12]
    assert [frame.shot for frame in shown] == [0] * 12 + [1] * 12
    assert all(frame.image.shape == (288, 512, 3) for frame in shown)


def test_windows_begin_anew_after_a_standstill(rallies):
    first, second = rallies[0][:2]
    frames = enumerate([first] * (STANDSTILL + 4) + [second] * (STANDSTILL + 1) + [first])
    shown = list(watch(((k, None, image) for k, image in frames), Letterbox(SIZE, SIZE)))
    assert [frame.shot for frame in shown] == [0] * (STANDSTILL + 1) + [1] * 3 + [2] * (STANDSTILL + 2)
    assert [frame.number for frame in shown if frame.image is not None] == [0, STANDSTILL + 4, 2 * STANDSTILL + 5]
