"""The tabs Compare and About in a real browser."""

import csv
import json
import re
import shutil
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tracknetv5 import BallTracker, Trajectory
from tracknetv5.data.synthetic import write_rally
from tracknetv5.metrics import Counts
from tracknetv5.video import VideoWriter, read_frames

pytest_plugins = ["demo_page"]
FRAMES = 24
RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=FRAMES, size=(288, 512), seed=0)
    return path


@pytest.fixture(scope="module")
def tables(clip, page_weights, tmp_path_factory) -> tuple[Path, Path]:
    """What the network finds, as labels; and the same with frame 5 moved by 30 pixels and frame 9 without a ball."""
    folder = tmp_path_factory.mktemp("tables")
    found = BallTracker.from_pretrained(page_weights).track(clip)
    labels, other = folder / "labels.csv", folder / "other.csv"
    for path in (labels, other):
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("Frame", "Visibility", "X", "Y"))
            for frame in range(FRAMES):
                x, y = (100.0, 50.0) if frame in (5, 9) else found.xy[frame]
                seen = not np.isnan(x) and not (path == other and frame == 9)
                if path == other and frame == 5:
                    x += 30
                writer.writerow((frame, int(seen), *((x, y) if seen else (0, 0))))
    return labels, other


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(90_000)
    page.goto(address)
    page.wait_for_selector("#go")
    yield page
    page.close()


def test_a_network_against_a_table_scored_by_labels(page, upload, clip, tables, page_weights, tmp_path):
    page.set_input_files("#video input[type=file]", clip)
    page.wait_for_selector("text=Ready.")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-clip").get_by_label("My clip from the Track tab").check()
    page.locator("#compare-b").get_by_label("A table of positions (CSV)").check()
    upload(page, "#compare-labels", tables[0])
    upload(page, "#compare-table", tables[1])
    page.click("#compare-go")
    page.wait_for_selector("#compare-status >> text=/agree in .* of 24 frames/")

    rows = page.locator("#compare-scores tbody tr")
    b = rows.nth(1).locator("td").all_inner_texts()
    labels = Trajectory.from_csv(tables[0])
    seen = int(labels.visible.sum())
    assert b[:4] == [str(seen - 2), "1", "0", "1"]  # right, wrong place, false ball, missed

    film = tmp_path / "film.mp4"
    film.write_bytes(page.request.get(page.get_attribute("#compare-film video", "src")).body())
    frames = list(read_frames(film))
    assert len(frames) == FRAMES
    assert frames[0].image.shape == (288, 1024, 3)

    page.locator("#compare-differences").get_by_text("wrong place", exact=True).last.click()
    page.wait_for_selector("#compare-picture >> text=/Frame [59]:/")


def test_what_is_said_of_a_frame_without_a_label_is_not_cut():
    comparison = pytest.importorskip("demo.comparison")
    a = Trajectory([0, 1], [0, 0.1], [(9, 9), (9, 9)], [0.9, 0.9], ["detected"] * 2, size=(288, 512))
    b = np.array([(9, 9), (200, 200)], float)
    truth, labelled = np.array([(9, 9), (np.nan, np.nan)]), np.array([True, False])
    both = comparison.Comparison(("A", "B"), Path("clip.mp4"), 0.0, a, b, truth, labelled, np.array([True, True]))
    assert [row[2:4] for row in both.worth_a_look()] == [["not known", "not known"]]


def test_the_film_shows_pixels_that_are_not_square_as_they_are_meant(tmp_path):
    comparison = pytest.importorskip("demo.comparison")
    with VideoWriter(tmp_path / "wide.mp4", (180, 240), Fraction(30), Fraction(4, 3)) as writer:
        writer.write(np.full((180, 240, 3), 60, np.uint8))
    a = Trajectory([0], [0], [(120, 90)], [0.9], ["detected"], size=(180, 240), fps=Fraction(30))
    both = comparison.Comparison(
        ("A", "B"), tmp_path / "wide.mp4", 0.0, a, a.xy, None, None, np.array([True]), Fraction(4, 3)
    )
    comparison.write_film(both, tmp_path / "film.mp4", "dots", lambda done, total: None)
    (image,) = [frame.image for frame in read_frames(tmp_path / "film.mp4")]
    assert image.shape[:2] == (180, 2 * 320)
    marked = np.argwhere(np.abs(image[:, :320].astype(int) - 60).max(axis=2) > 60)
    marked = marked[marked[:, 0] < 130]  # not the letter in the corner
    np.testing.assert_allclose(marked.mean(axis=0), (89.5, 159.5), atol=2)


def test_recall_is_told_as_it_is_computed():
    about, words = pytest.importorskip("demo.tab_about"), pytest.importorskip("demo.words")
    of_ten = Counts(tp=4, fp1=5, fn=1)  # ten balls that were there
    assert of_ten.recall == 0.8
    assert "of the balls that were found in the right place or not at all, the share that was found" in words.RATIOS
    assert words.RATIOS in about.TERMS


