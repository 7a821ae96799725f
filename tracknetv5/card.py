"""The model card of a folder of weights: README.md and its picture, made from the config alone."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from tracknetv5.weights import HUB_ORGANISATION, NOT_STATED, WeightsConfig

CARD = "README.md"  # as the Hub shows it
PICTURE = "picture.jpg"
PAPERS = {  # where each architecture was published
    "tracknet_v2": ("Sun et al., TrackNetV2, ICPAI 2020", None),
    "tracknet_v3": ("Chen and Wang, TrackNetV3, MMAsia 2023", None),
    "tracknet_v4": ("Raj et al., TrackNetV4", "2409.14543"),
    "tracknet_v5": ("Tang et al., TrackNetV5", "2512.02789"),
    "tracknet_v2_mdd": ("Tang et al., TrackNetV5 (ablation)", "2512.02789"),
    "tracknet_v2_rstr": ("Tang et al., TrackNetV5 (ablation)", "2512.02789"),
    "inpaintnet": ("Chen and Wang, TrackNetV3, MMAsia 2023", None),
}

TEXT = """\
# {model}

{purpose}

![A synthetic rally with the ball and its tail marked]({picture})

*A rally drawn by a program, no footage; the marks are its exact labels.*

## Use

From a copy of the project, `pip install -e .`; then

```python
{usage}
```

- Input: {inputs}.
- Files are safetensors and JSON; there is nothing to unpickle, and the SHA-256 of the tensors is checked on loading.

## Results

{results}

## Limits

- Made for a camera that sees the whole court from behind or above one end, as in broadcasts, and hardly moves; other
  views, close-ups and fast pans are outside of what it has learned.
- Camera cuts are told from the frames, by limits that were set while looking at clips of this project's training and
  validation splits. Windows begin anew at a cut, and no gap is filled across it.
- Sports in the training data: {sports}. Expect less on others.
- It marks one ball a frame. Heads, shoes, court marks and a second ball can be mistaken for it, and a ball hidden
  for long is lost. Points that were filled in are marked as such and are no detections.
- No basis for line calls, refereeing or decisions about people.

## Provenance and rights

| | |
|---|---|
| Architecture | {paper} |
| Weights | {provenance} |
| Training data | {training_data} |
| Licence of the weights | {licence} |
| Licence of the code | MIT |

Rights in the training data are their owners' and are not part of these licences.
"""

TRACKER_USAGE = """\
from tracknetv5 import BallTracker

tracker = BallTracker.from_pretrained("{repo_id}")  # or the folder of this card
trajectory = tracker.track("rally.mp4")
trajectory.xy  # (N, 2) pixels of the video, NaN where there is no ball
trajectory.to_csv("rally.csv")"""

RECTIFIER_USAGE = """\
from tracknetv5 import BallTracker

tracker = BallTracker.from_pretrained(weights, rectifier="{repo_id}")  # weights: those of a TrackNet
trajectory = tracker.track("rally.mp4")
trajectory.source  # (N,) "rectified" where this network filled a gap"""

INTERVALS = "In brackets: 95 % intervals over moments of the same footage. Other venues and cameras differ by more."


def model_card(config: WeightsConfig, repo_id: str | None = None) -> ModelCard:
    """The card of some weights.

    Args:
        config: the facts about them.
        repo_id: the repository that the card is for; None for the model's name at our own organisation.
    """
    repo_id = repo_id or f"{HUB_ORGANISATION}/{config.model}"
    paper, arxiv = PAPERS[config.model.removesuffix("_lite").removesuffix("_divided")]
    if arxiv:
        paper = f"{paper}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv})"
    if config.background and not config.model.startswith("tracknet_v3"):
        paper = f"{paper}; beyond that paper it is given the background, as TrackNetV3 is, and how each frame differs"
    tracks = config.height is not None
    if tracks:
        background = " and the scene without what moves, the median of the pictures around" if config.background else ""
        inputs = (
            f"{config.frames} frames{background}, {config.channel_order} in [0, 1], {config.height} x {config.width} "
            f"(rows x columns; averaging resize, letterboxed); threshold {config.threshold}, step {config.step}"
        )
    else:
        inputs = f"{config.frames} positions as shares of the frame's width and height, and a mask of those to fill in"
    text = TEXT.format(
        model=config.model,
        purpose="Finds the ball in every frame of a sports video." if tracks else "Fills gaps in a ball's trajectory.",
        picture=PICTURE,
        usage=(TRACKER_USAGE if tracks else RECTIFIER_USAGE).format(repo_id=repo_id),
        inputs=inputs,
        results=_table(config) or "None stated.",
        sports=", ".join(config.sports) or NOT_STATED,
        paper=paper,
        provenance=config.provenance,
        training_data=config.training_data,
        licence=config.licence,
    )
    return ModelCard(f"---\n{_metadata(config, arxiv).to_yaml()}\n---\n\n{text}")


def _metadata(config: WeightsConfig, arxiv: str | None) -> ModelCardData:
    stated = config.licence != NOT_STATED
    results = [
        EvalResult(
            task_type="object-detection",
            task_name="Ball detection",
            dataset_type="-".join(re.findall(r"\w+", data.lower())),  # tells the data sets apart
            dataset_name=data,
            metric_type=metric,
            metric_value=value,
        )
        for data, metric, value in _figures(config)
    ]
    return ModelCardData(
        library_name="tracknetv5",
        pipeline_tag="object-detection",
        tags=["ball-tracking", "sports", "video", "tracknet", *config.sports, *([f"arxiv:{arxiv}"] if arxiv else [])],
        license=config.licence if stated else "other",
        license_name=None if stated else "not-stated",
        model_name=config.model if results else None,
        eval_results=results or None,
    )


def _figures(config: WeightsConfig) -> Iterable[tuple[str, str, float]]:
    """(measured on, metric, value) of each figure in the config."""
    for data, metrics in config.metrics.items():
        if isinstance(metrics, Mapping):
            yield from ((data, name, value) for name, value in metrics.items() if isinstance(value, int | float))


def _table(config: WeightsConfig) -> str:
    rows, intervals = {}, False
    for data, metric, value in _figures(config):
        text = f"{value:.3f}" if isinstance(value, float) else str(value)
        if interval := config.metrics[data].get(f"{metric}_95"):
            low, high = interval
            text, intervals = f"{text} ({low:.3f} to {high:.3f})", True
        rows.setdefault(data, {})[metric] = text
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [["measured on", *names], ["---"] * (1 + len(names))]
    lines += [[data, *(row.get(name, "") for name in names)] for data, row in rows.items()]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{INTERVALS}" if intervals else table


def write_picture(folder: Path) -> None:
    """Draw the card's picture: a synthetic rally."""
    from tracknetv5.data.synthetic import render_rally  # a drawing program, of no use to those who only track
    from tracknetv5.draw import draw_ball

    images, labels = zip(*render_rally(frames=24, seed=3), strict=True)
    *trail, ball = [(x, y) if visible else (math.nan, math.nan) for x, y, visible in labels[-12:]]
    picture = draw_ball(images[-1], ball, "detected", trail)
    cv2.imwrite(str(Path(folder) / PICTURE), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


def write_card(folder: Path, config: WeightsConfig) -> None:
    """Write README.md and its picture into a folder of weights."""
    model_card(config).save(Path(folder) / CARD)
    write_picture(folder)
