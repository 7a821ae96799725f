import weakref

import pytest

from tracknetv5.windows import windows


@pytest.mark.parametrize("length", [1, 3, 8])
@pytest.mark.parametrize("count", range(1, 20))
def test_every_item_is_covered_by_consecutive_items(length, count):
    for step in range(1, length + 1):
        covered, starts = set(), []
        for start, items in windows(iter(range(count)), length, step):
            assert items == [min(start + offset, count - 1) for offset in range(length)]
            covered.update(items)
            starts.append(start)
        assert covered == set(range(count))
        regular = list(range(0, max(1, count - length + 1), step))
        assert starts in (regular, [*regular, count - length])
        assert all(1 <= later - earlier <= step for earlier, later in zip(starts, starts[1:], strict=False))


def test_examples():
    assert list(windows("abcdefgh", 3, 3)) == [(0, list("abc")), (3, list("def")), (5, list("fgh"))]
    assert list(windows("abcd", 3, 1)) == [(0, list("abc")), (1, list("bcd"))]
    assert list(windows("ab", 3, 3)) == [(0, list("abb"))]
    assert list(windows("", 3, 3)) == []


def test_memory_is_bounded_by_the_window():
    class Item:
        pass

    alive = weakref.WeakSet()

    def source():
        for _ in range(100):
            item = Item()
            alive.add(item)
            yield item

    for _, items in windows(source(), 3, 2):
        assert len(items) == 3 and len(alive) <= 5


@pytest.mark.parametrize("step", [0, -1, 4])
def test_a_step_that_would_leave_items_out_is_refused_at_once(step):
    with pytest.raises(ValueError, match="step must be between 1 and the window length 3"):
        windows([], 3, step)
