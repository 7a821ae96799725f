"""A trajectory drawn over its video, as a file."""

import os
from collections.abc import Callable
from os import PathLike

import numpy as np

from tracknetv5.draw import draw_ball
from tracknetv5.trajectory import Trajectory
from tracknetv5.video import TIME_TOLERANCE, VideoWriter, probe, read_frames

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
        trajectory: positions in pixels of that video; frames that it leaves out, the output leaves out.
        output: the .mp4 to write.
        style: one of `tracknetv5.draw.STYLES`.
        progress: called as progress(frames written, frames in all), also while the first frame is looked for.

    Raises:
        VideoError: the video cannot be read or the output cannot be written.
        ValueError: the trajectory does not know its frames' size, rate and times, or is empty; the style is unknown; or
            the output is the video itself.
    """
    if trajectory.size is None or trajectory.fps is None or not len(trajectory) or np.isnan(trajectory.time[0]):
        raise ValueError("an overlay needs a trajectory with frames, their size, rate and times, as `track` returns it")
    if os.path.exists(output) and os.path.exists(video) and os.path.samefile(video, output):
        raise ValueError(f"{output}: is the video itself and would be lost: name another file for the overlay")
    time, visible, shot = trajectory.time, trajectory.visible, trajectory.shot
    # The first row of the tail of each row: of its shot, and not too long ago.
    begins = np.maximum(np.searchsorted(shot, shot), np.searchsorted(time, time - TRAIL_SECONDS - TIME_TOLERANCE))
    count, row = len(trajectory), 0
    tell = progress or (lambda done, total: None)
    with VideoWriter(output, trajectory.size, trajectory.fps, probe(video).pixel_aspect) as writer:
        for frame in read_frames(video, start=float(time[0]), seeking=lambda: tell(0, count)):
            if frame.index != trajectory.frame[row]:
                continue
            image = draw_ball(
                frame.image,
                tuple(trajectory.xy[row]) if visible[row] else None,
                str(trajectory.source[row]),
                trajectory.xy[begins[row] : row],
                style,
            )
            writer.write(image, float(time[row] - time[0]))
            row += 1
            tell(row, count)
            if row == count:
                break
