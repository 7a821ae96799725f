"""What the weights get wrong on labelled footage, and why: a page of every miss and false alarm.

    python -m benchmarks.errors --weights W --data DIR --split val --output FOLDER

writes FOLDER/index.html (crops of the window, heatmap, label and prediction, grouped by cause), FOLDER/frames.csv
(every labelled frame) and FOLDER/errors.json (counts by cause). The page shows footage: keep it where that may be.

A cause is the first of CAUSES whose rule holds. The rules see the label, the pixels around it and the neighbouring
labels; they sort errors for a first look and prove nothing. Pixels in them are those of 512 x 288; places, crops and
what surrounds the ball are looked at in the network's input. Predictions are those of protocol `frame` of
benchmarks/protocols.py, so `benchmarks.accuracy` counts alike; the heatmaps beside them take a clip for one shot.
"""

import argparse
import html
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from benchmarks.environment import write_result
from benchmarks.inputs import describe, weights_and_footage
from benchmarks.protocols import tracked
from tracknetv5.data.readers import HIDDEN, OCCLUDED, UNLABELLED, Clip
from tracknetv5.draw import heat_overlay
from tracknetv5.geometry import Letterbox
from tracknetv5.metrics import SIZE, TOLERANCE, outcomes
from tracknetv5.tracker import BallTracker

CROP = 48  # pixels; side of the square around the ball that the page shows and the rules look at
ZOOM = 3
CAUSES = {
    "no ball in play": "the label says that there is none, and one is seen",
    "label doubtful": "the label jumps, and the ball is seen where its neighbours say it should be",
    "off by a few pixels": f"a ball is seen {TOLERANCE:.0f} to {2 * TOLERANCE:.0f} pixels from the label",
    "held or at rest": "for seven frames it stays within 6 pixels",
    "entering, leaving or hidden": "within three frames of a frame without a ball, or at the picture's edge",
    "occluded": "the data set says so",
    "blurred": "it moves more than 12 pixels a frame",
    "like its background": "it differs from its surroundings by less than 10 of 255 grey levels",
    "on a line, logo or player": "strong edges around it",
    "other": "none of the above",
}


@dataclass(frozen=True)
class Look:
    """One labelled frame: what was said about it, and what surrounds it."""

    clip: str
    frame: int
    outcome: str
    x: float  # label, NaN without a ball
    y: float
    found_x: float  # prediction, NaN without one
    found_y: float
    score: float  # highest probability of the prediction
    heat: float  # highest probability within the tolerance of the label
    resting: bool  # the ball stays where it is
    cause: str  # empty where nothing is wrong


def looks(tracker: BallTracker, clip: Clip) -> Iterator[tuple[Look, list[np.ndarray], np.ndarray]]:
    """Every labelled frame, with the frames before, at and after it (H, W, 3) and its heatmap (H, W)."""
    size = (tracker.config.height, tracker.config.width)
    images = list(clip.images(size))  # clips of a data set are short
    trajectory = tracked(tracker, clip)
    to_input, to_scored = Letterbox(clip.size, size).to_model, Letterbox(clip.size, SIZE).to_model
    truth = to_input(clip.xy)
    unit = Letterbox(clip.size, size).content[2] / Letterbox(clip.size, SIZE).content[2]
    rows, columns = np.mgrid[: size[0], : size[1]]
    still = resting(truth / unit)
    for number, heatmap in tracker.heatmaps(images):
        if number >= min(len(clip), len(trajectory)) or clip.visibility[number] == UNLABELLED:
            continue
        found = trajectory.xy[number]
        outcome = str(outcomes(to_scored(found)[None], to_scored(clip.xy[number])[None])[0])
        at = to_input(found)
        x, y = truth[number]
        heat = 0.0 if np.isnan(x) else float(heatmap[np.hypot(columns - x, rows - y) < TOLERANCE * unit].max(initial=0))
        wrong = outcome in ("fp1", "fp2", "fn")
        cause = _cause(number, at, truth, still[number], clip, images[number], unit) if wrong else ""
        score = float(trajectory.score[number])
        look = Look(clip.full_name, number, outcome, x, y, *at.tolist(), score, heat, bool(still[number]), cause)
        window = [images[min(max(k, 0), len(images) - 1)] for k in (number - 1, number, number + 1)]
        yield look, window, heatmap


def resting(xy: np.ndarray) -> np.ndarray:
    """Where a ball is held or lies still: (N,) bool for (N, 2) pixels of 512 x 288, NaN without a ball."""
    still = np.zeros(len(xy), bool)
    for number in np.flatnonzero(~np.isnan(xy[:, 0])):
        near = xy[max(number - 3, 0) : number + 4]
        near = near[~np.isnan(near[:, 0])]
        still[number] = len(near) >= 3 and np.ptp(near, axis=0).max() < 6
    return still


def _cause(
    number: int, found: np.ndarray, truth: np.ndarray, still: bool, clip: Clip, image: np.ndarray, unit: float
) -> str:
    """The first of the causes that fits; `found` and `truth` in pixels of `image`, `unit` of which make one of SIZE."""
    found, truth = found / unit, truth / unit
    ball = truth[number]
    if np.isnan(ball[0]):
        return "no ball in play"
    before, after = (truth[k] if 0 <= k < len(truth) else np.full(2, np.nan) for k in (number - 1, number + 1))
    expected = (before + after) / 2
    if np.linalg.norm(ball - expected) > 4 * TOLERANCE and np.linalg.norm(found - expected) < 2 * TOLERANCE:
        return "label doubtful"
    if np.linalg.norm(found - ball) < 2 * TOLERANCE:
        return "off by a few pixels"
    if still:
        return "held or at rest"
    height, width = np.array(image.shape[:2]) / unit
    near = clip.visibility[max(number - 3, 0) : number + 4]
    if (near == HIDDEN).any() or min(ball[0], ball[1], width - 1 - ball[0], height - 1 - ball[1]) < 8:
        return "entering, leaving or hidden"
    if clip.difficulty[number] == OCCLUDED:
        return "occluded"
    if np.nanmax([np.linalg.norm(ball - before), np.linalg.norm(ball - after), 0]) > 12:
        return "blurred"
    contrast, edges = _surroundings(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), ball * unit)
    if contrast < 10:
        return "like its background"
    return "on a line, logo or player" if edges > 60 else "other"


