"""Windows for training: an endless, seeded stream that is the same whatever the number of workers or restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tracknetv5.data.augment import AugmentOptions, augment
from tracknetv5.data.readers import UNLABELLED, Clip, cached_frames
from tracknetv5.data.targets import disc
from tracknetv5.geometry import Letterbox


@dataclass(frozen=True)
class SamplingOptions:
    sports: Mapping[str, float] = field(default_factory=dict)  # relative share of each sport; default: its frame count
    strides: tuple[float, ...] = (1.0,)  # probability of taking every 1st, 2nd, ... frame: a faster ball


class WindowDataset(Dataset):
    """Training windows; item k depends on nothing but `seed` and k, so a run resumes exactly where it stopped.

    An item is (frames (T, 3, h, w) uint8 RGB, target (T, h, w) uint8 of {0, 1}, labelled (T,) bool).
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        count: int,
        length: int,
        size: tuple[int, int],
        crop: tuple[int, int] | None = None,
        cache: Path,
        augmentation: AugmentOptions = AugmentOptions(),
        sampling: SamplingOptions = SamplingOptions(),
        seed: int = 0,
    ):
        self.count, self.length, self.size, self.crop = count, length, size, crop or size
        self.augmentation, self.sampling, self.seed = augmentation, sampling, seed
        self.clips = [clip for clip in clips if len(clip) >= length]
        self.frames = [cached_frames(clip, cache, size) for clip in self.clips]
        self.xy = [Letterbox(clip.size, size).to_model(clip.xy) for clip in self.clips]
        lengths = np.array([len(clip) for clip in self.clips], float)
        weights = lengths.copy()
        for sport, share in sampling.sports.items():
            members = np.array([clip.sport == sport for clip in self.clips])
            if not members.any():
                raise ValueError(f"the data has no {sport} clips: remove it from `sports`")
            weights[members] *= share / weights[members].sum()
        self.cumulative = np.cumsum(weights) / weights.sum()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        which = int(np.searchsorted(self.cumulative, rng.random(), side="right"))
        clip, frames = self.clips[which], self.frames[which]
        stride = 1 + int(rng.choice(len(self.sampling.strides), p=self.sampling.strides))
        stride = min(stride, (len(clip) - 1) // (self.length - 1))
        start = int(rng.integers(len(clip) - stride * (self.length - 1)))
        chosen = start + stride * np.arange(self.length)
        labelled = clip.visibility[chosen] != UNLABELLED
        window, xy, reverse = augment(frames[chosen], self.xy[which][chosen], self.crop, self.augmentation, rng)
        if reverse:
            labelled = labelled[::-1]
        target = disc(xy, self.crop)
        window = np.ascontiguousarray(window.transpose(0, 3, 1, 2))
        return torch.from_numpy(window), torch.from_numpy(target), torch.from_numpy(labelled.copy())
