"""What benchmarks take in: weights and footage that a command line names, or zeros where only the shapes matter."""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.protocols import PRECISION
from tracknetv5.data.readers import UNLABELLED, Clip, read_clips
from tracknetv5.models.inpaint import InpaintNet
from tracknetv5.tracker import BallTracker

SIZE = (288, 512)  # pixels (height, width) of the published networks' input


def example(model: nn.Module, size: tuple[int, int] = SIZE, batch: int = 1) -> tuple[Tensor, ...]:
    """The arguments of one forward pass, all zero."""
    frames = model.options.frames
    if isinstance(model, InpaintNet):
        return torch.zeros(batch, frames, 2), torch.zeros(batch, frames, 1)
    window = torch.zeros(batch, frames, 3, *size)
    return (window, window[:, 0]) if model.takes_background else (window,)


def weights_and_footage(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> tuple[argparse.Namespace, BallTracker, list[Clip]]:
    """Parse --weights, --data, --split and --step beside what the parser takes; the options and what these name.

    What cannot be read ends the program with the parser's usage.
    """
    parser.add_argument("--weights", help="folder, Hub id or name of bundled weights; default: the bundled ones")
    parser.add_argument("--data", required=True, type=Path, help="folder of labelled clips, see data/readers.py")
    parser.add_argument("--split", help="train or val, where the data set has splits")
    parser.add_argument("--step", type=int, help="frames between windows; default: what the weights say")
    options = parser.parse_args(arguments)
    try:
        tracker = BallTracker.from_pretrained(options.weights, step=options.step, precision=PRECISION)
        return options, tracker, read_clips(options.data, options.split)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def describe(clips: Sequence[Clip]) -> list[dict]:
    """The clips by name, size and content, so that a figure says what it was measured on."""
    return [
        {
            "clip": clip.full_name,
            "group": clip.group,
            "frames": len(clip),
            "scored": int((clip.visibility != UNLABELLED).sum()),
            "sha256": "" if clip.source.is_dir() else hashlib.sha256(clip.source.read_bytes()).hexdigest(),
        }
        for clip in clips
    ]
