"""Detection scores as the TrackNet papers define them."""

from dataclasses import asdict, dataclass

import numpy as np

SIZE = (288, 512)  # pixels (height, width) of the picture in which distances are measured, letterboxed like an input
TOLERANCE = 4.0  # pixels of SIZE


@dataclass(frozen=True)
class Counts:
    """Outcomes of frames (or heatmaps). FP1: ball seen, but predicted elsewhere; FP2: no ball, but one predicted."""

    tp: int = 0
    fp1: int = 0
    fp2: int = 0
    tn: int = 0
    fn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    @property
    def total(self) -> int:
        return self.tp + self.fp1 + self.fp2 + self.tn + self.fn

    @property
    def accuracy(self) -> float:
        return _ratio(self.tp + self.tn, self.total)

    @property
    def precision(self) -> float:
        return _ratio(self.tp, self.tp + self.fp1 + self.fp2)

    @property
    def recall(self) -> float:
        """TP / (TP + FN), as published: a ball predicted elsewhere (FP1) lowers precision, not recall."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall: 2 TP / (2 TP + FP1 + FP2 + FN)."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp1 + self.fp2 + self.fn)

    def as_dict(self) -> dict[str, int | float]:
        """Counts and ratios by name; a ratio with nothing below its line is None."""
        ratios = {name: getattr(self, name) for name in ("accuracy", "precision", "recall", "f1")}
        return (
            {"total": self.total}
            | asdict(self)
            | {name: None if np.isnan(value) else value for name, value in ratios.items()}
        )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def outcomes(
    predicted: np.ndarray, labelled: np.ndarray, tolerance: float = TOLERANCE, ball: np.ndarray | None = None
) -> np.ndarray:
    """The outcome of each frame.

    Args:
        predicted: (N, 2) predicted centres, NaN for no ball.
        labelled: (N, 2) true centres in the same pixels, NaN for no ball.
        tolerance: a prediction is right if it is *less than* this many pixels away.
        ball: (N,) bool, whether there is a ball; None for where it is labelled. A ball whose place is not labelled is
            "fp2" if one was predicted, as the papers count it, and "fn" if not.

    Returns:
        (N,) array of "tp", "fp1", "fp2", "tn", "fn".
    """
    located, found = ~np.isnan(labelled[:, 0]), ~np.isnan(predicted[:, 0])
    missed = located if ball is None else ball
    near = np.linalg.norm(predicted - labelled, axis=1) < tolerance  # NaN is not near
    return np.select(
        [found & near, found & located, found, missed],
        ["tp", "fp1", "fp2", "fn"],
        default="tn",
    )


def count(predicted: np.ndarray, labelled: np.ndarray, tolerance: float = TOLERANCE) -> Counts:
    """Counts of `outcomes`; same arguments."""
    names, numbers = np.unique(outcomes(predicted, labelled, tolerance), return_counts=True)
    return Counts(**{str(name): int(number) for name, number in zip(names, numbers, strict=True)})
