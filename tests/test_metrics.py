import json
from pathlib import Path

import numpy as np
import pytest

from tracknetv5.metrics import Counts, count, outcomes

NONE = (np.nan, np.nan)


def test_outcome_of_every_kind():
    labelled = np.array([(10, 10), (10, 10), (10, 10), NONE, NONE], float)
    predicted = np.array([(13, 10), (30, 10), NONE, (5, 5), NONE], float)
    assert outcomes(predicted, labelled).tolist() == ["tp", "fp1", "fn", "fp2", "tn"]
    assert count(predicted, labelled) == Counts(tp=1, fp1=1, fp2=1, tn=1, fn=1)


def test_tolerance_is_strict():
    labelled = np.zeros((2, 2))
    assert outcomes(np.array([(4.0, 0.0), (3.999, 0.0)]), labelled).tolist() == ["fp1", "tp"]
    assert outcomes(np.array([(4.0, 0.0)]), labelled[:1], tolerance=5).tolist() == ["tp"]


def test_a_ball_of_unknown_place_is_never_found():
    labelled, predicted = np.array([NONE] * 3), np.array([(5, 5), NONE, NONE], float)
    assert outcomes(predicted, labelled, ball=np.array([True, True, False])).tolist() == ["fp2", "fn", "tn"]


def test_ratios_are_the_published_ones():
    published = json.loads((Path(__file__).parents[1] / "benchmarks" / "published.json").read_text())
    for row in published["tracknetv5_paper"]["table1_tracknetv2_tennis"]:
        counts = Counts(**{name: row[name] for name in ("tp", "fp1", "fp2", "tn", "fn")})
        assert counts.total == row["total"]
        for name, key in (("accuracy", "acc"), ("precision", "precision"), ("recall", "recall"), ("f1", "f1")):
            assert getattr(counts, name) == pytest.approx(row[key], abs=1e-4), (row["model"], name)


def test_ratios_of_nothing_are_none():
    assert np.isnan(Counts().f1)
    assert Counts(fn=2).f1 == 0
    assert Counts(tn=3).as_dict() == {
        "total": 3, "tp": 0, "fp1": 0, "fp2": 0, "tn": 3, "fn": 0,
        "accuracy": 1.0, "precision": None, "recall": None, "f1": None,
    }  # fmt: skip


def test_counts_add():
    assert Counts(1, 2, 3, 4, 5) + Counts(tp=1, fn=1) == Counts(2, 2, 3, 4, 6)
