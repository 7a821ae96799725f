"""The ball is marked in its own frame, with a tail that stays within a shot."""

from fractions import Fraction

import numpy as np
import pytest

from tracknetv5.overlay import write_overlay
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import VideoWriter, probe, read_frames

SIZE = (144, 256)
XY = np.array([[40.0 + 8 * k, 30.0] for k in range(5)] + [[200.0 - 8 * k, 110.0] for k in range(5)])


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "grey.mp4", SIZE, Fraction(25)) as writer:
        for _ in XY:
            writer.write(np.full((*SIZE, 3), 90, np.uint8))
    return tmp_path / "grey.mp4"


def marked(video, first: int = 0, cuts: tuple[int, ...] = ()) -> list[np.ndarray]:
    """(H, W) bool for each frame from `first` on: what was drawn."""
    frame = np.arange(first, len(XY))
    score, source = np.ones(len(frame)), ["detected"] * len(frame)
    trajectory = Trajectory(frame, frame / 25, XY[first:], score, source, SIZE, Fraction(25), cuts)
    write_overlay(video, trajectory, video.with_name("ball.mp4"))
    films = read_frames(video.with_name("ball.mp4")), read_frames(video, start=first / 25)
    return [abs(a.image.astype(int) - b.image).max(2) > 40 for a, b in zip(*films, strict=True)]


@pytest.mark.parametrize("first", [0, 4])
def test_the_ring_is_around_the_ball_of_the_frame(video, first):
    for drawn, ball in zip(marked(video, first, cuts=tuple(range(1, 10))), XY[first:], strict=True):  # no tails
        y, x = np.nonzero(drawn)
        assert x.size and np.hypot(x - ball[0], y - ball[1]).max() < 8


def test_the_tail_stays_within_a_shot(video):
    between = np.s_[50:95]  # rows that no ball of either half is in
    assert all(drawn[between].any() for drawn in marked(video)[5:])
    apart = marked(video, cuts=(5,))
    assert not any(drawn[between].any() for drawn in apart)
    assert all(np.ptp(np.nonzero(apart[k])[1]) > np.ptp(np.nonzero(apart[0])[1]) + 8 for k in (4, 9))


def test_the_tail_is_of_the_last_frames_alone(tmp_path):
    with VideoWriter(tmp_path / "grey.mp4", SIZE, Fraction(25)) as writer:
        for _ in range(20):
            writer.write(np.full((*SIZE, 3), 90, np.uint8))
    frame, xy = np.arange(20), np.array([[20 + 11.0 * k, 60.0] for k in range(20)])
    trajectory = Trajectory(frame, frame / 25, xy, np.ones(20), ["detected"] * 20, SIZE, Fraction(25))
    write_overlay(tmp_path / "grey.mp4", trajectory, tmp_path / "ball.mp4")
    *_, last = read_frames(tmp_path / "ball.mp4")
    drawn = np.nonzero(abs(last.image[60].astype(int) - 90).max(1) > 12)[0]
    assert xy[-1, 0] - 11 * 11 < drawn.min() < xy[-1, 0] - 11  # 0.4 s are 10 frames


def test_frames_that_a_trajectory_leaves_out_are_left_out(video):
    frame = np.array([0, 1, 4, 9])
    trajectory = Trajectory(frame, frame / 25, XY[frame], np.ones(4), ["detected"] * 4, SIZE, Fraction(25), (1, 4, 9))
    write_overlay(video, trajectory, video.with_name("ball.mp4"))
    film = list(read_frames(video.with_name("ball.mp4")))
    np.testing.assert_allclose([shown.time for shown in film], frame / 25)
    for shown, ball in zip(film, XY[frame], strict=True):
        y, x = np.nonzero(abs(shown.image.astype(int) - 90).max(2) > 40)
        assert x.size and np.hypot(x - ball[0], y - ball[1]).max() < 8


def test_times_are_needed(video):
    trajectory = Trajectory([0], [np.nan], XY[:1], [1.0], ["detected"], SIZE, Fraction(25))
    with pytest.raises(ValueError, match="size, rate and times"):
        write_overlay(video, trajectory, video.with_name("ball.mp4"))


def test_a_video_is_not_replaced_by_its_overlay(video):
    trajectory = Trajectory([0], [0.0], XY[:1], [1.0], ["detected"], SIZE, Fraction(25))
    video.with_name("link.mp4").symlink_to(video)
    before = video.read_bytes()
    for output in (video, video.parent / "." / ".." / video.parent.name / video.name, video.with_name("link.mp4")):
        with pytest.raises(ValueError, match="is the video itself and would be lost: name another file"):
            write_overlay(video, trajectory, output)
    assert video.read_bytes() == before


def test_the_shape_of_pixels_is_kept(tmp_path):
    with VideoWriter(tmp_path / "hdv.mp4", SIZE, Fraction(25), Fraction(4, 3)) as writer:
        writer.write(np.full((*SIZE, 3), 90, np.uint8))
    trajectory = Trajectory([0], [0.0], XY[:1], [1.0], ["detected"], SIZE, Fraction(25))
    write_overlay(tmp_path / "hdv.mp4", trajectory, tmp_path / "ball.mp4")
    assert probe(tmp_path / "ball.mp4").pixel_aspect == Fraction(4, 3)


def test_progress_is_told_while_the_first_frame_is_looked_for_and_may_end_it(video):
    frame = np.arange(4, len(XY))
    trajectory = Trajectory(frame, frame / 25, XY[4:], np.ones(6), ["detected"] * 6, SIZE, Fraction(25))

    def leave(done: int, total: int) -> None:
        assert (done, total) == (0, 6)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        write_overlay(video, trajectory, video.with_name("ball.mp4"), progress=leave)
    assert not video.with_name("ball.mp4").exists()
