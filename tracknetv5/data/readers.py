"""Labelled rallies from disk: every supported layout becomes a list of `Clip`.

Layouts (found by `read_clips` from what the folder holds):
- `clips.csv` with `SPORT/CLIP.mp4` and `SPORT/CLIP.csv`;
- TrackNet tennis, `gameN/ClipM/*.jpg` with `Label.csv`;
- Shuttlecock Trajectory Dataset, `match*/csv/*.csv` with `match*/video/*.mp4` or `match*/frame/RALLY/*.png`.

Labels say by number which frame they are for; frames that have none are not labelled.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from tracknetv5.geometry import Letterbox
from tracknetv5.video import probe, read_frames

HIDDEN, VISIBLE, UNLABELLED = 0, 1, -1
EASY, HARD, OCCLUDED = CLASSES = 1, 2, 3  # how well a ball can be seen
IMAGES_FPS = 30.0
NO_CLASS = 0  # where the data set does not say
LABELS = ("Frame", "Visibility", "X", "Y")  # columns of a clip's labels
FINGERPRINT = 16_384  # bytes at the beginning of a file of footage by which the cache knows it


class DatasetError(ValueError):
    """A folder or label file is not what its layout promises; the message names it and the remedy."""


@dataclass(frozen=True)
class Clip:
    """One labelled clip. Row k of the labels is that of the k-th decoded frame; pixels are taken as square."""

    name: str
    sport: str
    group: str  # venue or match: the unit that a split never divides
    split: str  # "train", "val", or "" where the data set has none of its own
    source: Path  # a video, or a folder of images in order of their names' numbers
    xy: np.ndarray  # (N, 2) float64, pixels of the stored footage, NaN where no ball is labelled
    visibility: np.ndarray  # (N,) int8: VISIBLE, HIDDEN or UNLABELLED
    difficulty: np.ndarray  # (N,) int8: EASY, HARD, OCCLUDED, or NO_CLASS; a ball of unknown place has one, too

    def __post_init__(self):
        count = len(self.visibility)
        if self.xy.shape != (count, 2) or self.difficulty.shape != (count,):
            raise DatasetError(f"{self.source}: {count} labels, but coordinates {self.xy.shape}")
        visible = self.visibility == VISIBLE
        object.__setattr__(self, "xy", np.where(visible[:, None], self.xy, np.nan))  # whatever a reader left there
        if not np.isfinite(self.xy[visible]).all():
            raise DatasetError(f"{self.source}: a visible ball without coordinates: label it -1 or give X and Y")

    def __len__(self) -> int:
        return len(self.visibility)

    @property
    def full_name(self) -> str:
        """Sport and name, "sport/name", as lists and results call the clip."""
        return f"{self.sport}/{self.name}"

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the stored footage in pixels."""
        if self.source.is_dir():
            return _read_image(_images(self.source)[0]).shape[:2]
        info = probe(self.source)
        return info.height, info.width

    @cached_property
    def fps(self) -> float:
        """Frames a second; IMAGES_FPS of a folder of images, which does not say."""
        return IMAGES_FPS if self.source.is_dir() else float(probe(self.source).fps)

    def images(self, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """The frames, letterboxed to `size` (height, width) if it is given: (H, W, 3) uint8 RGB."""
        if size is None:
            letterbox, content = Letterbox(self.size, self.size), None
        else:
            letterbox = Letterbox(self.size, size)
            content = letterbox.content[2:]
        if self.source.is_dir():
            images = (_read_image(path) for path in _images(self.source))
        else:
            images = (frame.image for frame in read_frames(self.source, size=content))
        return (letterbox.apply(image) for image in images)


def read_clips(root: Path | str, split: str | None = None) -> list[Clip]:
    """All clips below `root`, or those of one split ("train", "val").

    Raises:
        DatasetError: the folder has none of the supported layouts, a label file is damaged, or the split is empty.
    """
    root = Path(root)
    if (root / "clips.csv").is_file():
        clips = _read_indexed(root)
    elif labels := sorted(root.glob("game*/Clip*/Label.csv")):
        clips = [_read(_read_tennis, path) for path in labels]
    elif labels := sorted(root.glob("**/match*/csv/[!.]*.csv")):  # other files are a file system's
        clips = [_read(_read_shuttlecock, path, root) for path in labels]
    else:
        raise DatasetError(
            f"{root}: no labelled clips here: expected clips.csv, gameN/ClipM/Label.csv or matchN/csv/*.csv"
        )
    if not clips:
        raise DatasetError(f"{root / 'clips.csv'}: lists no clip")
    names = [clip.full_name for clip in clips]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DatasetError(f"{root}: {twice[0]} is there twice, and a clip of two splits would leak: leave one out")
    if split is not None:
        clips = [clip for clip in clips if clip.split == split]
        if not clips:
            raise DatasetError(f"{root}: no clip belongs to the split {split!r}")
    return clips


def exclude(clips: Iterable[Clip], path: Path) -> list[Clip]:
    """The clips with the labels of some frames taken away, as those of an unlabelled frame.

    Args:
        clips: of any layout.
        path: a CSV with columns clip ("sport/name") and frame; rows of other clips are ignored.

    Raises:
        DatasetError: the file is missing or lacks a column, or a frame is not one of its clip.
    """
    try:
        table = pd.read_csv(path, usecols=["clip", "frame"], dtype={"frame": int})
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a list of clip and frame: {error}") from error
    rows = {clip: part["frame"].to_numpy() for clip, part in table.groupby("clip")}
    result = []
    for clip in clips:
        frames = rows.get(clip.full_name, np.zeros(0, int))
        if (outside := frames[(frames < 0) | (frames >= len(clip))]).size:
            raise DatasetError(f"{path}: {clip.full_name} has {len(clip)} frames, not a frame {outside[0]}")
        visibility, xy = clip.visibility.copy(), clip.xy.copy()
        visibility[frames], xy[frames] = UNLABELLED, np.nan
        result.append(replace(clip, visibility=visibility, xy=xy))
    return result


def _read_indexed(root: Path) -> list[Clip]:
    clips = []
    # As text: a clip may be called 0012, and an empty split is none.
    index = _read_table(root / "clips.csv", ("sport", "clip", "split", "group"), dtype=str, keep_default_na=False)
    for row in index.itertuples():
        for name in (row.sport, row.clip, row.group):
            if Path(name).name != name or name == "..":  # files are read, and the cache is written, by these names
                raise DatasetError(f"{root / 'clips.csv'}: {name!r} is a path: sport, clip and group are names")
        clips.append(_read(_read_labels, root / row.sport / f"{row.clip}.csv", row))
    return clips


def _read(function: Callable[..., Clip], path: Path, *others) -> Clip:
    """What `function` makes of a file of labels; what it cannot make sense of is told with the file's name."""
    try:
        return function(path, *others)
    except DatasetError:
        raise
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{path}: {error}: correct the row") from error


def _read_labels(path: Path, row: tuple) -> Clip:
    return _clip(row.clip, row.sport, row.group, row.split, path.with_suffix(".mp4"), _read_table(path, LABELS))


def _read_tennis(path: Path) -> Clip:
    labels = _read_table(path, ("file name", "visibility", "x-coordinate", "y-coordinate"))
    # "file name" carries the frame's number; rows may start later than 0 and images without a row are not labelled.
    numbers = labels["file name"].astype(str).str.extract(r"(\d+)", expand=False).astype(int)
    present = [int(image.stem) for image in _images(path.parent)]
    labels = labels.set_index(numbers.to_numpy()).reindex(present).reset_index(drop=True)
    stated = pd.to_numeric(labels["visibility"]).fillna(UNLABELLED)
    located = labels[["x-coordinate", "y-coordinate"]].notna().all(axis=1)
    labels = pd.DataFrame(
        {
            "Frame": np.arange(len(present)),
            # Some rows say that a ball is visible but not where: nothing to learn from, and not "no ball".
            "Visibility": stated.where(located | (stated <= HIDDEN), UNLABELLED),
            "X": labels["x-coordinate"],
            "Y": labels["y-coordinate"],
            "Class": stated.clip(lower=NO_CLASS),
        }
    )
    game = path.parent.parent.name
    return _clip(f"{game}-{path.parent.name}", "tennis", game, "", path.parent, labels)


def _read_shuttlecock(path: Path, root: Path) -> Clip:
    labels = _read_table(path, LABELS)
    match = path.parent.parent
    rally = path.stem.removesuffix("_ball")
    source = match / "video" / f"{rally}.mp4"
    if not source.is_file():
        source = match / "frame" / rally
    split = {"train": "train", "test": "val", "val": "val"}.get(match.parent.name.lower(), "")
    group = "-".join(match.relative_to(root).parts)  # with the folders around it, which all count matches from 1
    return _clip(f"{group}-{rally}", "badminton", group, split, source, labels)


def _read_table(path: Path, columns: Sequence[str], **options) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, **options)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: not a readable table: {error}") from error
    if missing := [name for name in columns if name not in table]:
        raise DatasetError(f"{path}: no column {', '.join(missing)}: add it, and part columns by commas")
    return table


