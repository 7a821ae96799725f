"""Windows for training: an endless, seeded stream that is the same whatever the number of workers or restarts."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tracknetv5.background import median_background
from tracknetv5.data.augment import AugmentOptions, augment
from tracknetv5.data.erase import erase
from tracknetv5.data.paste import paste
from tracknetv5.data.readers import UNLABELLED, Clip, cached_frames
from tracknetv5.data.targets import RADIUS, disc
from tracknetv5.geometry import Letterbox
from tracknetv5.shots import ChangeDetector

PICTURES = (64, 5, 9, 15, 23, 31, 47)  # in the medians that stand for a background; the first is `Backgrounds.best`
UNKNOWN = 0.1  # share of windows whose background says nothing: it is the frame in their middle
MOVED = 0.15  # share of windows whose background is that of a camera that moves,
MOVED_BY = 0.05  # by up to this share of the height each way
KEPT = 512  # backgrounds that a process holds: 470 MB at 416 x 736


@dataclass(frozen=True)
class SamplingOptions:
    sports: Mapping[str, float] = field(default_factory=dict)  # relative share of every sport; default: its pictures
    strides: tuple[float, ...] = (1.0,)  # probability of taking every 1st, 2nd, ... frame: a faster ball
    errors: str = ""  # frames.csv of benchmarks.errors on the training clips: what was wrong is drawn more often
    extra: float = 3.0  # weight of a frame that was wrong, on top of the 1 that every frame has
    window_list: str = ""  # CSV with columns clip ("sport/name") and centre (a frame): no other window is drawn


class WindowDataset(Dataset):
    """Training windows; item k depends on nothing but `seed` and k, so a run resumes exactly where it stopped.

    An item is (frames (T, 3, h, w) uint8 RGB, target (T, h, w) uint8 of {0, 1}, labelled (T,) bool), with `background`
    (frames, background (3, h, w) uint8 RGB, target, labelled). As in a tracker's windows, a frame that shows the
    picture before it once more is passed over, unless windows are listed. Clips shorter than a window are left out with
    a warning. ValueError if none is left, or if `sampling` does not fit the clips.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        count: int,
        length: int,
        size: tuple[int, int],
        crop: tuple[int, int] | None = None,
        radius: float = RADIUS,
        cache: Path,
        augmentation: AugmentOptions = AugmentOptions(),
        sampling: SamplingOptions = SamplingOptions(),
        background: bool = False,
        seed: int = 0,
    ):
        self.count, self.length, self.size, self.crop, self.radius = count, length, size, crop or size, radius
        self.augmentation, self.sampling, self.seed = augmentation, sampling, seed
        listed = None
        if sampling.window_list:
            if sampling.strides != (1.0,):
                raise ValueError("`windows` are of frames in a row: leave out `strides`")
            listed = _read_windows(sampling.window_list, clips, length)
            clips = [clip for clip in clips if clip.full_name in listed]
        self.clips, self.frames, self.pictures = [], [], []
        for clip in clips:
            frames = cached_frames(clip, cache, size)
            pictures = np.arange(len(clip)) if listed else new_pictures(frames)
            if len(pictures) >= length:
                self.clips.append(clip)
                self.frames.append(frames)
                self.pictures.append(pictures)  # numbers of the frames that windows are made of
        if not self.clips:
            raise ValueError(f"none of the {len(clips)} clips has the {length} pictures of a window: get longer ones")
        if short := len(clips) - len(self.clips):
            told = f"{short} of {len(clips)} clips are left out: shorter than the {length} pictures of a window"
            warnings.warn(told, stacklevel=2)
        self.xy = [Letterbox(clip.size, size).to_model(clip.xy) for clip in self.clips]
        wrong = _read_errors(sampling.errors, self.clips) if sampling.errors else {}
        self.weights = []  # for each clip (N,) cumulative weights of its frames, ending in 1
        weights = np.zeros(len(self.clips))
        for which, clip in enumerate(self.clips):
            each = np.ones(len(clip))
            each[wrong.get(clip.full_name, [])] += sampling.extra
            drawable = listed[clip.full_name] if listed else self.pictures[which]
            each[~np.isin(np.arange(len(clip)), drawable)] = 0
            cumulative = np.cumsum(each)
            weights[which] = cumulative[-1]
            self.weights.append(cumulative / cumulative[-1])
        for sport, share in sampling.sports.items():
            members = np.array([clip.sport == sport for clip in self.clips])
            if not members.any():
                raise ValueError(f"the data has no {sport} clips: remove it from `sports`")
            weights[members] *= share / weights[members].sum()
        # A share beside a number of frames would hardly ever be drawn.
        if sampling.sports and (left := {clip.sport for clip in self.clips} - set(sampling.sports)):
            raise ValueError(f"`sports` has no share for {', '.join(sorted(left))}: give every sport one, or none")
        self.cumulative = np.cumsum(weights) / weights.sum()
        self.background = background
        self.backgrounds = Backgrounds(self.frames)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng((self.seed, index))
        which = int(np.searchsorted(self.cumulative, rng.random(), side="right"))
        clip, frames, pictures = self.clips[which], self.frames[which], self.pictures[which]
        stride = 1 + int(rng.choice(len(self.sampling.strides), p=self.sampling.strides))
        stride = min(stride, (len(pictures) - 1) // max(self.length - 1, 1))
        span = stride * (self.length - 1)
        # A window with the drawn frame at a random place in it, or as its centre where windows are listed.
        frame = np.searchsorted(self.weights[which], rng.random(), side="right")
        drawn = int(np.searchsorted(pictures, frame))
        place = self.length // 2 if self.sampling.window_list else rng.integers(self.length)
        start = int(np.clip(drawn - stride * place, 0, len(pictures) - 1 - span))
        chosen = pictures[start + stride * np.arange(self.length)]
        labelled = clip.visibility[chosen] != UNLABELLED
        if self.augmentation.paste and rng.random() < self.augmentation.paste:
            window, xy = paste(frames, self.xy[which], chosen, rng)
        elif self.augmentation.erase and rng.random() < self.augmentation.erase:
            window, erased = erase(frames, self.xy[which], chosen)
            xy = np.where(erased[:, None], np.nan, self.xy[which][chosen])[None]
        else:
            window, xy = frames[chosen], self.xy[which][None, chosen]
        scenery = None
        if self.augmentation.scenery and rng.random() < self.augmentation.scenery:
            scenery = self.backgrounds.best(which), self.backgrounds.best(int(rng.integers(len(self.clips))))
        behind = [self.backgrounds.random(which, chosen, rng)] if self.background else []
        # The background is changed as the frames are, as if it were one of them.
        window, xy, reverse = augment(np.stack([*window, *behind]), xy, self.crop, self.augmentation, rng, scenery)
        if reverse:
            labelled = labelled[::-1]
            window = np.roll(window, -len(behind), axis=0)
        target = disc(xy, self.crop, self.radius)
        window = torch.from_numpy(np.ascontiguousarray(window.transpose(0, 3, 1, 2)))
        labels = torch.from_numpy(target), torch.from_numpy(labelled.copy())
        return (window[:-1], window[-1], *labels) if self.background else (window, *labels)


class Backgrounds:
    """The backgrounds of clips, (H, W, 3) uint8 RGB, each made when it is first asked for.

    A tracker has seen few frames or many, and its camera may have moved: so has that of `random`.
    """

    def __init__(self, clips: Sequence[np.ndarray]):
        """`clips`: (N, H, W, 3) uint8 RGB each."""
        self.clips = clips
        self.made: dict[tuple[int, int], np.ndarray] = {}  # by number of the clip and of the variant

    def best(self, which: int) -> np.ndarray:
        """The median of the whole clip."""
        return self._kept(which, 0, self.clips[which])

    def random(self, which: int, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One that a tracker might have for the window of the frames `chosen`."""
        kind = rng.random()
        if kind < UNKNOWN:
            return self.clips[which][chosen[len(chosen) // 2]]
        background = self._variant(which, int(rng.integers(len(PICTURES))))
        if kind < UNKNOWN + MOVED:
            by = rng.uniform(-1, 1, 2) * MOVED_BY * len(background)
            places = (0, 1 / 3, 2 / 3, 1) if rng.random() < 0.5 else (1,)  # it still moves, or has come to rest
            seen = [_shifted(background, by * place) for place in places]
            return np.mean(seen, axis=0, dtype=np.float32).astype(np.uint8)
        return background

    def _variant(self, which: int, number: int) -> np.ndarray:
        frames, count = self.clips[which], PICTURES[number]
        if count >= len(frames):
            return self.best(which)
        drawn = np.random.default_rng((which, number)).choice(len(frames), count, replace=False)
        return self._kept(which, number, (frames[k] for k in drawn))

    def _kept(self, which: int, number: int, frames: Iterable[np.ndarray]) -> np.ndarray:
        if (which, number) not in self.made:
            if len(self.made) == KEPT:
                del self.made[next(iter(self.made))]
            self.made[which, number] = median_background(frames)
        return self.made[which, number]


def _shifted(image: np.ndarray, by: np.ndarray) -> np.ndarray:
    """An image moved by (x, y) pixels; what was outside is as its edge."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)


def new_pictures(frames: np.ndarray) -> np.ndarray:
    """The numbers of those of `frames` (N, H, W, 3) that do not repeat the picture before them."""
    detector = ChangeDetector()
    return np.array([number for number, image in enumerate(frames) if detector(image) != "repeat"])


def _read_errors(path: str, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """The numbers of the frames that were wrong, by "sport/name"; rows of other clips are ignored."""
    try:
        table = pd.read_csv(path, usecols=["clip", "frame", "outcome"])
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a frames.csv of benchmarks.errors: {error}") from error
    table = table[table["outcome"].isin(["fp1", "fp2", "fn"])]
    wrong = {str(clip): part["frame"].to_numpy() for clip, part in table.groupby("clip")}
    for clip in clips:
        name = clip.full_name
        frames = wrong.get(name, np.zeros(0, int))
        if (outside := frames[(frames < 0) | (frames >= len(clip))]).size:
            raise ValueError(f"{path}: {name} has {len(clip)} frames, not a frame {outside[0]}: errors of other labels")
    return wrong


def _read_windows(path: str, clips: Sequence[Clip], length: int) -> dict[str, np.ndarray]:
    """The centres of the listed windows, by "sport/name", of those clips that have any."""
    try:
        table = pd.read_csv(path, usecols=["clip", "centre"], dtype={"centre": int})
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: not a list of clip and centre: {error}") from error
    centres = {str(clip): part["centre"].to_numpy() for clip, part in table.groupby("clip")}
    listed = {}
    for clip in clips:
        name = clip.full_name
        if name in centres:
            starts = centres[name] - length // 2
            if (outside := (starts < 0) | (starts > len(clip) - length)).any():
                raise ValueError(
                    f"{path}: {name} has {len(clip)} frames, and no {length} of them lie around frame "
                    f"{centres[name][outside][0]}"
                )
            listed[name] = centres[name]
    if not listed:
        raise ValueError(f"{path}: lists no window of a clip that is trained on")
    return listed