def test_a_later_part_is_compared_and_keeps_the_numbers_of_the_video(clip, tables, page_weights, monkeypatch):
    tab, words = pytest.importorskip("demo.tab_compare"), pytest.importorskip("demo.words")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    visitor = SimpleNamespace(session_hash="visitor")
    labels, other = map(str, tables)
    with closing(tab.compare(tab.MINE, str(clip), 0.25, "ours", tab.TABLE, other, labels, "ring", visitor)) as pages:
        last = next(page for page in pages if "agree in" in page.status)
    assert last.frame["minimum"] == 8 and last.frame["maximum"] == FRAMES - 1
    assert [row[0] for row in last.differences if row[0] < 8] == []
    assert [row[2:4] for row in last.differences if row[0] == 9] == [["wrong place", "missed"]]
    assert last.state.start == 0.25
    assert words.RATIOS in last.scores


def test_frames_that_a_table_does_not_have_are_not_compared(clip, tables, page_weights, monkeypatch, tmp_path):
    tab = pytest.importorskip("demo.tab_compare")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    visitor, labels = SimpleNamespace(session_hash="visitor"), str(tables[0])
    lines = tables[0].read_text().splitlines()
    part = tmp_path / "part.csv"
    part.write_text("\n".join([lines[0], *lines[11:16]]))
    with closing(tab.compare(tab.MINE, str(clip), 0, "ours", tab.TABLE, str(part), labels, "ring", visitor)) as pages:
        last = next(page for page in pages if "agree in" in page.status)
    assert "A (ours) and B (part.csv) agree in 5 of 5 frames (100%)" in last.status
    assert f"are of 5 of the {FRAMES} frames" in last.status
    assert last.differences == [] and [row[5:] for row in last.state.scores()] == [["1.000"] * 3] * 2
    part.write_text("\n".join([lines[0], "900,1,5,5,0.9,detected,30"]))
    with closing(tab.compare(tab.MINE, str(clip), 0, "ours", tab.TABLE, str(part), labels, "ring", visitor)) as pages:
        assert "of none of the frames" in list(pages)[-1].status


def test_a_made_up_rally_is_scored_by_its_own_positions(tables):
    tab = pytest.importorskip("demo.tab_compare")
    name = sorted(tab.EXAMPLES.glob("*.csv"))[0].stem
    assert len(tab._labels(name, str(tables[0]))) == len(Trajectory.from_csv(tab.EXAMPLES / f"{name}.csv"))


def test_while_there_is_no_table_b_is_the_truth(clip, tables, page_weights, monkeypatch, tmp_path):
    tab = pytest.importorskip("demo.tab_compare")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    monkeypatch.setattr(tab, "EXAMPLES", tmp_path)
    shutil.copy(clip, tmp_path / "made.mp4")
    shutil.copy(tables[1], tmp_path / "made.csv")
    visitor = SimpleNamespace(session_hash="visitor")
    with closing(tab.compare("made", None, 0, "ours", tab.TABLE, None, None, "ring", visitor)) as pages:
        last = next(page for page in pages if "agree in" in page.status)
    assert [row[0] for row in last.differences] == [5, 9]
    a, b = last.state.scores()
    assert a[0] == "A: ours" and b[0] == "B: the true positions" and b[5:] == ["1.000"] * 3


@pytest.mark.parametrize(
    ("scale", "says"),
    [((1 / 512, 1 / 288), "lie between 0 and 1.*Multiply X by 512 and Y by 288"), ((3, 3), "pixels of this 512 × 288")],
)
def test_a_table_in_other_pixels_is_not_compared(clip, tables, page_weights, monkeypatch, tmp_path, scale, says):
    tab = pytest.importorskip("demo.tab_compare")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    table, visitor = Trajectory.from_csv(tables[0]), SimpleNamespace(session_hash="visitor")
    replace(table, xy=table.xy * scale).to_csv(tmp_path / "other.csv")
    for a_table, labels in ((str(tmp_path / "other.csv"), None), (str(tables[0]), str(tmp_path / "other.csv"))):
        (only,) = tab.compare(tab.MINE, str(clip), 0, "ours", tab.TABLE, a_table, labels, "ring", visitor)
        assert re.search(says, only.status)


def test_a_table_that_may_be_in_other_pixels_is_doubted():
    tab = pytest.importorskip("demo.tab_compare")
    table = Trajectory([0], [0], [(400, 200)], [1], ["detected"])
    assert "all lie in the upper left 512 × 288" in tab._fits(table, (1080, 1920), "They")
    assert tab._fits(table, (480, 640), "They") == ""
    assert tab._fits(Trajectory([0], [0], [(np.nan, np.nan)], [0], [""]), (1080, 1920), "They") == ""


