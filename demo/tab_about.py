"""The fourth tab: what this is, what it cannot do, and what was measured; every figure comes from a result file."""

import json
from pathlib import Path

import gradio as gr

from demo import models, parts
from demo.guard import MAX_BYTES
from demo.words import RATIOS
from tracknetv5.weights import NOT_STATED

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"

WHAT = """
## What it is

TrackNetV5 looks at three frames at a time and says where the ball is in each. Two ideas set it apart from its
predecessors: it separates *where the picture became brighter* from *where it became darker*, so that it knows which way
a ball moves, and it corrects a first draft with a small Transformer that sees all three frames at once. The tab
“Inside the network” shows both at work.

## What it cannot do

- It knows what its training footage showed: whole courts filmed from behind, as on television, by a camera that hardly
  moves.
- A ball of a single pixel, a hand-held camera and slow motion are outside of that.
- Speeds are in pixels of the picture. They are not km/h: one camera does not know how far away the ball is.
- Between rallies it often reports a ball where none is in play: in the hand of a player, or a shoe or a line.
- It takes the one most likely ball; a second ball, a shoe or a white line may be taken for it.
- Positions marked “filled in” or “corrected” were computed from their neighbours, not seen.

## Your video

Uploads and results are deleted within an hour after they were made, and nobody else sees them. The second and third
tab work on a small copy of the part that you look at; it goes with its video, or an hour after you opened it.

## From programs and assistants

The first tab is also an endpoint, `/track`, and a tool of the same name for assistants that speak MCP, at the address
of this page followed by `/gradio_api/mcp/`. Both take a video that was uploaded here, or its public https address, of
at most {megabytes} MB, and give back the table, the marked video and a summary. “Use via API or MCP” below shows how.
"""

TERMS = f"""
## What was measured

{RATIOS}
"""

NO_BALL = "A ball reported in frames without one"

LICENCES = """
## Licences

Code: MIT. Weights: see their cards above; they were learned from third-party match footage, so check your rights
before commercial use. Data: the example clips are drawn by the project's own generator and show no real person.
"""


def build() -> None:
    gr.Markdown(WHAT.format(megabytes=MAX_BYTES // 2**20))
    gr.Markdown(TERMS)
    tables = [table for name in ("accuracy_*", "flops", "splits") for table in _tables(name)]
    gr.HTML("".join(tables) or parts.notice("No results have been committed yet."), elem_id="about-tables")
    gr.Markdown("## The weights on this page")
    facts = ["Network", "Parameters", "Input", "Threshold", "Licence", "Trained on"]
    cards = [_card(name) for name in models.offered()]
    rows = [list(row) for row in zip(facts, *cards, strict=True)]
    gr.HTML(parts.table("Model cards", ["", *models.offered()], rows), elem_id="about-weights")
    gr.Markdown(LICENCES)
    citation = ROOT / "CITATION.cff"
    if citation.exists():
        gr.Markdown(f"## Citation\n```yaml\n{citation.read_text(encoding='utf-8')}```")


def _card(name: str) -> list:
    tracker = models.load(name)
    config = tracker.config
    parameters = sum(p.numel() for p in tracker.model.parameters())
    unknown = "not stated in the weights"
    licence, data = (unknown if text == NOT_STATED else text for text in (config.licence, config.training_data))
    size = f"{config.frames} frames of {config.width} × {config.height}"
    return [config.model, f"{parameters:,}", size, config.threshold, licence, data]


def _tables(pattern: str) -> list[str]:
    make = {"accuracy_*": _accuracy, "flops": _flops, "splits": _splits}[pattern]
    return [make(json.loads(path.read_text(encoding="utf-8"))) for path in sorted(RESULTS.glob(f"{pattern}.json"))]


def _accuracy(report: dict) -> str:
    rows = [
        [result["weights"], sport, score["total"], _ratio(score["precision"]), _ratio(score["recall"]), _f1(score),
         f"{score['fp2']} of {score['fp2'] + score['tn']}"]
        for result in report["results"]
        for sport, score in result["by_sport"].items()
    ]  # fmt: skip
    caption = (
        f"Accuracy on real footage that training never saw (split “{report['split']}”): right within "
        f"{report['tolerance_px']} px at 512 × 288. In brackets: where the figure would lie 95 times in 100, if other "
        "footage were like this; optimistic where clips are few"
    )
    return parts.table(caption, ["Weights", "Sport", "Frames", "Precision", "Recall", "F1 (95 %)", NO_BALL], rows)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _f1(score: dict) -> str:
    low, high = score["interval_95"]["f1"]
    return "–" if score["f1"] is None else f"{score['f1']:.3f} ({low:.3f} to {high:.3f})"


def _flops(report: dict) -> str:
    bundled = [
        m | {"model": f"{m['weights']}, as bundled ({m['size'][1]} × {m['size'][0]})", "published_gflops": None}
        for m in report["bundled"]
    ]
    rows = [
        [m["model"], f"{m['params']:,}", f"{m['full_gmacs']:.1f}", f"{m['full_gmacs_per_frame']:.1f}",
         f"{m['thop_gmacs']:.2f}", m["published_gflops"] or "–"]
        for m in [*report["models"], *bundled]
    ]  # fmt: skip
    height, width = report["size"]
    return parts.table(
        f"Cost of one window, at {width} × {height} if nothing else is said, in 10⁹ multiply-accumulates (published as "
        "“GFLOPs”)",
        ["Network", "Parameters", "Everything", "Per frame", "As thop counts", "Published"],
        rows,
    )


def _splits(report: dict) -> str:
    rows = [
        [
            name,
            split["train_windows"],
            split["val_windows"],
            f"{split['leak']['windows_sharing_a_frame_percent']:.1f} %",
        ]
        for name, split in report["splits"].items()
    ]
    return parts.table(
        f"Splits of the TrackNet tennis data set ({report['clips']} clips): validation windows that share frames with "
        "training",
        ["Split by", "Training windows", "Validation windows", "Sharing frames"],
        rows,
    )
