"""Charts as HTML with SVG inside: sharp at any width, in light and dark, and cheap enough to redraw while tracking."""

from collections.abc import Sequence
from html import escape

import numpy as np
import torch

from tracknetv5.models.motion import AttentionMap
from tracknetv5.trajectory import Trajectory

MAX_DOTS = 900  # beyond that dots would hide the line


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
    top = float(np.nanmax(speed)) if not np.isnan(speed).all() else 1.0
    panels = (
        ("Left to right", "px", trajectory.xy[:, 0], (0.0, width), (f"{width}", "0")),
        ("Height in picture", "px from the top", trajectory.xy[:, 1], (height, 0.0), ("0", f"{height}")),
        ("Speed in picture", "px/s", speed, (0.0, top), (f"{top:,.0f}" if top > 1 else "", "0")),
    )
    shade = _gaps(trajectory, across)
    rows = []
    for name, unit, values, (low, high), ticks in panels:
        level = 96 - 92 * (values - low) / (high - low)
        rows.append(
            f'<div class="chart-row"><div class="chart-name">{escape(name)} <small>{escape(unit)}</small></div>'
            f'<div class="chart-plot">'
            f'<span class="tick-top">{ticks[0]}</span><span class="tick-bottom">{ticks[1]}</span>'
            f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" aria-hidden="true">{shade}'
            f"{_curve(trajectory, across, level)}</svg></div></div>"
        )
    marks = "".join(f"<span>{moment:.1f}</span>" for moment in np.linspace(begin, end, 6))
    return (
        '<div class="charts" role="img" aria-label="Position and speed of the ball against time; the table of '
        f'positions holds the same figures.">{"".join(rows)}<div class="chart-axis">{marks}</div>'
        f"{_legend(trajectory)}</div>"
    )


def _curve(trajectory: Trajectory, across: np.ndarray, level: np.ndarray) -> str:
    known = ~np.isnan(level)
    joined = known[1:] & known[:-1] & (np.diff(trajectory.frame) == 1)
    path, parts = [], {}
    for row in np.flatnonzero(known):
        point = f"{across[row]:.1f} {level[row]:.1f}"
        path.append(f"{'L' if row and joined[row - 1] else 'M'}{point}")
        parts.setdefault(str(trajectory.source[row]), []).append(f"M{point}h0")
    curve = f'<path class="line" d="{"".join(path)}"/>'
    if len(trajectory) > MAX_DOTS:
        parts.pop("detected", None)
    return curve + "".join(f'<path class="dots {source}" d="{"".join(dots)}"/>' for source, dots in parts.items())


def _gaps(trajectory: Trajectory, across: np.ndarray) -> str:
    """A rectangle over each stretch of frames without a ball."""
    edges = np.flatnonzero(np.diff(np.r_[True, trajectory.visible, True].astype(int)))
    step = across[1] - across[0] if len(across) > 1 else 1000.0
    return "".join(
        f'<rect class="gap" x="{across[first] - step / 2:.1f}" y="0" height="100" '
        f'width="{across[last - 1] - across[first] + step:.1f}"/>'
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    )


def _legend(trajectory: Trajectory) -> str:
    names = {"detected": "seen", "rectified": "corrected", "interpolated": "filled in"}
    shown = [name for name in names if name == "detected" or (trajectory.source == name).any()]
    keys = "".join(f'<span><i class="key {source}"></i>{names[source]}</span>' for source in shown)
    keys += '<span><i class="key gap"></i>no ball</span><span class="unit">seconds</span>'
    return f'<div class="chart-legend">{keys}</div>'


def curve_chart(a: float, b: float, learned: tuple[float, float]) -> str:
    """The attention map f(x; a, b) over changes of luminance x from 0 to 1, the learned one dashed, and some values."""
    x = torch.linspace(0, 1, 201)
    paths = []
    for name, (slope, offset) in (("learned", learned), ("line", (a, b))):
        y = AttentionMap(slope, offset)(x).detach()
        points = "L".join(f"{1000 * u:.0f} {96 - 92 * v:.1f}" for u, v in zip(x.tolist(), y.tolist(), strict=True))
        paths.append(f'<path class="{name}" d="M{points}"/>')
    steps = (0.0, 0.05, 0.1, 0.2, 0.5)
    values = AttentionMap(a, b)(torch.tensor(steps)).tolist()
    return (
        '<div class="charts"><div class="chart-row"><div class="chart-name">Attention <small>against the change of '
        'brightness</small></div><div class="chart-plot"><span class="tick-top">1</span><span class="tick-bottom">0'
        '</span><svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="Curve of the attention '
        f'map; the table below holds values of it.">{"".join(paths)}</svg></div></div><div class="chart-axis"><span>0'
        '</span><span>0.5</span><span>1</span></div><div class="chart-legend"><span><i class="key"></i>now</span><span>'
        '<i class="key learned"></i>as learned</span></div></div>'
        + table("Attention for a change of brightness", ["Change", *map(str, steps)],
                [["Attention", *(f"{value:.2f}" for value in values)]])
    )  # fmt: skip


def progress_bar(text: str, share: float | None) -> str:
    """One line of text over a bar; `share` in [0, 1], None where the end is not known."""
    value = "" if share is None else f' value="{min(max(share, 0.0), 1.0):.3f}"'
    bar = f'<progress{value} max="1" aria-label="Progress"></progress>'
    return f'<div class="status" role="status">{escape(text)}{bar}</div>'


def notice(text: str, kind: str = "info") -> str:
    """One line of text; `kind` is "info", "good" or "bad"."""
    role = "alert" if kind == "bad" else "status"
    return f'<div class="notice {kind}" role="{role}">{escape(text)}</div>'


def steps(*texts: str) -> str:
    """A numbered list that fills the place of results that are not there yet."""
    return f'<ol class="steps">{"".join(f"<li>{escape(text)}</li>" for text in texts)}</ol>'


def table(caption: str, headers: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A table that scrolls sideways on a narrow page; the first cell of each row is its header. No rows, no table."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in headers)
    body = "".join(
        f'<tr><th scope="row">{escape(str(first))}</th>{"".join(f"<td>{escape(str(cell))}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="table-scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
