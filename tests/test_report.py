"""Tables in README.md are those that the committed results give."""

from pathlib import Path

import pytest

from benchmarks.report import filled

README = Path(__file__).parents[1] / "README.md"


def test_tables_are_fresh():
    text = README.read_text(encoding="utf-8")
    assert filled(text) == text, "run python -m benchmarks.report"


def test_a_missing_block_is_named():
    with pytest.raises(ValueError, match="accuracy"):
        filled("# no tables here")
