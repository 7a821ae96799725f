"""A trajectory in words and in tables that a coach reads."""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tracknetv5.trajectory import Trajectory

RATIOS = (
    "Precision: where a ball was reported, how often it was there. Recall: of the balls that were found in the right "
    "place or not at all, the share that was found; a ball that is reported in a wrong place lowers precision alone, "
    "as in the TrackNet papers. F1 is between the two: 1 is perfect."
)
PAUSE_SECONDS = 1.0  # without a ball; a longer one ends a rally
HELD = 3  # frames that a top speed must last: one false position would set it otherwise


@dataclass(frozen=True)
class Rally:
    """A stretch of one shot in which the ball is never out of sight for longer than PAUSE_SECONDS; rows."""

    first: int
    last: int


def rallies(trajectory: Trajectory) -> list[Rally]:
    found: list[Rally] = []
    for first, last in trajectory.runs():
        before = found[-1].last if found else None
        same_shot = found and trajectory.shot[first] == trajectory.shot[before]
        if same_shot and trajectory.time[first] - trajectory.time[before] <= PAUSE_SECONDS:
            found[-1] = Rally(found[-1].first, last)
        else:
            found.append(Rally(first, last))
    return found


RALLY_HEADERS = ["Rally", "From (s)", "To (s)", "Length (s)", "Frames with ball", "Top speed (px/s)"]


def rally_table(trajectory: Trajectory) -> list[list]:
    """One row a rally, as RALLY_HEADERS."""
    rows = []
    for number, rally in enumerate(rallies(trajectory), 1):
        part = slice(rally.first, rally.last + 1)
        begin, end = trajectory.time[rally.first], trajectory.time[rally.last]
        seen = int(trajectory.visible[part].sum())
        top, _ = top_speed(trajectory, part)
        rows.append(
            [number, f"{begin:.2f}", f"{end:.2f}", f"{end - begin:.2f}", f"{seen} of {rally.last - rally.first + 1}",
             "" if top is None else f"{top:,.0f}"]
        )  # fmt: skip
    return rows


def rally_begins(trajectory: Trajectory) -> list[float]:
    """Seconds from the first frame to the beginning of each rally: where it begins in the marked video."""
    return [float(trajectory.time[rally.first] - trajectory.time[0]) for rally in rallies(trajectory)]


POSITION_HEADERS = ["Frame", "Time (s)", "X (px)", "Y (px)", "Speed (px/s)", "Confidence", "Source"]


def position_table(trajectory: Trajectory) -> list[list]:
    """One row a frame, as POSITION_HEADERS; empty where there is no ball."""

    def shown(value: float, digits: int) -> float | str:
        return "" if np.isnan(value) else round(float(value), digits)

    columns = (trajectory.frame, trajectory.time, *trajectory.xy.T, trajectory.speed(), trajectory.score)
    return [
        [int(frame), round(float(time), 3), shown(x, 1), shown(y, 1), shown(speed, 0), round(float(score), 2), source]
        for (frame, time, x, y, speed, score), source in zip(
            zip(*columns, strict=True), _named(trajectory), strict=True
        )
    ]


def _named(trajectory: Trajectory) -> list[str]:
    names = {"": "no ball", "detected": "seen", "rectified": "corrected", "interpolated": "filled in"}
    return [names[source] for source in trajectory.source.tolist()]


def summary(trajectory: Trajectory) -> str:
    """A few sentences of Markdown."""
    count, seen = len(trajectory), int((trajectory.source == "detected").sum())
    if not seen and count < HELD:
        frames = "1 frame" if count == 1 else f"{count} frames"
        return f"**Only {frames}.** The network looks at three in a row: choose a longer video or part."
    if not seen:
        return (
            f"**No ball found in {count} frames.** The camera should show the whole court from behind and hardly move, "
            "as on television, and the ball should be sharp enough to see on a still picture. Under “Settings”, the "
            "network can be asked to be less sure, which finds fainter balls."
        )
    found = rallies(trajectory)
    longest = max(found, key=lambda rally: trajectory.time[rally.last] - trajectory.time[rally.first])
    begin, end = trajectory.time[longest.first], trajectory.time[longest.last]
    words = [f"**A ball was found in {seen} of {count} frames ({seen / count:.0%}).**"]
    if trajectory.cuts:
        at = ", ".join(f"{time:.1f} s" for time in trajectory.time[np.isin(trajectory.frame, trajectory.cuts)][:5])
        words.append(f"The picture is cut at {at}{' …' if len(trajectory.cuts) > 5 else ''}.")
    if len(found) == 1:
        words.append(f"One rally, from {begin:.1f} s to {end:.1f} s.")
    else:
        words.append(f"{len(found)} rallies; the longest lasts {end - begin:.1f} s, from {begin:.1f} s to {end:.1f} s.")
    top, row = top_speed(trajectory)
    if top is not None:
        words.append(f"Fastest in the picture: {top:,.0f} pixels per second, at {trajectory.time[row]:.1f} s.")
    for source, verb in (("rectified", "corrected from the motion around them"), ("interpolated", "filled in")):
        if invented := int((trajectory.source == source).sum()):
            words.append(f"{invented} position{' is' if invented == 1 else 's are'} {verb}, not seen.")
    return " ".join(words)


def top_speed(trajectory: Trajectory, part: slice = slice(None)) -> tuple[float | None, int | None]:
    """The highest speed, in pixels per second, that lasts for HELD frames of a part, and the row in their middle.

    A repeated frame is none of them: it has the speed of the one it repeats, and would make one false position last.
    """
    rows = np.arange(len(trajectory))[part]
    rows = rows[~np.isin(trajectory.frame[rows], trajectory.repeats)]
    if len(rows) < HELD:
        return None, None
    held = sliding_window_view(trajectory.speed()[rows], HELD).min(axis=1)  # NaN where one of them is
    if np.isnan(held).all():
        return None, None
    first = int(np.nanargmax(held))
    return float(held[first]), int(rows[first + HELD // 2])
