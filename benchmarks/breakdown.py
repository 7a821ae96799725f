"""Counts, ratios and intervals of scored predictions, in all and where they differ.

Intervals are 95 % percentile intervals of a bootstrap over blocks of one second of footage. Blocks of one clip are
not independent of each other, so they are optimistic where a split has few clips.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.protocols import SIZE, THRESHOLDS, Scored
from tracknetv5.data.readers import EASY, HARD, HIDDEN, NO_CLASS, OCCLUDED, VISIBLE, Clip
from tracknetv5.geometry import Letterbox
from tracknetv5.metrics import Counts, outcomes

KINDS = ("tp", "fp1", "fp2", "tn", "fn")
RATIOS = ("accuracy", "precision", "recall", "f1")
RESAMPLES = 1000
TOLERANCES = range(1, 21)  # pixels
SPEEDS = (0, 2, 5, 10, 20, np.inf)  # pixels of SIZE a frame
RUNS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, np.inf))  # frames, both ends included
AFTER = 3  # frames looked at one by one when a ball comes back
CLASSES = {EASY: "easy", HARD: "hard", OCCLUDED: "occluded", NO_CLASS: "not stated"}


def counts(outcome: np.ndarray) -> Counts:
    return Counts(**{kind: int((outcome == kind).sum()) for kind in KINDS})


def summary(outcome: np.ndarray, block: np.ndarray) -> dict:
    """Counts and ratios of (N,) outcomes, with intervals over the blocks that (N,) numbers name."""
    table = block_table(outcome, block)
    intervals = {name: [None, None] for name in RATIOS}
    if len(table):
        draws = [Counts(*row) for row in table[resamples(len(table))].sum(axis=1).tolist()]
        for name in RATIOS:
            values = np.array([getattr(draw, name) for draw in draws])
            if not np.isnan(values).all():
                intervals[name] = np.nanpercentile(values, [2.5, 97.5]).round(4).tolist()
    return counts(outcome).as_dict() | {"interval_95": intervals, "blocks": len(table)}


def block_table(outcome: np.ndarray, block: np.ndarray) -> np.ndarray:
    """(blocks, KINDS) counts of (N,) outcomes in each of the blocks that (N,) numbers name."""
    blocks, rows = np.unique(block, return_inverse=True)
    return np.stack([np.bincount(rows[outcome == kind], minlength=len(blocks)) for kind in KINDS], axis=1)


def resamples(count: int) -> np.ndarray:
    """(RESAMPLES, count) blocks that are drawn, with replacement, from `count`: the same ones at every call."""
    return np.random.default_rng(0).integers(count, size=(RESAMPLES, count))


def summarise(scored: Sequence[Scored]) -> dict:
    """`summary` of all rows, and the median distance of the predictions that are right."""
    outcome = np.concatenate([part.outcome for part in scored])
    near = np.concatenate([part.distance for part in scored])[outcome == "tp"]
    return summary(outcome, second_blocks(scored)) | {
        "clips": len(scored),
        "median_error_px": float(np.median(near)) if len(near) else None,
    }


def breakdown(scored: Sequence[Scored]) -> dict[str, list[dict] | dict[str, list[dict]]]:
    """Where predictions of one a frame are right and where not; `summary` in every row but those of `miss_runs`.

    - `tolerance`: as more pixels are forgiven, in pixels of SIZE (`model_px`) and of the stored footage (`source_px`);
    - `threshold`: at each of THRESHOLDS, where heatmaps were at hand;
    - `speed`: by the pixels of SIZE that a labelled ball has moved since the frame before;
    - `visibility`: by the class of a labelled ball;
    - `re_entry`: in the first, second and third frame in which a ball is seen again after frames without one or with
      an occluded one, and in all `other` frames with a ball that is not occluded;
    - `miss_runs`: how many frames in a row a labelled ball is missed (FN) or seen elsewhere (FP1), and how often.

    In rows of labelled balls alone, accuracy = TP / (TP + FP1 + FN) is the share that is found; recall leaves FP1 out.
    """
    outcome = np.concatenate([part.outcome for part in scored])
    block = second_blocks(scored)
    ball = np.concatenate([part.ball for part in scored])
    speed = np.concatenate([_speed(part.clip)[part.frame] for part in scored])
    grade = np.concatenate([part.clip.difficulty[part.frame] for part in scored])
    again = np.concatenate([_frames_since_return(part.clip)[part.frame] for part in scored])

    def rows(key: str, masks: Mapping[str, np.ndarray]) -> list[dict]:
        chosen = {name: ball & mask for name, mask in masks.items()}
        return [{key: name} | summary(outcome[mask], block[mask]) for name, mask in chosen.items() if mask.any()]

    speeds = {_span(low, high): (low <= speed) & (speed < high) for low, high in zip(SPEEDS, SPEEDS[1:], strict=False)}
    returns = {str(number): again == number for number in range(1, AFTER + 1)}
    others = ~np.isin(again, range(1, AFTER + 1)) & (grade != OCCLUDED)
    return {
        "tolerance": by_tolerance(scored),
        "threshold": _threshold(scored, block),
        "speed": rows("px_per_frame", speeds | {"unknown": np.isnan(speed)}),
        "visibility": rows("class", {name: grade == number for number, name in CLASSES.items()}),
        "re_entry": rows("frame", returns | {"other": others}),
        "miss_runs": _miss_runs(scored),
    }


def second_blocks(scored: Sequence[Scored]) -> np.ndarray:
    """(N,) number of the clip's second that each row of all clips belongs to."""
    pairs = [np.column_stack([np.full(len(part.frame), clip), part.second]) for clip, part in enumerate(scored)]
    return np.unique(np.concatenate(pairs), axis=0, return_inverse=True)[1].reshape(-1)


