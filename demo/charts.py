"""Charts as HTML with SVG inside: sharp at any width, in light and dark, and cheap enough to redraw while tracking."""

from collections.abc import Sequence
from html import escape

import numpy as np
import torch

from demo.parts import table
from demo.words import top_speed
from tracknetv5.models.motion import AttentionMap
from tracknetv5.trajectory import Trajectory

MAX_DOTS = 900  # beyond that dots would hide the line
NAMES = {"detected": "seen", "rectified": "corrected", "interpolated": "filled in"}


def time_charts(trajectory: Trajectory, end: float | None = None) -> str:
    """Position and speed of the ball against time, frames without a ball shaded.

    Args:
        trajectory: what is known so far.
        end: seconds at which the time axis ends; None for the last frame.
    """
    if not len(trajectory):
        return ""
    begin = float(trajectory.time[0])
    end = max(end or 0.0, float(trajectory.time[-1]), begin + 0.1)
    across = 1000 * (trajectory.time - begin) / (end - begin)
    height, width = trajectory.size
    speed = trajectory.speed()
    held, _ = top_speed(trajectory)
    top = 1.25 * held if held else float(np.nanmax(speed, initial=1.0))
    panels = (
        ("Left to right", "px", trajectory.xy[:, 0], (0.0, width), f"{width}", "0"),
        ("Height in picture", "px from the top", trajectory.xy[:, 1], (height, 0.0), "0", f"{height}"),
        # A jump to a false position and back would press the rest to the ground.
        ("Speed in picture", "px/s", np.minimum(speed, top), (0.0, top), f"{top:,.0f}" if top > 1 else "", "0"),
    )
    gaps = _shade(across, ~trajectory.visible)
    plots = [
        _plot(name, unit, high_tick, low_tick, gaps + _curve(trajectory, across, _level(values, low, high)))
        for name, unit, values, (low, high), high_tick, low_tick in panels
    ]
    shown = [source for source in NAMES if source == "detected" or (trajectory.source == source).any()]
    keys = [(source, NAMES[source]) for source in shown] + [("gap", "no ball")]
    label = "Position and speed of the ball against time; the table of positions holds the same figures."
    return _chart(label, plots, np.linspace(begin, end, 6), keys)


def difference_chart(time: np.ndarray, apart: np.ndarray, agree: np.ndarray) -> str:
    """How far apart two trajectories are against time; shaded where only one of the two has a ball.

    Args:
        time: (N,) seconds.
        apart: (N,) pixels, NaN where one of the two, or both, have no ball.
        agree: (N,) bool; where it holds without a distance, both have no ball.
    """
    across = 1000 * (time - time[0]) / max(float(time[-1] - time[0]), 0.1)
    known = ~np.isnan(apart)
    top = max(float(apart[known].max(initial=0.0)), 8.0)
    level = _level(apart, 0.0, top)
    dots = "".join(f"M{across[row]:.1f} {level[row]:.1f}h0" for row in np.flatnonzero(known))
    drawn = _shade(across, ~known & ~agree) + f'<path class="dots" d="{dots}"/>'
    plot = _plot("Distance between A and B", "pixels of a picture of 512 × 288", f"{top:.0f}", "0", drawn)
    keys = [("detected", "both see a ball"), ("gap", "only one does")]
    label = "Distance between A and B against time; the table below lists the frames where they differ."
    return _chart(label, [plot], np.linspace(time[0], time[-1], 6), keys)


def curve_chart(a: float, b: float, learned: tuple[float, float]) -> str:
    """The attention map f(x; a, b) over changes of luminance x from 0 to 1, the learned one dashed, and some values."""
    x = torch.linspace(0, 1, 201)
    paths = []
    for name, values in (("learned", learned), ("line", (a, b))):
        level = _level(AttentionMap(*values)(x).detach().numpy(), 0.0, 1.0)
        points = "L".join(f"{1000 * u:.0f} {v:.1f}" for u, v in zip(x.tolist(), level, strict=True))
        paths.append(f'<path class="{name}" d="M{points}"/>')
    plot = _plot("Attention", "for each change of brightness", "1", "0", "".join(paths))
    steps = (0.0, 0.05, 0.1, 0.2, 0.5)
    values = [f"{value:.2f}" for value in AttentionMap(a, b)(torch.tensor(steps)).tolist()]
    label = "Curve of the attention map; the table below holds values of it."
    keys = [("detected", "now"), ("learned", "as learned")]
    chart = _chart(label, [plot], np.linspace(0, 1, 3), keys, unit="change of brightness")
    return chart + table("Attention for a change of brightness", ["Change", *steps], [["Attention", *values]])


def _chart(
    label: str, plots: Sequence[str], ticks: np.ndarray, keys: Sequence[tuple[str, str]], unit: str = "seconds"
) -> str:
    """Plots over one axis and a legend; `label` says to a screen reader what is to be seen."""
    digits = 1 if ticks[-1] - ticks[0] >= 5 or np.allclose(ticks, ticks.round(1), atol=0.005) else 2
    axis = "".join(f"<span>{tick:.{digits}f}</span>" for tick in ticks)
    legend = "".join(f'<span><i class="key {kind}"></i>{escape(name)}</span>' for kind, name in keys)
    return (
        f'<div class="charts" role="img" aria-label="{escape(label)}">{"".join(plots)}'
        f'<div class="chart-axis">{axis}</div>'
        f'<div class="chart-legend">{legend}<span class="unit">{escape(unit)}</span></div></div>'
    )


def _plot(name: str, unit: str, top: str, bottom: str, drawn: str) -> str:
    """One panel; `drawn` is SVG in a box 1000 wide and 100 high, stretched to the page."""
    return (
        f'<div class="chart-row"><div class="chart-name">{escape(name)} <small>{escape(unit)}</small></div>'
        f'<div class="chart-plot"><span class="tick-top">{top}</span><span class="tick-bottom">{bottom}</span>'
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{drawn}</svg></div></div>'
    )


def _level(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Heights in the SVG's box, with a margin at both ends."""
    return 96 - 92 * (values - low) / (high - low)


def _curve(trajectory: Trajectory, across: np.ndarray, level: np.ndarray) -> str:
    known = ~np.isnan(level)
    joined = known[1:] & known[:-1] & (np.diff(trajectory.frame) == 1) & (np.diff(trajectory.shot) == 0)
    path, parts = [], {}
    for row in np.flatnonzero(known):
        point = f"{across[row]:.1f} {level[row]:.1f}"
        path.append(f"{'L' if row and joined[row - 1] else 'M'}{point}")
        parts.setdefault(str(trajectory.source[row]), []).append(f"M{point}h0")
    curve = f'<path class="line" d="{"".join(path)}"/>'
    if len(trajectory) > MAX_DOTS:
        parts.pop("detected", None)
    return curve + "".join(f'<path class="dots {source}" d="{"".join(dots)}"/>' for source, dots in parts.items())


def _shade(across: np.ndarray, where: np.ndarray) -> str:
    """A rectangle over each stretch of rows in which `where` holds."""
    edges = np.flatnonzero(np.diff(np.r_[False, where, False].astype(int)))
    step = across[1] - across[0] if len(across) > 1 else 1000.0
    return "".join(
        f'<rect class="gap" x="{across[first] - step / 2:.1f}" y="0" height="100" '
        f'width="{across[last - 1] - across[first] + step:.1f}"/>'
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    )
