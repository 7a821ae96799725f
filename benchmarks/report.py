"""Tables and pictures of README.md and benchmarks/training/README.md, made from benchmarks/results.

    python -m benchmarks.report

rewrites whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` for each table below, and draws docs/accuracy.png;
and, once benchmarks.ablation has written ablation.json, docs/ablation.png.
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


ABLATION_PICTURE = "docs/ablation.png"
ABLATION_ALT = (
    "Left: F1 of each network on unseen matches, in all and by sport. Right: F1 of V5 trained on 70 % of the windows, "
    "and on 70 % of the clips: on the rest, on what neither was trained on, and on unseen matches"
)
PLACES = {"held_out": "own other 30 %", "shared": "held out by both", "val": "val"}


def _result(name: str) -> dict | None:
    path = RESULTS / name
    return json.loads(path.read_text()) if path.is_file() else None


def accuracy_report() -> dict:
    return _result("accuracy_val.json")


def accuracy_table() -> str:
    report = accuracy_report()
    clips = {f"{clip['clip']} ({clip['group']})" for clip in report["data"]}
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    protocols = dict.fromkeys(result["protocol"] for result in report["results"])
    computed = dict.fromkeys(result["computed_in"] for result in report["results"] if "computed_in" in result)
    note = (
        f"Split `{report['split']}`: {len(clips)} clips of matches that training never saw; "
        + "".join(f"protocol `{name}`: {accuracy.PROTOCOLS[name]}; " for name in protocols)
        + f"a prediction is right within {report['tolerance_px']} px at 512 x 288. "
        + (f"Computed in {' and '.join(computed)}. " if computed else "")
        + "Intervals: 95 %, bootstrap over blocks of one second, optimistic because a split of few clips knows few "
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


def ablation_report() -> dict | None:
    return _result("ablation.json")


def ablation_table(report: Mapping) -> str:
    """Two tables, what the parts of V5 are worth and what a leak is worth, and what they were measured by."""
    networks, leak = report["networks"], report["leak"]
    sports = [name for name in networks[0]["val"] if name != "all" and "/" not in name]
    cells = [["network", "parameters", "F1 on val", *sports, "V5 less this"]]
    for result in networks:
        scores = [_interval(result["val"][name]) for name in ("all", *sports)]
        less = _interval(result["v5_less_this"]["all"], "+") if "v5_less_this" in result else ""
        cells.append([result["model"], f"{result['parameters']:,}", *scores, less])
    leaks = [["trained on 70 % of the", "threshold", *PLACES.values()]]
    for at in ("papers_threshold", "chosen_threshold"):
        named = "128/255" if at == "papers_threshold" else "chosen"
        for name, network in leak["networks"].items():
            leaks.append([name, named, *(_interval(network["scores"][at][place]["all"]) for place in PLACES)])
        less = {place: _interval(parts["all"], "+") for place, parts in leak["windows_less_clips"][at].items()}
        leaks.append(["windows less clips", named, *(less.get(place, "") for place in PLACES)])
    windows = sum(stage["windows"] for stage in networks[0]["training"])
    hours = sum(stage["hours"] for each in (*networks, *leak["networks"].values()) for stage in each["training"])
    shares = {name: network["leak"]["windows_sharing_a_frame_percent"] for name, network in leak["networks"].items()}
    matches = dict.fromkeys(f"{clip['clip'].split('/')[0]} {clip['group']}" for clip in report["data"]["val"])
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    notes = (
        f"Each network: {windows:,} windows of the train split from random weights, one seed, by "
        f"`benchmarks/training/{'`, `'.join(report['configs'])}`; one prediction a frame, threshold chosen on training "
        f"clips; val: {len(report['data']['val'])} clips of other matches ({', '.join(matches)}).",
        f"The leak: V5 lite, every heatmap of every window, decoded as in the papers. Of the windows held out, "
        f"{shares['windows']:.1f} % share a frame with a training window where windows were divided, "
        f"{shares['clips']:.1f} % where clips were; {leak['shared_windows']:,} windows are held out by both.",
        f"Right is within {report['tolerance_px']} px at 512 x 288. Intervals: 95 %, bootstrap over blocks of one "
        "second, those of differences over the same blocks of both; they know nothing of other seeds or venues.",
        f"{hours:.1f} hours of training in all on {report['machine']['cpu']}, {report['machine']['cores']} cores. "
        f"Versions: {env}. Command: `{report['command']}`.",
    )
    return "\n\n".join([_markdown(cells), _markdown(leaks), *notes])


def _interval(row: Mapping, sign: str = "") -> str:
    """F1, or a difference of two, with its interval."""
    low, high = row["interval_95"] if sign else row["interval_95"]["f1"]
    return "-" if row["f1"] is None else f"{row['f1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _markdown(cells: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|---" * len(cells[0]) + "|", *lines[1:]])


def draw_ablation(report: Mapping, path: Path) -> None:
    """Draw F1 with intervals of a report of `benchmarks.ablation`: by network and sport, and by split."""
    from matplotlib.figure import Figure  # only the picture needs it

    figure = Figure(figsize=(9, 3.4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.3, 1))
    networks, leak = report["networks"], report["leak"]["networks"]
    sports = [name for name in networks[0]["val"] if "/" not in name]  # "all" is the first
    _draw_f1(left, [result["model"] for result in networks],
             {name: [result["val"][name] for result in networks] for name in sports})  # fmt: skip
    left.set_xlabel("F1 on val (line: 95 %)")
    _draw_f1(right, list(PLACES.values()),
             {f"70 % of the {name}": [network["scores"]["chosen_threshold"][place]["all"] for place in PLACES]
              for name, network in leak.items()})  # fmt: skip
    right.set_xlabel("F1 of V5, chosen threshold (line: 95 %)")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw_f1(axes, names: list[str], series: Mapping[str, list[dict]]) -> None:
    """One line of marks for each name, from top to bottom; told apart by shape and brightness."""
    looks = zip(cycle("osD^"), cycle(("black", "#0072B2", "#D55E00", "#999999")), strict=False)
    for k, ((label, rows), (marker, colour)) in enumerate(zip(series.items(), looks, strict=False)):
        f1 = _column(rows, "f1")
        low, high = np.array([row["interval_95"]["f1"] for row in rows], float).T
        y = -np.arange(len(names)) - 0.15 * (k - (len(series) - 1) / 2)
        axes.hlines(y, low, high, color=colour, lw=1)
        axes.plot(f1, y, marker, color=colour, ms=4, label=label)
    axes.set_yticks(-np.arange(len(names)), names)
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="0.9", lw=0.6)
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, 1.2), ncols=4, frameon=False, columnspacing=1)


def _column(rows: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], float)  # None, a ratio of nothing, becomes NaN


def errors_table() -> str:
    """What the weights get wrong, by cause, and how often they see a ball where there is none."""
    report, erased = _result("errors_val.json"), _result("erased_val.json")
    sports = list(report["errors"])
    rows = [["cause", *sports, "what it means"]]
    for cause, rule in report["rules"].items():
        rows.append([cause, *(str(report["errors"][sport][cause]) for sport in sports), rule])
    wrong = {sport: sum(counts.values()) for sport, counts in report["errors"].items()}
    rows.append(["all", *(f"{wrong[sport]} of {report['frames'][sport]} frames" for sport in sports), ""])
    notes = [
        f"Split `{report['split']}`, threshold {report['threshold']}; an error counts once, by the first cause whose "
        f"rule holds. Command: `{report['command']}`."
    ]
    if erased:
        rates = ", ".join(
            f"{sport} {row['false_balls_per_second']:.2f} ({row['found']} in {row['frames']} frames)"
            for sport, row in erased["by_sport"].items()
        )
        notes.append(
            f"False balls a second on the same footage with its ball painted over: {rates}. "
            f"Command: `{erased['command']}`."
        )
    return "\n\n".join([_markdown(rows), *notes])


def _ablation_block() -> str:
    return f"{ablation_table(ablation_report())}\n\n![{ABLATION_ALT}]({ABLATION_PICTURE})"


def decisions_table() -> str:
    """What each way of looking and deciding gives on val, and what it costs."""
    report = _result("decisions_val.json")
    rows = [["heatmaps", "decision", "threshold", "F1 on val (95 %)", "network, ms a frame", "decision, ms a frame"]]
    for way in report["ways"]:
        costs = f"{way['network_ms_per_frame']:.1f}", f"{way['decision_ms_per_frame']:.2f}"
        rows.append([way["look"], way["decision"], str(way["threshold"]), _interval(way["by_sport"]["all"]), *costs])
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    note = (
        f"Thresholds from {len(report['thresholds_from'])} training clips; {report['machine']['cpu']}, "
        f"{report['machine']['cores']} cores; {env}. Command: `{report['command']}`."
    )
    return f"{_markdown(rows)}\n\n{note}"


def pages() -> dict[str, dict[str, Callable[[], str]]]:
    """The pages with blocks and what makes each block; only of results that are there."""
    readme = {"accuracy": accuracy_table}
    if _result("errors_val.json"):
        readme["errors"] = errors_table
    if ablation_report():
        readme["ablation"] = _ablation_block
    training = {"decisions": decisions_table} if _result("decisions_val.json") else {}
    return {"README.md": readme, "benchmarks/training/README.md": training}


def filled(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """The text with every table made anew."""
    for name, make in tables.items():
        block = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        table = make()
        text, found = block.subn(lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
        if not found:
            raise ValueError(f"there is no block {name}: write <!-- {name} --> and <!-- /{name} --> around it")
    return text


def main() -> None:
    for page, tables in pages().items():
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8"), tables), encoding="utf-8")
    draw_accuracy(accuracy_report(), ROOT / PICTURE)
    if measured := ablation_report():
        draw_ablation(measured, ROOT / ABLATION_PICTURE)


if __name__ == "__main__":
    main()