def by_tolerance(scored: Sequence[Scored]) -> dict[str, list[dict]]:
    """The `tolerance` of `breakdown`, for predictions of any protocol."""
    block = second_blocks(scored)

    def curve(positions: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[dict]:
        return [
            {"tolerance_px": tolerance}
            | summary(np.concatenate([outcomes(xy, truth, tolerance, ball) for xy, truth, ball in positions]), block)
            for tolerance in TOLERANCES
        ]

    def in_source(part: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        letterbox = Letterbox(part.clip.size, SIZE)
        return letterbox.to_source(part.predicted), letterbox.to_source(part.labelled), part.ball

    return {
        "model_px": curve([(part.predicted, part.labelled, part.ball) for part in scored]),
        "source_px": curve([in_source(part) for part in scored]),
    }


def _threshold(scored: Sequence[Scored], block: np.ndarray) -> list[dict]:
    if any(part.at_threshold is None for part in scored):
        return []
    return [
        {"threshold": threshold}
        | summary(
            np.concatenate(
                [outcomes(part.at_threshold[k], part.labelled, part.tolerance, part.ball) for part in scored]
            ),
            block,
        )
        for k, threshold in enumerate(THRESHOLDS)
    ]


def _speed(clip: Clip) -> np.ndarray:
    """(len(clip),) pixels of SIZE that the labelled ball has moved since the frame before; NaN if it is not known."""
    moved = np.diff(Letterbox(clip.size, SIZE).to_model(clip.xy), axis=0, prepend=np.nan)
    return np.linalg.norm(moved, axis=1)


def _frames_since_return(clip: Clip) -> np.ndarray:
    """(len(clip),) 1 in the first frame in which the ball is seen again, 2 in the next ...; 0 where that is not so."""
    away = (clip.visibility == HIDDEN) | (clip.difficulty == OCCLUDED)
    seen = (clip.visibility == VISIBLE) & ~away
    since = np.zeros(len(clip), int)
    for frame in np.flatnonzero(seen[1:]) + 1:
        if away[frame - 1] or since[frame - 1]:
            since[frame] = since[frame - 1] + 1
    return since


def _miss_runs(scored: Sequence[Scored]) -> list[dict]:
    runs = []  # outcomes of each run
    for part in scored:
        missed = np.flatnonzero(np.isin(part.outcome, ("fp1", "fn")))
        breaks = np.flatnonzero(np.diff(part.frame[missed]) > 1) + 1
        runs += [part.outcome[run] for run in np.split(missed, breaks) if len(run)]
    lengths = np.array([len(run) for run in runs])
    rows = []
    for low, high in RUNS:
        chosen = [run for run, length in zip(runs, lengths, strict=True) if low <= length <= high]
        missed = counts(np.concatenate(chosen)) if chosen else Counts()
        rows.append({"frames": _span(low, high), "runs": len(chosen), "fp1": missed.fp1, "fn": missed.fn})
    return rows


def _span(low: float, high: float) -> str:
    return f"{low}" if low == high else f"{low} or more" if high == np.inf else f"{low} to {high}"
