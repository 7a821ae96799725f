"""The papers' splits of the TrackNet tennis data set, rebuilt, and what they leak.

    python -m benchmarks.splits [--labels CSV | --data DIR] --output FILE.json [--picture FILE.png]

A split divides windows. A window is three consecutive frames of a clip, named by its centre, so the first and the last
frame of a clip are no centres. Clips are in order of their paths (game1, game10, game2 ...), and a window is a row
(index of the clip in that order, frame number of the centre).

The lengths of the 95 clips are enough to rebuild a split; they are the default. `--labels` takes label rows (columns
game, clip, frame, visibility, x-coordinate, y-coordinate), `--data` the data set's own folder (gameN/ClipM/Label.csv).
With either, the targets without a visible ball are counted too.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.environment import write_result

CLIPS = Path(__file__).parent / "tennis_clips.json"
RADIUS = 1  # frames on each side of a window's centre
TRAIN_SHARE = 0.7
SEED = 42
TEST_GAMES = ("game1", "game4", "game9")  # of the V4 paper's game-level split
PICTURED = "game10/Clip8"  # short, and with windows of every kind in about their usual shares
UNKNOWN = -1  # visibility of a frame whose label is not at hand

Windows = np.ndarray  # (n, 2) int64: clip, centre


@dataclass(frozen=True)
class Labels:
    """What the label files say about each clip, by "game/clip"."""

    visibility: Mapping[str, np.ndarray]  # (frames,) int64: 0 no ball, 1 to 3 ball, UNKNOWN
    located: Mapping[str, np.ndarray]  # (frames,) bool: the row has coordinates

    @property
    def lengths(self) -> dict[str, int]:
        return {clip: len(visibility) for clip, visibility in self.visibility.items()}


def tennis_lengths() -> dict[str, int]:
    """Frames of each of the data set's 95 clips, by "game/clip"."""
    return json.loads(CLIPS.read_text(encoding="utf-8"))["frames"]


def read_label_rows(path: Path) -> Labels:
    """Labels from one CSV with columns game, clip, frame, visibility, x-coordinate, y-coordinate.

    Raises:
        ValueError: columns are missing.
    """
    rows = pd.read_csv(path)
    if missing := {"game", "clip", "frame", "visibility", "x-coordinate"} - set(rows.columns):
        raise ValueError(f"{path}: no column {', '.join(sorted(missing))}: not label rows of the tennis data set")
    return _labels({f"{game}/{clip}": part for (game, clip), part in rows.groupby(["game", "clip"])})


def read_tennis_folder(root: Path) -> Labels:
    """Labels from the data set's own layout, gameN/ClipM/Label.csv; the images may be missing.

    Raises:
        ValueError: no such files, or columns are missing.
    """
    parts = {}
    for path in sorted(Path(root).glob("game*/Clip*/Label.csv")):
        rows = pd.read_csv(path)
        if missing := {"file name", "visibility", "x-coordinate"} - set(rows.columns):
            raise ValueError(f"{path}: no column {', '.join(sorted(missing))}")
        frame = rows["file name"].str.extract(r"(\d+)", expand=False).astype(int)
        parts[f"{path.parent.parent.name}/{path.parent.name}"] = rows.assign(frame=frame)
    if not parts:
        raise ValueError(f"{root}: no gameN/ClipM/Label.csv below it: not the TrackNet tennis data set")
    return _labels(parts)


def _labels(parts: Mapping[str, pd.DataFrame]) -> Labels:
    visibility, located = {}, {}
    for clip, rows in parts.items():
        length = int(rows["frame"].max()) + 1
        visibility[clip], located[clip] = np.full(length, UNKNOWN), np.zeros(length, bool)
        visibility[clip][rows["frame"]] = rows["visibility"].fillna(UNKNOWN)
        located[clip][rows["frame"]] = rows["x-coordinate"].notna()
    return Labels(visibility, located)


def path_order(lengths: Mapping[str, int]) -> list[str]:
    """Clips in the order of their paths, the one that a window's clip index refers to."""
    return sorted(lengths, key=lambda clip: clip.split("/"))


