"""Tables and a picture of README.md, made from benchmarks/results.

    python -m benchmarks.report

rewrites whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` for each table below, and draws docs/accuracy.png.
"""

import json
import re
from collections.abc import Callable, Mapping
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks import accuracy

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PICTURE = "docs/accuracy.png"
ALT = (
    "Left: F1 against the distance that counts as right, 1 to 20 pixels at 512 x 288. Right: precision against recall "
    "as the threshold rises from 0.05 to 0.95"
)


def accuracy_report() -> dict:
    return json.loads((RESULTS / "accuracy_val.json").read_text())


def accuracy_table() -> str:
    report = accuracy_report()
    clips = {f"{clip['clip']} ({clip['group']})" for clip in report["data"]}
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    protocols = dict.fromkeys(result["protocol"] for result in report["results"])
    note = (
        f"Split `{report['split']}`: {len(clips)} clips from venues and matches that training never saw; "
        + "".join(f"protocol `{name}`: {accuracy.PROTOCOLS[name]}; " for name in protocols)
        + f"a prediction is right within {report['tolerance_px']} px at 512 x 288. "
        "Intervals: 95 %, bootstrap over blocks of one second, optimistic because a split of few clips knows few "
        f"venues. Versions: {env}. Command: `{report['command']}`."
    )
    parts = [accuracy.markdown(report["results"]), note]
    if _with_breakdown(report):
        parts.append(f"![{ALT}]({PICTURE})")
    return "\n\n".join(parts)


def _with_breakdown(report: Mapping) -> list[dict]:
    """The results that can be drawn; result files of earlier versions have none."""
    return [result for result in report["results"] if "breakdown" in result]


def draw_accuracy(report: Mapping, path: Path) -> None:
    """Draw tolerance and precision-recall curves of a report of `benchmarks.accuracy`, if it has the breakdown."""
    results = _with_breakdown(report)
    if not results:
        return
    from matplotlib.figure import Figure  # only the picture needs it

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


def _column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)  # None, a ratio of nothing, becomes NaN


TABLES: dict[str, Callable[[], str]] = {"accuracy": accuracy_table}


def filled(text: str) -> str:
    """The text with every table made anew."""
    for name, make in TABLES.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = make()
        text, found = block.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
        if not found:
            raise ValueError(f"README.md has no block {name}: write <!-- {name} --> and <!-- /{name} --> around it")
    return text


def main() -> None:
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text(encoding="utf-8")), encoding="utf-8")
    draw_accuracy(accuracy_report(), ROOT / PICTURE)


if __name__ == "__main__":
    main()