def test_a_network_is_not_compared_with_itself(clip, page_weights, monkeypatch):
    tab = pytest.importorskip("demo.tab_compare")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    visitor = SimpleNamespace(session_hash="visitor")
    (only,) = tab.compare(tab.MINE, str(clip), 0, "ours", "ours", None, None, "ring", visitor)
    assert "choose two different ones" in only.status


def test_a_visitor_has_one_run():
    runs = pytest.importorskip("demo.runs")
    one, two = runs.Runs(), SimpleNamespace(session_hash="two")
    with one.started(two):
        with pytest.raises(runs.Busy), one.started(two):
            pass
        with one.started(SimpleNamespace(session_hash="another")) as stop:
            one.forget(two)
            assert not stop.is_set()
    with one.started(two) as stop:
        assert not stop.is_set()


def test_every_frame_that_is_compared_can_be_shown_at_any_frame_rate(clip, tables, page_weights, monkeypatch):
    tab = pytest.importorskip("demo.tab_compare")
    monkeypatch.setattr(tab.models, "offered", lambda: {"ours": page_weights})
    monkeypatch.setattr(tab.footage, "FRAMES", 10)  # as with 20 seconds at more than 30 frames a second
    visitor = SimpleNamespace(session_hash="visitor")
    with closing(tab.compare(tab.MINE, str(clip), 0.1, "ours", tab.TABLE, str(tables[1]), None, "ring", visitor)) as p:
        last = next(page for page in p if "agree in" in page.status)
        assert len(list(read_frames(last.film))) == 10
    assert (last.frame["minimum"], last.frame["maximum"]) == (3, 12)
    assert "Frame 12:" in tab.show(last.state, 12)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "/srv/a.mp4"), ValueError("/srv: shape")])
def test_an_error_that_nobody_foresaw_gives_the_page_back(clip, tables, page_weights, monkeypatch, caplog, error):
    compare, track = pytest.importorskip("demo.tab_compare"), pytest.importorskip("demo.tab_track")
    monkeypatch.setattr(compare.models, "offered", lambda: {"ours": page_weights})

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(compare, "write_film", fails)
    monkeypatch.setattr("demo.tracking.write_overlay", fails)
    visitor, table = SimpleNamespace(session_hash="visitor"), str(tables[1])
    runs = (
        compare.compare(compare.MINE, str(clip), 0, "ours", compare.TABLE, table, None, "ring", visitor),
        track.track_live(str(clip), 0, 0.4, "ours", 0, 0, 0, True, "ring", visitor),
    )
    for pages in runs:
        *_, last = pages
        assert "Something went wrong here" in last.status and "progress" not in last.status
        assert "/srv" not in last.status
        assert last.stop["visible"] is False
    assert [record.exc_info[1] for record in caplog.records] == [error, error]


def test_a_missing_table_is_asked_for_with_its_pixels_and_frames(page, upload, clip):
    upload(page, "#video", clip)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-clip").get_by_label("My clip from the Track tab").check()
    columns = "X and Y in pixels of this video, frames counted from 0 at its start."
    assert page.get_by_text("Two opinions, A and B").inner_text().endswith(columns)
    page.locator("#compare-b").get_by_label("A table of positions (CSV)").check()
    page.click("#compare-go")
    assert page.wait_for_selector("#compare-status .bad").inner_text().endswith(columns)


def test_a_table_that_is_none_is_refused_in_plain_words(page, upload, tmp_path):
    bad = tmp_path / "notes.csv"
    bad.write_text("a,b\n1,2\n")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-b").get_by_label("A table of positions (CSV)").check()
    upload(page, "#compare-table", bad)
    page.click("#compare-go")
    told = page.wait_for_selector("#compare-status .bad").inner_text()
    assert told.startswith("notes.csv: has no column Frame, Visibility, X, Y")


def test_about_shows_the_committed_figures(page):
    page.get_by_role("tab", name="About").click()
    shown = page.locator("#about-tables").inner_text()
    (measured,) = json.loads((RESULTS / "accuracy_val.json").read_text())["results"]
    score = measured["by_sport"]["all"]
    low, high = score["interval_95"]["f1"]
    assert f"{score['f1']:.3f} ({low:.3f} to {high:.3f})" in shown
    assert f"{score['fp2']} of {score['fp2'] + score['tn']}" in shown
    cost = json.loads((RESULTS / "flops.json").read_text())
    full = next(model for model in cost["models"] if model["model"] == "tracknet_v5")
    assert f"{full['params']:,}" in shown
    assert f"{full['thop_gmacs']:.2f}" in shown
    leak = json.loads((RESULTS / "splits.json").read_text())["splits"]["paper"]["leak"]
    assert f"{leak['windows_sharing_a_frame_percent']:.1f} %" in shown
