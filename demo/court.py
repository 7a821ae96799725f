"""The court as the camera sees it, without what moves, and the ball's path over it."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tracknetv5.background import median_background
from tracknetv5.geometry import resized
from tracknetv5.trajectory import Trajectory


def empty_court(frames: Iterable[np.ndarray]) -> np.ndarray:
    """The median of a clip's frames (H, W, 3) uint8 RGB; where the camera moves, its first frame instead."""
    frames = iter(frames)
    first = next(frames)
    median = median_background(chain([first], frames))
    # A median of a moving picture is a blur: its outlines are much weaker than those of any one frame.
    return median if _detail(median) > 0.6 * _detail(first) else first


def main_shot(trajectory: Trajectory) -> Trajectory:
    """The rows of the shot with a ball in most of its frames: one court is seen in it."""
    rows = trajectory.shot == np.bincount(trajectory.shot, weights=trajectory.visible).argmax()
    arrays = {name: getattr(trajectory, name)[rows] for name in ("frame", "time", "xy", "score", "source")}
    return replace(trajectory, **arrays, cuts=(), repeats=())


def _detail(image: np.ndarray) -> float:
    grey = image.mean(axis=2)
    return float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())


def draw_court(background: np.ndarray, trajectory: Trajectory, path: Path) -> None:
    """Save a picture of the ball's path over `background`, coloured by time from dark to light.

    Args:
        background: (H, W, 3) uint8 RGB, the whole picture at any size, as it is displayed.
        trajectory: with its `size`; points in pixels of the video.
    """
    height, width = background.shape[:2]
    xy = resized(trajectory.xy, trajectory.size, (height, width))
    figure = Figure(figsize=(9.6, 9.6 * height / width), dpi=100, facecolor="black")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(background, alpha=0.72, interpolation="bicubic", extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    colour = dict(cmap="plasma", norm=None, zorder=2)
    begin, end = (trajectory.time[0], trajectory.time[-1]) if len(trajectory) else (0, 1)
    together = (np.diff(trajectory.frame) == 1) & (np.diff(trajectory.shot) == 0)
    segments = np.stack([xy[:-1], xy[1:]], axis=1)[together]
    lines = LineCollection(segments[~np.isnan(segments).any((1, 2))], linewidths=2, alpha=0.9, **colour)
    lines.set_array(trajectory.time[1:][together][~np.isnan(segments).any((1, 2))])
    lines.set_clim(begin, end)
    axes.add_collection(lines)
    seen = trajectory.visible
    axes.scatter(*xy[seen].T, c=trajectory.time[seen], s=14, vmin=begin, vmax=end, edgecolors="none", **colour)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    axes.axis("off")
    _time_scale(figure, lines)
    figure.savefig(path)


def _time_scale(figure: Figure, lines: LineCollection) -> None:
    figure.add_axes((0.71, 0.02, 0.27, 0.085), facecolor=(0, 0, 0, 0.55)).set(xticks=[], yticks=[])
    scale = figure.colorbar(lines, cax=figure.add_axes((0.735, 0.08, 0.22, 0.014)), orientation="horizontal")
    scale.outline.set_visible(False)
    scale.ax.tick_params(colors="white", labelsize=9, length=0)
    scale.set_label("seconds", color="white", fontsize=9, labelpad=1)
