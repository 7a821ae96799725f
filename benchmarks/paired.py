"""Scores by group of clips, and differences between two predictions of the same frames, with paired intervals."""

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.breakdown import block_table, resamples, second_blocks, summarise
from benchmarks.protocols import Scored
from tracknetv5.data.readers import Clip
from tracknetv5.metrics import Counts


def _groups(scored: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, list[Scored]]:
    """All clips, and those for which a key has the same name."""
    parts = {"all": list(scored)}
    for key in keys:
        for part in scored:
            parts.setdefault(key(part.clip), []).append(part)
    return parts


def sport(clip: Clip) -> str:
    return clip.sport


def venue(clip: Clip) -> str:
    return f"{clip.sport}/{clip.group}"


def by_group(scored: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, dict]:
    """`summarise` of all clips, and of those for which a key has the same name."""
    return {name: summarise(parts) for name, parts in _groups(scored, *keys).items()}


def differences(first: Sequence[Scored], second: Sequence[Scored], *keys: Callable[[Clip], str]) -> dict[str, dict]:
    """`difference` in all clips, and in those for which a key has the same name."""
    others = _groups(second, *keys)
    return {name: difference(parts, others[name]) for name, parts in _groups(first, *keys).items()}


def difference(first: Sequence[Scored], second: Sequence[Scored]) -> dict[str, float | list | None]:
    """F1 of `first` less F1 of `second`, two predictions of the same rows.

    The interval is that of `summarise`, but paired: every resample takes the same blocks of both, so what makes a
    block easy or hard for both of them cancels.

    Raises:
        ValueError: other rows.
    """
    if [part.frame.tolist() for part in first] != [part.frame.tolist() for part in second]:
        raise ValueError("only predictions of the same frames can be compared pair by pair")
    outcomes = [np.concatenate([part.outcome for part in each]) for each in (first, second)]
    tables = np.stack([block_table(outcome, second_blocks(first)) for outcome in outcomes])  # (2, blocks, kinds)
    count = tables.shape[1]
    below = _f1_below(tables[:, resamples(count)].sum(axis=2))
    below = below[~np.isnan(below)]
    whole = float(_f1_below(tables.sum(axis=1, keepdims=True))[0])
    return {
        "f1": None if np.isnan(whole) else whole,
        "interval_95": np.percentile(below, [2.5, 97.5]).round(4).tolist() if len(below) else [None, None],
        "blocks": count,
    }


def _f1_below(counts: np.ndarray) -> np.ndarray:
    """(2, N, kinds) counts -> (N,) F1 of the first less that of the second."""
    first, second = ([Counts(*row).f1 for row in part] for part in counts.tolist())
    return np.array(first) - np.array(second)
