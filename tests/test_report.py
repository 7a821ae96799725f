"""Tables in README.md are those that the committed results give."""

import json
from pathlib import Path

import pytest

from benchmarks import breakdown, report
from benchmarks.protocols import THRESHOLDS
from benchmarks.report import filled
from tracknetv5.metrics import Counts

ROOT = Path(__file__).parents[1]


def readme_tables() -> dict:
    return report.pages()["README.md"]


@pytest.mark.parametrize("page", report.pages())
def test_tables_are_fresh(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert filled(text, report.pages()[page]) == text, "run python -m benchmarks.report"
    assert report.PICTURE not in text or (ROOT / report.PICTURE).is_file()


def test_a_missing_block_is_named():
    with pytest.raises(ValueError, match="accuracy"):
        filled("# no tables here", readme_tables())


def written(tmp_path, monkeypatch, *results: dict) -> dict:
    """A result file in the place of the committed one, and what it holds."""
    content = {
        "command": "c", "env": {"python": "3"}, "tolerance_px": 4, "split": "val",
        "data": [{"clip": "tennis/a", "group": "court"}], "results": results,
    }  # fmt: skip
    (tmp_path / "accuracy_val.json").write_text(json.dumps(content))
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return report.accuracy_report()


def result(**more) -> dict:
    row = Counts(tp=1).as_dict() | {"interval_95": {"f1": [0.5, 1]}, "median_error_px": 1.0}
    return {"weights": "w", "protocol": "frame", "threshold": 0.4, "by_sport": {"tennis": row}} | more


def test_results_without_breakdown_have_no_picture(tmp_path, monkeypatch):
    report_pictures = pytest.importorskip("benchmarks.report_pictures")
    old = written(tmp_path, monkeypatch, result())
    report_pictures.draw_accuracy(old, tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()
    assert report.PICTURE not in report.accuracy_table()


def test_picture_of_the_breakdown(tmp_path, monkeypatch):
    report_pictures = pytest.importorskip("benchmarks.report_pictures")

    def row(tp: int) -> dict:
        return Counts(tp=tp, fn=20 - tp).as_dict() | {"interval_95": {"f1": [0.1, 0.9] if tp else [None, None]}}

    curve = [{"tolerance_px": pixels} | row(pixels - 1) for pixels in breakdown.TOLERANCES]
    swept = [{"threshold": threshold} | row(19 - k) for k, threshold in enumerate(THRESHOLDS)]
    drawn = [
        result(breakdown={"tolerance": {"model_px": curve}, "threshold": swept}),
        result(breakdown={"tolerance": {"model_px": curve}, "threshold": []}),  # of a file of predictions
    ]
    del drawn[1]["threshold"]
    new = written(tmp_path, monkeypatch, *drawn, result(protocol="paper"))
    table = report.accuracy_table()
    assert table.endswith(f"({report.PICTURE})") and "protocol `paper`: every heatmap" in table
    sizes = []
    for count in (1, 2):
        report_pictures.draw_accuracy(new | {"results": new["results"][:count]}, tmp_path / "docs" / f"{count}.png")
        sizes.append((tmp_path / "docs" / f"{count}.png").stat().st_size)
    assert 5_000 < sizes[0] < sizes[1] < 100_000


def test_errors_are_listed_by_cause_once_they_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert "errors" not in readme_tables()
    counted = {"command": "e", "split": "val", "threshold": 0.4, "frames": {"padel": 9, "tennis": 8}}
    counted |= {"errors": {"padel": {"blurred": 2, "other": 1}, "tennis": {"blurred": 0, "other": 4}}}
    counted["balls"] = {"in flight": {"padel": [5, 6], "tennis": [3, 7]}, "held or at rest": {"padel": [0, 1]}}
    (tmp_path / "errors_val.json").write_text(json.dumps(counted | {"rules": {"blurred": "fast", "other": "rest"}}))
    table = readme_tables()["errors"]()
    assert "| blurred | 2 | 0 | fast |" in table and "| all | 3 of 9 frames | 4 of 8 frames |" in table
    assert "found: in flight padel 5 of 6, tennis 3 of 7; held or at rest padel 0 of 1." in table
    assert "painted over" not in table
    rates = {"padel": {"frames": 30, "seconds": 1.0, "found": 3, "false_balls_per_second": 3.0}}
    (tmp_path / "erased_val.json").write_text(json.dumps({"command": "f", "by_sport": rates}))
    assert "padel in 3 of 30 frames, 3.00 a second" in readme_tables()["errors"]()
    lengths = [dict(frames=1, hidden=10, filled=4, right=4), dict(frames=2, hidden=20, filled=5, right=4)]
    empty = {"padel": {"frames": 7, "filled": 1}, "tennis": {"frames": 0, "filled": 0}}
    content = {"command": "g", "by_length": lengths, "without_a_ball": empty}
    (tmp_path / "gaps_val.json").write_text(json.dumps(content))
    table = readme_tables()["errors"]()
    assert "where 1 to 2 labelled balls in a row are hidden" in table
    assert "(30 balls, each several times), 30% are filled" in table
    assert "88.9% of these right; and 1 of 7 frames" in table


def test_ways_of_deciding_are_listed_with_their_cost(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    assert not report.pages()["benchmarks/training/README.md"]
    f1 = Counts(tp=1, fn=1).as_dict() | {"interval_95": {"f1": [0.5, 0.75]}}
    way = {"look": "l", "decision": "d", "threshold": 0.4, "network_ms_per_frame": 12.345, "decision_ms_per_frame": 0.5}
    content = {"command": "c", "env": {"python": "3"}, "machine": {"cpu": "x", "cores": 2}, "thresholds_from": [1, 2]}
    (tmp_path / "decisions_val.json").write_text(json.dumps(content | {"ways": [way | {"by_sport": {"all": f1}}]}))
    table = report.pages()["benchmarks/training/README.md"]["decisions"]()
    assert "| l | d | 0.4 | 0.667 (0.500 to 0.750) | 12.3 | 0.50 |" in table and "2 training clips; x, 2 cores" in table
