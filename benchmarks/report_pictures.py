"""The pictures in docs that `benchmarks.report` draws from result files."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.report import PLACES, with_breakdown


def draw_accuracy(report: Mapping, path: Path) -> None:
    """Draw tolerance and precision-recall curves of a report of `benchmarks.accuracy`, if it has the breakdown."""
    results = with_breakdown(report)
    if not results:
        return
    figure = Figure(figsize=(9, 3.2), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    # Told apart by brightness and kind of line, with or without colours.
    styles = zip(cycle(("black", "#0072B2", "#D55E00", "#999999")), cycle(("-", "--", "-.", ":")), strict=False)
    for result, (colour, line) in zip(results, styles, strict=False):
        style = {"color": colour, "linestyle": line}
        curve = result["breakdown"]["tolerance"]["model_px"]
        pixels, f1 = _column(curve, "tolerance_px"), _column(curve, "f1")
        low, high = np.array([row["interval_95"]["f1"] for row in curve], float).T
        left.plot(pixels, f1, label=result["weights"], **style)
        left.fill_between(pixels, low, high, color=colour, alpha=0.15, lw=0)
        if swept := result["breakdown"]["threshold"]:
            right.plot(_column(swept, "recall"), _column(swept, "precision"), **style)
            for row in swept:
                if row["threshold"] == result["threshold"]:
                    right.plot(row["recall"], row["precision"], "o", color=colour)
                    right.annotate(
                        f"threshold {row['threshold']}", (row["recall"], row["precision"]), (-6, -4),
                        textcoords="offset points", ha="right", va="top",
                    )  # fmt: skip
    left.axvline(report["tolerance_px"], color="0.6", lw=0.8)
    left.set(xlabel="tolerance (px at 512 × 288)", ylabel="F1 (band: 95 %)", xlim=(1, 20), ylim=(0, 1))
    left.set_xticks((1, 4, 8, 12, 16, 20))
    left.legend(loc="lower right", frameon=False)
    right.set(
        xlabel=f"recall, TP / (TP + FN), at {report['tolerance_px']} px", ylabel="precision", xlim=(0, 1), ylim=(0, 1)
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", lw=0.6)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def draw_ablation(report: Mapping, path: Path) -> None:
    """Draw F1 with intervals of a report of `benchmarks.ablation`, by network and sport."""
    networks = report["networks"]
    sports = [name for name in networks[0]["val"] if "/" not in name]  # "all" is the first
    series = {name: [result["val"][name] for result in networks] for name in sports}
    _draw_f1(path, [result["model"] for result in networks], series, "F1 on val (line: 95 %)")


def draw_leak(report: Mapping, path: Path) -> None:
    """Draw F1 with intervals of a report of `benchmarks.leak`, by what was scored and what was trained on."""
    series = {
        f"70 % of the {name}": [network["scores"]["chosen_threshold"][place]["all"] for place in PLACES]
        for name, network in report["networks"].items()
    }
    _draw_f1(path, list(PLACES.values()), series, "F1 of V5, chosen threshold (line: 95 %)")


def _draw_f1(path: Path, names: list[str], series: Mapping[str, list[dict]], label: str) -> None:
    """One line of marks for each name, from top to bottom; told apart by shape and brightness."""
    figure = Figure(figsize=(7, 1.2 + 0.4 * len(names)), dpi=110, layout="constrained")
    axes = figure.subplots()
    looks = zip(cycle("osD^"), cycle(("black", "#0072B2", "#D55E00", "#999999")), strict=False)
    for k, ((group, rows), (marker, colour)) in enumerate(zip(series.items(), looks, strict=False)):
        f1 = _column(rows, "f1")
        low, high = np.array([row["interval_95"]["f1"] for row in rows], float).T
        y = -np.arange(len(names)) - 0.15 * (k - (len(series) - 1) / 2)
        axes.hlines(y, low, high, color=colour, lw=1)
        axes.plot(f1, y, marker, color=colour, ms=4, label=group)
    axes.set_yticks(-np.arange(len(names)), names)
    axes.set(xlim=(0, 1), xlabel=label)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9", lw=0.6)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, columnspacing=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)  # None, a ratio of nothing, becomes NaN
