"""A trajectory drawn over its video, as a file."""

from collections.abc import Callable
from os import PathLike

import numpy as np

from tracknetv5.draw import draw_ball
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import VideoWriter, probe, read_frames

TRAIL_SECONDS = 0.4  # how far back positions are drawn


def write_overlay(
    video: str | PathLike,
    trajectory: Trajectory,
    output: str | PathLike,
    *,
    style: str = "comet",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the frames that `trajectory` covers, with the ball and where it came from, as H.264 that browsers play.

    Args:
        video: the file the trajectory was made from.
        trajectory: positions in pixels of that video.
        output: the .mp4 to write.
        style: one of `tracknetv5.draw.STYLES`.
        progress: called as progress(frames written, frames in all), also while the first frame is looked for.

    Raises:
        VideoError: the video cannot be read or the output cannot be written.
        ValueError: the trajectory does not know its frames' size and rate, or is empty; or the style is unknown.
    """
    if trajectory.size is None or trajectory.fps is None or not len(trajectory):
        raise ValueError("an overlay needs a trajectory with frames, their size and their rate, as `track` returns it")
    trail = max(2, round(TRAIL_SECONDS * float(trajectory.fps)))
    visible, shot = trajectory.visible, trajectory.shot
    begins = np.searchsorted(shot, shot)  # the first row of the shot that a row belongs to
    first, count = int(trajectory.frame[0]), len(trajectory)
    tell = progress or (lambda done, total: None)
    with VideoWriter(output, trajectory.size, trajectory.fps, probe(video).pixel_aspect) as writer:
        for frame in read_frames(video, start=float(trajectory.time[0]), seeking=lambda: tell(0, count)):
            row = frame.index - first
            if row >= count:
                break
            image = draw_ball(
                frame.image,
                tuple(trajectory.xy[row]) if visible[row] else None,
                str(trajectory.source[row]),
                trajectory.xy[max(begins[row], row - trail) : row],
                style,
            )
            writer.write(image, float(trajectory.time[row] - trajectory.time[0]))
            tell(row + 1, count)
