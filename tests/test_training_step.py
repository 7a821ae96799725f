"""The measurement of a training step, on tiny pictures; what it gives for real ones is in benchmarks/results."""

import json

import pytest

pytest.importorskip("accelerate")

from benchmarks import training_step  # noqa: E402 (it needs the library asked for above)


def test_every_way_is_measured_in_turns(tmp_path, monkeypatch):
    monkeypatch.setattr(training_step, "SIZES", {"small": (32, 64)})
    asked = []

    def measured(function, *arguments):
        asked.append(arguments)
        return 10.0 * len(asked)

    monkeypatch.setattr(training_step, "in_own_process", measured)
    training_step.main(["--repeats", "2", "--output", str(tmp_path / "out.json")])
    assert asked == 2 * [((32, 64), *way) for way in training_step.WAYS.values()]
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["windows_per_second"] for row in rows] == [[10, 40], [20, 50], [30, 60]]


@pytest.mark.parametrize("short", [True, False])
def test_short_cuts_are_taken_where_they_are_meant(monkeypatch, short):
    monkeypatch.setattr(training_step, "STEPS", 1)
    models, create = [], training_step.create_model
    monkeypatch.setattr(training_step, "create_model", lambda name: models.append(create(name)) or models[-1])
    assert training_step.windows_per_second((32, 64), keep=False, short=short) > 0
    (model,) = models
    assert bool(model.backbone.stem.conv.grad_channels) == model.rstr.training == short