def _surroundings(grey: np.ndarray, ball: np.ndarray) -> tuple[float, float]:
    """Contrast of the ball to the ring around it, and the edges in that ring, in grey levels."""
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    distance = np.hypot(columns - ball[0], rows - ball[1])
    disc, ring = distance < 2, (distance > 4) & (distance < 9)
    slope = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return abs(float(grey[disc].mean()) - float(np.median(grey[ring]))), float(np.percentile(slope[ring], 75))


def panel(look: Look, window: Sequence[np.ndarray], heatmap: np.ndarray) -> np.ndarray:
    """The three frames, the heatmap, and the frame with label (green) and prediction (red): one RGB strip."""
    centre = (look.x, look.y) if not np.isnan(look.x) else (look.found_x, look.found_y)
    height, width = heatmap.shape
    left = int(np.clip(centre[0] - CROP / 2, 0, width - CROP))
    top = int(np.clip(centre[1] - CROP / 2, 0, height - CROP))
    part = np.s_[top : top + CROP, left : left + CROP]
    enlarged = [
        cv2.resize(image[part], None, fx=ZOOM, fy=ZOOM, interpolation=cv2.INTER_NEAREST)
        for image in (*window, heat_overlay(window[1], heatmap, 1.0))
    ]
    # The whole picture at the strip's height, since a prediction may be far from the label.
    scale = ZOOM * CROP / height
    whole = cv2.resize(window[1], (round(width * scale), ZOOM * CROP), interpolation=cv2.INTER_AREA)
    for x, y, colour in ((look.x, look.y, (0, 220, 0)), (look.found_x, look.found_y, (255, 40, 40))):
        if not np.isnan(x):
            cv2.circle(whole, (round(x * scale), round(y * scale)), 6, colour, 1, cv2.LINE_AA)
    return np.concatenate([*enlarged, whole], axis=1)


def page(errors: Sequence[Look], title: str) -> str:
    """The HTML of all errors, whose pictures lie in `strips` beside it."""
    counts = Counter(look.cause for look in errors)
    parts = [f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title><h1>{html.escape(title)}</h1>"]
    parts.append("<p>Before, at, after; heatmap; whole frame with label in green and prediction in red.</p><table>")
    parts += [f"<tr><td>{name}<td>{counts[name]}<td>{html.escape(rule)}" for name, rule in CAUSES.items()]
    parts.append("</table>")
    for name in CAUSES:
        group = [look for look in errors if look.cause == name]
        if group:
            parts.append(f"<h2>{name}: {len(group)}</h2>")
        for look in group:
            text = f"{look.clip} frame {look.frame}, {look.outcome}, heat at the label {look.heat:.2f}"
            if look.score:
                text += f", prediction {look.score:.2f}"
            parts.append(f'<p>{html.escape(text)}<br><img loading=lazy alt="" src="strips/{_strip(look)}">')
    return "\n".join(parts) + "\n"


def _strip(look: Look) -> str:
    return f"{look.clip.replace('/', '-')}-{look.frame}.jpg"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.errors", description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, type=Path, help="folder")
    options, tracker, clips = weights_and_footage(parser, arguments)
    if all((clip.visibility == UNLABELLED).all() for clip in clips):
        parser.error(f"{options.data}: no frame is labelled, so none can be called wrong: take labelled footage")
    strips = options.output / "strips"
    strips.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in clips:
        for look, window, heatmap in looks(tracker, clip):
            rows.append(look)
            if look.cause:
                picture = cv2.cvtColor(panel(look, window, heatmap), cv2.COLOR_RGB2BGR)
                cv2.imwrite(str(strips / _strip(look)), picture)
    table = pd.DataFrame([asdict(look) for look in rows])
    table.round(3).to_csv(options.output / "frames.csv", index=False)
    errors = [look for look in rows if look.cause]
    name = options.weights or "bundled weights"
    (options.output / "index.html").write_text(page(errors, f"Errors of {name}"), encoding="utf-8")
    table["sport"] = table["clip"].str.split("/").str[0]
    report = {
        "sha256": tracker.config.sha256,
        "threshold": tracker.threshold,
        "step": tracker.step,
        "split": options.split,
        "data": describe(clips),
        "tolerance_px": TOLERANCE,
        "frames": {sport: len(part) for sport, part in table.groupby("sport")},
        "errors": {
            sport: {cause: int((part["cause"] == cause).sum()) for cause in CAUSES}
            for sport, part in table.groupby("sport")
        },
        "rules": CAUSES,
        "balls": {
            kind: {
                sport: [int((part["outcome"] == "tp").sum()), len(part)]
                for sport, part in table[table["x"].notna() & (table["resting"] == still)].groupby("sport")
            }
            for kind, still in (("in flight", False), ("held or at rest", True))
        },
    }
    write_result(options.output / "errors.json", report, "torch", "numpy", "opencv-python", "av")
    print(pd.DataFrame(report["errors"]).assign(all=lambda counts: counts.sum(axis=1)).to_string())


if __name__ == "__main__":
    main()
