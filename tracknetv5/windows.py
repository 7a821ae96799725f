"""Cut a sequence of any length into overlapping windows of a fixed one, so that every item is in at least one."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def windows(items: Iterable[T], length: int, step: int) -> Iterator[tuple[int, list[T]]]:
    """(index of its first item, `length` consecutive items) of each window; starts advance by `step`.

    The last window is moved back to end with the last item, so its start may advance by less. Fewer items than
    `length` make one window, padded by repeating the last item; no items make none. Holds `length` items.

    Raises ValueError at once unless 1 <= step <= length.
    """
    if not 1 <= step <= length:
        raise ValueError(f"step must be between 1 and the window length {length}, not {step}: items would be left out")
    return _windows(items, length, step)


def _windows(items: Iterable[T], length: int, step: int) -> Iterator[tuple[int, list[T]]]:
    recent: deque[T] = deque(maxlen=length)
    count, due = 0, length  # items seen; items it takes to fill the next window
    for item in items:
        recent.append(item)
        count += 1
        if count == due:
            yield count - length, list(recent)
            due += step
    if 0 < count < length:
        yield 0, [*recent, *[recent[-1]] * (length - count)]
    elif count > due - step:  # the last window ended at due - step
        yield count - length, list(recent)