def windows(lengths: Mapping[str, int]) -> Windows:
    """All windows, clip by clip."""
    centres = [np.arange(RADIUS, lengths[clip] - RADIUS) for clip in path_order(lengths)]
    clips = np.repeat(np.arange(len(centres)), [len(part) for part in centres])
    return np.column_stack([clips, np.concatenate(centres)])


def paper_split(lengths: Mapping[str, int]) -> tuple[Windows, Windows]:
    """The V5 paper's "7:3": windows of all clips shuffled together, the first 70 % for training.

    The same permutation as pandas' `sample(frac=1, random_state=42)` in the reference code.
    """
    rows = windows(lengths)
    rows = rows[np.random.RandomState(SEED).permutation(len(rows))]
    border = int(TRAIN_SHARE * len(rows))
    return rows[:border], rows[border:]


def game_split(lengths: Mapping[str, int]) -> tuple[Windows, Windows]:
    """The V4 paper's game-level split: games 1, 4 and 9 are held out."""
    return _by_clip(lengths, [clip.split("/")[0] in TEST_GAMES for clip in path_order(lengths)])


def clip_split(lengths: Mapping[str, int]) -> tuple[Windows, Windows]:
    """Whole clips shuffled, the first 70 % for training. The V4 paper does not name the clips of its own."""
    order = np.random.RandomState(SEED).permutation(len(lengths))
    held_out = np.zeros(len(lengths), bool)
    held_out[order[int(TRAIN_SHARE * len(lengths)) :]] = True
    return _by_clip(lengths, held_out)


def _by_clip(lengths: Mapping[str, int], held_out: Sequence[bool]) -> tuple[Windows, Windows]:
    rows = windows(lengths)
    val = np.asarray(held_out)[rows[:, 0]]
    return rows[~val], rows[val]


SPLITS: dict[str, Callable[[Mapping[str, int]], tuple[Windows, Windows]]] = {
    "paper": paper_split,
    "game": game_split,
    "clip": clip_split,
}


def frames(rows: Windows) -> np.ndarray:
    """The frames of each window: (n, 2) windows -> (n, 3, 2) pairs of clip and frame number."""
    return np.stack([rows + (0, offset) for offset in range(-RADIUS, RADIUS + 1)], axis=1)


def seen_in_training(train: Windows, val: Windows) -> np.ndarray:
    """Which frames of which validation windows are also in a training window: (len(val), 3) bool."""
    both = np.concatenate([train, val])
    shape = both.max(axis=0) + RADIUS + 1 if len(both) else (0, 0)
    trained = np.zeros(shape, bool)
    trained[tuple(frames(train).reshape(-1, 2).T)] = True
    clip, frame = np.moveaxis(frames(val), -1, 0)
    return trained[clip, frame]


def leak(train: Windows, val: Windows) -> dict[str, int | float]:
    """What validation shares with training: windows with at least one shared frame or three, and scored heatmaps."""
    seen = seen_in_training(train, val)
    some, every = seen.any(axis=1), seen.all(axis=1)
    return {
        "windows_sharing_a_frame": int(some.sum()),
        "windows_sharing_a_frame_percent": round(100 * float(some.mean()), 2),
        "windows_sharing_every_frame": int(every.sum()),
        "windows_sharing_every_frame_percent": round(100 * float(every.mean()), 2),
        "heatmaps_of_trained_frames": int(seen.sum()),
        "heatmaps_of_trained_frames_percent": round(100 * float(seen.mean()), 2),
    }


def targets(val: Windows, labels: Labels) -> dict[str, int]:
    """Scored heatmaps by what their label says: no ball, ball without coordinates, or no label at hand."""
    names = path_order(labels.lengths)
    clip, frame = frames(val).reshape(-1, 2).T
    longest = max(labels.lengths.values())
    visibility, located = np.full((len(names), longest), UNKNOWN), np.zeros((len(names), longest), bool)
    for index, name in enumerate(names):
        visibility[index, : len(labels.visibility[name])] = labels.visibility[name]
        located[index, : len(labels.located[name])] = labels.located[name]
    visibility, located = visibility[clip, frame], located[clip, frame]
    return {
        "invisible": int((visibility == 0).sum()),
        "visible_without_coordinates": int(((visibility > 0) & ~located).sum()),
        "unknown": int((visibility == UNKNOWN).sum()),
    }


