"""The weights that the page offers, each loaded once and shared by all visitors.

The operator names them in TRACKNETV5_WEIGHTS: folders, Hub ids or names of bundled weights, separated by commas, the
default first. Those that come with the package follow. Visitors choose from these and cannot bring their own.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from tracknetv5.tracker import BallTracker
from tracknetv5.weights import DEFAULT, WeightsError, available

# All networks run in this one thread, in slices: whoever waits gets the next slice, so a long video cannot keep a short
# one waiting, and two visitors do not fight for the cores.
INFERENCE = ThreadPoolExecutor(1, thread_name_prefix="inference")
SLICE_SECONDS = 0.2


@cache
def offered() -> dict[str, str]:
    """Display name -> what `BallTracker.from_pretrained` takes, the default first.

    Where two would have the same name, a folder's is its path.
    """
    listed = [entry.strip() for entry in os.environ.get("TRACKNETV5_WEIGHTS", "").split(",") if entry.strip()]
    bundled = sorted(available(), key=lambda name: (name != DEFAULT, name))
    names = {entry: _name(entry) for entry in [*listed, *bundled] or [DEFAULT]}
    alike = Counter(names.values())
    return {entry if alike[name] > 1 else name: entry for entry, name in names.items()}


def _name(entry: str) -> str:
    """A folder's own name; an id or the name of bundled weights is one."""
    return Path(entry).name if Path(entry).is_dir() else entry


def default() -> str:
    """Display name of the weights that are used unless the visitor chooses others."""
    return next(iter(offered()))


@cache
def load(name: str) -> BallTracker:
    """The tracker behind a display name, with its settings as trained.

    Raises:
        KeyError: a name that is not offered.
        WeightsError: the weights are missing, damaged or do not fit, or are an ONNX file, into which the page cannot
            look.
    """
    shared = BallTracker.from_pretrained(offered()[name])
    if shared.model is None:
        raise WeightsError(f"{offered()[name]}: the page looks into networks: name the weights it was exported from")
    return shared


def tracker(name: str, *, threshold: float | None = None, step: int | None = None) -> BallTracker:
    """A tracker with other settings on the same network; errors as in `load`, and ValueError for a bad setting."""
    return load(name).with_settings(threshold=threshold, step=step)