def _clip(name: str, sport: str, group: str, split: str, source: Path, labels: pd.DataFrame) -> Clip:
    if not source.exists():
        raise DatasetError(f"{source}: the labels are there, the footage is not: put the clip beside them")
    numbers = labels["Frame"]
    if labels.empty:
        raise DatasetError(f"labels of {source}: there is none: add a row for each frame")
    if not pd.api.types.is_integer_dtype(numbers) or numbers.duplicated().any() or (numbers < 0).any():
        raise DatasetError(f"labels of {source}: Frame must count frames from 0, each once: correct the column")
    labels = labels.set_index("Frame").reindex(range(numbers.max() + 1 if len(numbers) else 0))
    stated = labels["Visibility"].where(labels.index.isin(numbers), UNLABELLED)
    if not stated.isin([UNLABELLED, HIDDEN, *CLASSES]).all():
        raise DatasetError(f"labels of {source}: Visibility must be -1, 0, 1, 2 or 3 in every row")
    visibility = stated.clip(upper=VISIBLE).to_numpy(np.int8)
    xy = labels[["X", "Y"]].apply(pd.to_numeric).to_numpy(np.float64)
    if "Class" in labels:
        difficulty = labels["Class"].fillna(NO_CLASS)
    elif stated.max() > VISIBLE:  # Visibility is itself the class
        difficulty = stated.clip(lower=NO_CLASS)
    else:
        difficulty = pd.Series(NO_CLASS, labels.index)
    return Clip(name, sport, group, split, source, xy, visibility, difficulty.to_numpy(np.int8))