def describe(name: str, lengths: Mapping[str, int], labels: Labels | None = None) -> dict:
    """The figures of one split, as in the result file."""
    train, val = SPLITS[name](lengths)
    scored = len(val) * (2 * RADIUS + 1)
    row = {"train_windows": len(train), "val_windows": len(val), "scored_heatmaps": scored, "leak": leak(train, val)}
    return row | ({"targets": targets(val, labels)} if labels else {})


def draw_timeline(axes, lengths: Mapping[str, int], clip: str = PICTURED) -> None:
    """Draw the paper's split of one clip on Matplotlib axes: one bar a window, over its frames."""
    train, val = paper_split(lengths)
    index = path_order(lengths).index(clip)
    shared = seen_in_training(train, val).sum(axis=1)
    styles = (
        ("training window", train, "#0072B2", ""),
        ("validation, all 3 frames trained on", val[shared == 3], "#D55E00", "xxx"),
        ("validation, 1 or 2 frames trained on", val[(shared == 1) | (shared == 2)], "#E69F00", "//"),
        ("validation, no frame trained on", val[shared == 0], "white", ""),
    )
    for label, rows, colour, hatch in styles:
        centres = rows[rows[:, 0] == index, 1]
        # Windows of neighbouring centres overlap: three lines, by the remainder of the centre, keep them apart.
        line = -(centres % 3) - (0 if rows is train else 4)
        axes.barh(line, 3, left=centres - 1.5, height=0.8, color=colour, hatch=hatch, edgecolor="black", lw=0.6)
        axes.bar(np.nan, 0, color=colour, hatch=hatch, edgecolor="black", lw=0.6, label=f"{label} ({len(centres)})")
    axes.set_xlim(-1, lengths[clip])
    axes.set_yticks([-1, -5], ["train", "val"])
    axes.set_xlabel(f"frame of {clip}; a bar covers the three frames of a window")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2, frameon=False)


def markdown(result: Mapping) -> str:
    lines = [
        f"{result['clips']} clips, {result['frames']:,} frames, {result['windows']:,} windows\n",
        "| split | train | val | scored heatmaps | no ball | share a frame | share all 3 | trained heatmaps |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in result["splits"].items():
        invisible = ""
        if counted := row.get("targets"):
            most = counted["invisible"] + counted["unknown"]
            invisible = f"{counted['invisible']}" + (f" to {most}" if counted["unknown"] else "")
        shares = [f"{row['leak'][key]:.1f} %" for key in row["leak"] if key.endswith("_percent")]
        lines.append(
            f"| {name} | {row['train_windows']:,} | {row['val_windows']:,} | {row['scored_heatmaps']:,} | {invisible} "
            f"| {' | '.join(shares)} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.splits", description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--labels", type=Path, metavar="CSV", help="label rows of the tennis data set")
    source.add_argument("--data", type=Path, metavar="DIR", help="folder of the tennis data set")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.json")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="one clip's timeline")
    options = parser.parse_args(arguments)
    try:
        labels = read_label_rows(options.labels) if options.labels else None
        labels = read_tennis_folder(options.data) if options.data else labels
    except (OSError, ValueError) as error:
        parser.error(str(error))
    lengths = labels.lengths if labels else tennis_lengths()
    file = options.labels or CLIPS
    result = {
        "source": "the data set's folder" if options.data else {file.name: sha256(file.read_bytes()).hexdigest()},
        "clips": len(lengths),
        "frames": sum(lengths.values()),
        "windows": len(windows(lengths)),
        "splits": {name: describe(name, lengths, labels) for name in SPLITS},
    }
    write_result(options.output, result, "numpy", "pandas")
    if options.picture:
        from matplotlib.figure import Figure  # only the picture needs it

        figure = Figure(figsize=(12, 3.2), dpi=110, layout="constrained")
        draw_timeline(figure.subplots(), lengths, PICTURED if PICTURED in lengths else path_order(lengths)[0])
        figure.savefig(options.picture)
    print(markdown(result))


if __name__ == "__main__":
    main()
