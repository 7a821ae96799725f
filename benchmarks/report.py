"""Tables and pictures of README.md and benchmarks/training/README.md, made from benchmarks/results.

    python -m benchmarks.report

rewrites whatever stands between `<!-- NAME -->` and `<!-- /NAME -->` for each result file that is there, and draws the
pictures in docs.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks import accuracy, latency

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
SPEED = "speed-*.json"
PICTURE = "docs/accuracy.png"
ALT = (
    "Left: F1 against the distance that counts as right, 1 to 20 pixels at 512 x 288. Right: precision against recall "
    "as the threshold rises from 0.05 to 0.95"
)
LEARNING = 0.0009  # training loss below which a network of benchmarks.ablation sees more than emptiness
ABLATION, LEAK = "ablation.json", "leak.json"
ABLATION_PICTURE, LEAK_PICTURE = "docs/ablation.png", "docs/leak.png"
ABLATION_ALT = "F1 of each network on unseen matches, in all and by sport"
LEAK_ALT = (
    "F1 of V5 trained on 70 % of the windows, and on 70 % of the clips: on the rest, on what neither was trained on, "
    "and on unseen matches"
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
    note = (
        f"Split `{report['split']}`: {len(clips)} clips of matches that training never saw; "
        + "".join(f"protocol `{name}`: {accuracy.PROTOCOLS[name]}; " for name in protocols)
        + f"a prediction is right within {report['tolerance_px']} px at 512 x 288. They have also "
        "chosen between stages of the training, so other footage may be harder. Intervals: 95 %, bootstrap over blocks "
        "of one second, optimistic because a split of few clips knows few "
        f"venues. Versions: {env}. Command: `{report['command']}`."
    )
    parts = [accuracy.markdown(report["results"]), *map(_seen_for_nothing, report["results"]), note]
    if with_breakdown(report):
        parts.append(f"![{ALT}]({PICTURE})")
    return "\n\n".join(parts)


def _seen_for_nothing(result: Mapping) -> str:
    """What F1 hides where most frames have a ball."""
    empty = {
        sport: f"{row['fp2']} of {row['fp2'] + row['tn']}"
        for sport, row in result["by_sport"].items()
        if row["fp2"] + row["tn"]
    }
    told = empty.pop("all", "none of 0")
    by_sport = ", ".join(f"{sport} {share}" for sport, share in empty.items())
    return (
        f"Where there is no ball, {result['weights']} is not to be relied on: of the frames that are labelled without "
        f"one, a ball is reported in {told} ({by_sport})."
    )


def with_breakdown(report: Mapping) -> list[dict]:
    """The results that can be drawn; result files of earlier versions have none."""
    return [result for result in report["results"] if "breakdown" in result]


def ablation_table(report: Mapping) -> str:
    """What the parts of V5 are worth, and what that was measured by."""
    networks = report["networks"]
    sports = [name for name in networks[0]["val"] if name != "all" and "/" not in name]
    cells = [["network", "parameters", "F1 on val", *sports, "V5 minus this"]]
    for result in networks:
        scores = [_interval(result["val"][name]) for name in ("all", *sports)]
        less = _interval(result["v5_less_this"]["all"], "+") if "v5_less_this" in result else ""
        if not result["val"]["all"]["f1"]:
            less = "it did not begin to learn"
        cells.append([result["model"], f"{result['parameters']:,}", *scores, less])
    windows = sum(stage["windows"] for stage in networks[0]["training"])
    matches = dict.fromkeys(f"{clip['clip'].split('/')[0]} {clip['group']}" for clip in report["data"]["val"])
    note = (
        f"Each network: {windows:,} windows of the train split from random weights, one seed, by "
        f"`benchmarks/training/{'`, `'.join(report['configs'])}`; one prediction a frame, threshold chosen on training "
        f"clips; val: {len(report['data']['val'])} clips of other matches ({', '.join(matches)})."
    )
    begun = ", ".join(f"{result['model']} {_begins_to_learn(result)}" for result in networks)
    learning = (
        f"Until it knows where to look, a network's best guess is that there is no ball anywhere, at a training loss "
        f"of some 0.0011. The loss falls below {LEARNING} after (windows): {begun}. At this budget, most of what the "
        "parts are worth is how soon that happens; what is left after ten times the training was not measured."
    )
    return "\n\n".join([_markdown(cells), learning, note, *_experiment_notes(report, networks)])


def _begins_to_learn(result: Mapping) -> str:
    first = result["training"][0]
    below = [f"{windows:,.0f}" for windows, loss in first["loss"] if loss < LEARNING]
    return below[0] if below else f"not within {first['windows']:,}"


def leak_table(report: Mapping) -> str:
    """What a leak is worth, and what that was measured by."""
    networks = report["networks"]
    cells = [["trained on 70 % of the", "threshold", *PLACES.values()]]
    for at, named in (("papers_threshold", "128/255"), ("chosen_threshold", "chosen")):
        for name, network in networks.items():
            cells.append([name, named, *(_interval(network["scores"][at][place]["all"]) for place in PLACES)])
        less = {place: _interval(parts["all"], "+") for place, parts in report["windows_less_clips"][at].items()}
        cells.append(["windows minus clips", named, *(less.get(place, "") for place in PLACES)])
    shares = {name: network["leak"]["windows_sharing_a_frame_percent"] for name, network in networks.items()}
    note = (
        f"F1 of the lite V5, every heatmap of every window, decoded as in the papers. Of the windows held out, "
        f"{shares['windows']:.1f} % share a frame with a training window where windows were divided, "
        f"{shares['clips']:.1f} % where clips were; {report['shared_windows']:,} windows are held out by both."
    )
    return "\n\n".join([_markdown(cells), note, *_experiment_notes(report, list(networks.values()))])


def _experiment_notes(report: Mapping, networks: list[Mapping]) -> list[str]:
    hours = sum(stage["hours"] for network in networks for stage in network["training"])
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    return [
        f"Right is within {report['tolerance_px']} px at 512 x 288. Intervals: 95 %, bootstrap over blocks of one "
        "second, those of differences over the same blocks of both; they know nothing of other seeds or venues.",
        f"{hours:.1f} hours of training in all on {report['machine']['cpu']}, {report['machine']['cores']} cores, "
        f"not otherwise idle. Versions: {env}. Command: `{report['command']}`.",
    ]


def _interval(row: Mapping, sign: str = "") -> str:
    """F1, or a difference of two, with its interval."""
    low, high = row["interval_95"] if sign else row["interval_95"]["f1"]
    return "-" if row["f1"] is None else f"{row['f1']:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def _markdown(cells: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join([lines[0], "|---" * len(cells[0]) + "|", *lines[1:]])


def errors_table() -> str:
    """What the weights get wrong, by cause, and how often they see a ball where there is none."""
    report, erased, gaps = (_result(f"{name}_val.json") for name in ("errors", "erased", "gaps"))
    sports = list(report["errors"])
    rows = [["cause", *sports, "what it means"]]
    for cause, rule in report["rules"].items():
        rows.append([cause, *(str(report["errors"][sport][cause]) for sport in sports), rule])
    wrong = {sport: sum(counts.values()) for sport, counts in report["errors"].items()}
    rows.append(["all", *(f"{wrong[sport]} of {report['frames'][sport]} frames" for sport in sports), ""])
    notes = [
        f"Split `{report['split']}`, threshold {report['threshold']}; an error counts once, by the first cause whose "
        f"rule holds. Command: `{report['command']}`, whose `errors.json` is committed as "
        "`benchmarks/results/errors_val.json`."
    ]
    found = "; ".join(
        f"{kind} " + ", ".join(f"{sport} {right} of {balls}" for sport, (right, balls) in counts.items())
        for kind, counts in report["balls"].items()
    )
    notes.insert(0, f"Labelled balls that are found: {found}.")
    if erased:
        rates = ", ".join(
            f"{sport} in {row['found']} of {row['frames']} frames, {row['false_balls_per_second']:.2f} a second"
            for sport, row in erased["by_sport"].items()
        )
        notes.append(
            f"Where the ball is painted over in the same footage, one is reported all the same: {rates}. "
            f"Command: `{erased['command']}`."
        )
    if gaps:
        rows_of_gaps = gaps["by_length"]
        hidden, closed, right = (sum(row[name] for row in rows_of_gaps) for name in ("hidden", "filled", "right"))
        empty, invented = (sum(row[name] for row in gaps["without_a_ball"].values()) for name in ("frames", "filled"))
        notes.append(
            f"Gaps in flight: where 1 to {rows_of_gaps[-1]['frames']} labelled balls in a row are hidden, at each "
            f"place in turn ({hidden} balls, each several times), {closed / hidden:.0%} are filled from the labels "
            f"around them, {right / closed:.1%} of these right; and "
            f"{invented} of {empty} frames labelled without a ball. Command: `{gaps['command']}`."
        )
    return "\n\n".join([_markdown(rows), *notes])


def _ablation_block() -> str:
    return f"{ablation_table(_result(ABLATION))}\n\n![{ABLATION_ALT}]({ABLATION_PICTURE})"


def _leak_block() -> str:
    return f"{leak_table(_result(LEAK))}\n\n![{LEAK_ALT}]({LEAK_PICTURE})"


def speed_tables() -> str:
    """Frames per second of the networks alone, by machine, and beside F1 on val."""
    parts = []
    for path in sorted(RESULTS.glob(SPEED)):
        report = json.loads(path.read_text())
        rows = [["network alone", "runtime", "computed in", "frames/s (quartiles)", "ms a pass", "of the matrix rate"]]
        for row in report["model_only"]:
            low, high = row["frames_per_second_quartiles"]
            speed = f"{row['frames_per_second']:.1f} ({low:.1f} to {high:.1f})"
            cost = f"{row['latency_ms']:.1f}", f"{row['share_of_matrix_rate']:.0%}"
            rows.append([row["model"], row["runtime"], row["precision"], speed, *cost])
        films = [["video to CSV", "runtime", "computed in", "step", "frames/s (quartiles)", "MB at most"]]
        for row in report["end_to_end"]:
            low, high = row["frames_per_second_quartiles"]
            speed = f"{row['frames_per_second']:.1f} ({low:.1f} to {high:.1f})"
            peak = row["peak_memory_mb"]  # None where the system does not tell
            cost = "-" if peak is None else f"{peak:.0f}"
            films.append([row["model"], row["runtime"], row["precision"], str(row["step"]), speed, cost])
        rates = ", ".join(f"{rate} with {n} threads" for n, rate in report["matrix_gflops_per_second"].items())
        env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
        parts += [
            _markdown(rows),
            f"One window of {report['size'][0]} x {report['size'][1]} a pass; medians of {report['repeats']} turns. "
            f"`plain` is the network called as published code calls it; the matrix rate, that of a float32 product in "
            f"GFLOP/s: {rates}; 16 bits are faster than it, and so can convolutions be. {report['machine']['cpu']}, "
            f"{report['machine']['cores']} cores. Versions: {env}. Command: `{report['command']}`.",
        ]
        if report["end_to_end"]:
            seconds, video = report["video"]["seconds"], report["video"]["name"]
            parts += [_markdown(films), f"The first {seconds:g} seconds of `{video}`, in the same turns."]
    if report := _result("latency_val.json"):
        parts += [
            latency.markdown(report["rows"]),
            f"Split `{report['split']}`, from decoded frames to positions; load of the machine at the start "
            f"{report['machine']['load_at_start']:.1f}. `delay`: further frames that are waited for; `offline`: "
            f"windows of `track`. Latency is the time from a frame's coming to its point, and dropped are frames that "
            f"a newer one has replaced before they were looked at: both follow from the time that each frame takes. F1 "
            f"is that of frames which all are looked at: where some are dropped, a live source has less. "
            f"Command: `{report['command']}`.",
        ]
    return "\n\n".join(parts)


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
        f"{report['machine']['cores']} cores, float32; {env}. A clip is taken for one shot without repeated frames "
        f"here, and thresholds are chosen otherwise, so F1 is not the README's. Command: `{report['command']}`."
    )
    return f"{_markdown(rows)}\n\n{note}"


def step_table() -> str:
    """Windows a second of a training step, by what makes it cheap."""
    report = _result("training_step.json")
    sizes = list(dict.fromkeys(row["size"] for row in report["rows"]))
    rates: dict[str, list[str]] = {}
    for row in report["rows"]:
        *_, most = each = row["windows_per_second"]
        rates.setdefault(row["way"], []).append(f"{np.median(each):.1f} ({each[0]:.1f} to {most:.1f})")
    env = ", ".join(f"{name} {number}" for name, number in report["env"].items())
    note = (
        f"Windows a second, median and range of turns; batch {report['batch']}, {report['threads']} threads, bf16; "
        f"{report['machine']['cpu']}; {env}. Command: `{report['command']}`."
    )
    return f"{_markdown([['what is done', *sizes], *([way, *each] for way, each in rates.items())])}\n\n{note}"


def pages() -> dict[str, dict[str, Callable[[], str]]]:
    """The pages with blocks and what makes each block; only of results that are there."""
    readme = {"accuracy": accuracy_table}
    if _result("errors_val.json"):
        readme["errors"] = errors_table
    if any(RESULTS.glob(SPEED)):
        readme["speed"] = speed_tables
    if _result(ABLATION):
        readme["ablation"] = _ablation_block
    if _result(LEAK):
        readme["leak"] = _leak_block
    training = {}
    if _result("decisions_val.json"):
        training["decisions"] = decisions_table
    if _result("training_step.json"):
        training["step"] = step_table
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
    from benchmarks import report_pictures  # tables need no matplotlib

    report_pictures.draw_accuracy(accuracy_report(), ROOT / PICTURE)
    if ablation := _result(ABLATION):
        report_pictures.draw_ablation(ablation, ROOT / ABLATION_PICTURE)
    if leak := _result(LEAK):
        report_pictures.draw_leak(leak, ROOT / LEAK_PICTURE)


if __name__ == "__main__":
    main()