def _images(folder: Path) -> list[Path]:
    images = [path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    images = [path for path in images if not path.name.startswith(".")]  # as some systems leave beside a file
    if not images:
        raise DatasetError(f"{folder}: no images (.jpg, .png)")
    if named := [path for path in images if not path.stem.isdecimal()]:
        raise DatasetError(f"{named[0]}: the images of a clip are called by their number: rename or remove it")
    return sorted(images, key=lambda path: int(path.stem))


def _read_image(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError(f"{path}: not a readable image")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def cached_frames(clip: Clip, cache: Path, size: tuple[int, int]) -> np.ndarray:
    """The clip's frames at `size`, decoded once: (N, H, W, 3) uint8 RGB, memory-mapped from a file in `cache`.

    Raises:
        DatasetError: the footage has fewer frames than labels, a ball lies far outside the picture, or the file in
            `cache` is damaged.
    """
    height, width = clip.size
    # A ball that is seen in part may have its middle outside.
    if (outside := np.abs(clip.xy / (width, height) - 0.5) > 0.6).any():
        frame = int(np.flatnonzero(outside.any(axis=1))[0])
        raise DatasetError(
            f"labels of {clip.source}: frame {frame} has a ball at {clip.xy[frame].tolist()}, outside the picture of "
            f"{width} x {height}: correct the row"
        )
    path = cache_path(clip, cache, size)
    shape = (len(clip), *size, 3)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                count = 0
                for image in islice(clip.images(size), len(clip)):
                    file.write(np.ascontiguousarray(image))
                    count += 1
            if count < len(clip):
                raise DatasetError(f"{clip.source}: {count} frames, but {len(clip)} labels: remove those left over")
            partial.replace(path)  # a cache that was interrupted is not mistaken for a complete one
        finally:
            partial.unlink(missing_ok=True)
    try:
        frames = np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path}: damaged: delete it: {error}") from error
    if frames.shape != shape:
        raise DatasetError(f"{path}: damaged: {frames.shape} instead of {shape}: delete it")
    return frames


def cache_path(clip: Clip, cache: Path, size: tuple[int, int]) -> Path:
    """Where `cached_frames` keeps a clip: another place for other footage, or another number of labels."""
    digest = hashlib.sha256(f"{len(clip)}".encode())
    for path in _images(clip.source) if clip.source.is_dir() else [clip.source]:
        with path.open("rb") as file:
            # Of a file that was changed, the length or the beginning is another one.
            digest.update(f" {path.name} {path.stat().st_size} ".encode() + file.read(FINGERPRINT))
    key = digest.hexdigest()[:12]
    return Path(cache) / f"{clip.sport}-{clip.group}-{clip.name}-{size[0]}x{size[1]}-{key}.npy"
