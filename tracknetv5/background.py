"""The background of a clip: the median of its frames, in which whatever moves is gone."""

from collections.abc import Iterable, Sequence

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
    return median(sample)


def median(images: Sequence[np.ndarray]) -> np.ndarray:
    """The median of 1 to 255 uint8 images of one shape; of an even number, the lower of the two in the middle.

    Bit by bit, from the highest: the median is the largest value that no more than half of the images lie below. A
    tenth of the time that sorting takes.
    """
    middle = (len(images) - 1) // 2
    result = np.zeros_like(images[0])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        higher = result | np.uint8(bit)
        below = np.zeros_like(result)
        for image in images:
            below += image < higher
        np.copyto(result, higher, where=below <= middle)
    return result
