"""The background of a clip: the median of its frames, in which whatever moves is gone."""

from collections.abc import Iterable

import numpy as np

SAMPLE = 64  # frames, an even number; the sample holds between half of them and all


def median_background(frames: Iterable[np.ndarray]) -> np.ndarray:
    """The median image of a sequence of (H, W, 3) uint8 frames, from an evenly spaced sample of at most SAMPLE frames.

    Raises:
        ValueError: there is no frame.
    """
    sample, spacing = [], 1
    for number, frame in enumerate(frames):
        if number % spacing == 0:
            if len(sample) == SAMPLE:  # the length is not known beforehand: halve the sample, double its spacing
                sample = sample[::2]
                spacing *= 2
            sample.append(frame)
    if not sample:
        raise ValueError("a background needs at least one frame")
    # Row by row, since the median works on a copy of all it is given.
    rows = [np.median([frame[row] for frame in sample], axis=0) for row in range(len(sample[0]))]
    return np.stack(rows).astype(np.uint8)
