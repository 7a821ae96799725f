"""A run of the demo without a page: what it yields, writes, and how it ends."""

import json
import re
import threading
import time
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from tracknetv5 import BallTracker, Trajectory, VideoWarning
from tracknetv5.data.synthetic import write_rally
from tracknetv5.draw import STYLES
from tracknetv5.video import VideoWriter, probe, read_frames

pytest.importorskip("gradio")
pytest.importorskip("matplotlib")
pytest_plugins = ["demo_page"]

from demo import guard, parts, tab_about, tab_track, words  # noqa: E402 (they need the libraries asked for above)
from demo.charts import time_charts  # noqa: E402
from demo.court import draw_court, empty_court, main_shot  # noqa: E402
from demo.models import INFERENCE  # noqa: E402
from demo.tracking import RENDERING, Cancelled, Progress, Result, _court, run  # noqa: E402


@pytest.fixture(scope="module")
def tracker(page_weights) -> BallTracker:
    return BallTracker.from_pretrained(page_weights)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=40, size=(180, 240), seed=0)  # 4:3: letterboxed
    return path


def test_a_run_gives_what_the_library_gives(tracker, clip, tmp_path):
    *steps, result = run(tracker, guard.check(str(clip), 0.2, 1.0), tmp_path, threading.Event())
    expected = tracker.track(clip, start=0.2, length=1.0)
    np.testing.assert_allclose(result.trajectory.xy, expected.xy)
    np.testing.assert_array_equal(result.trajectory.frame, expected.frame)
    np.testing.assert_allclose(result.trajectory.time, expected.time)
    assert Trajectory.from_csv(result.csv).frame.tolist() == list(range(6, 36))
    assert len(json.loads(result.json.read_text())["points"]) == 30
    assert len(list(read_frames(result.overlay))) == 30
    assert len(zipfile.ZipFile(result.archive).namelist()) == 4
    assert result.warning is None
    assert all(isinstance(step, Progress) for step in steps)
    assert {"drawing"} <= {step.stage for step in steps}


def test_a_chart_is_sent_once_a_second_and_when_there_is_more_of_it(tracker, clip, monkeypatch):
    whole = tracker.track(clip)
    news = [Progress("tracking", done, 1000, 50.0, whole) for done in range(1, 1001, 3)]
    monkeypatch.setattr(tab_track, "run", lambda *_, **__: iter(news))
    monkeypatch.setattr(tab_track, "_start", lambda *_: (tracker, guard.check(str(clip), 0, None)))
    seconds = iter(np.arange(10_000) / 5)
    monkeypatch.setattr(tab_track, "monotonic", lambda: float(next(seconds)))
    settings = (str(clip), 0, None, "", 0, 0, 0, False, STYLES[0])
    first, *pages = tab_track.track_live(*settings, SimpleNamespace(session_hash="visitor"))
    charted = [page.plot["value"] for page in pages if "value" in page.plot]
    assert len(pages) == len(news) and all("of 1000 frames" in page.status for page in pages)
    assert 40 < len(charted) < 80  # of 333


def test_pixels_that_are_not_square_are_shown_as_they_are_meant(tracker, clip, tmp_path):
    wide = tmp_path / "wide.mp4"
    with VideoWriter(wide, (180, 240), Fraction(30), Fraction(4, 3)) as writer:
        for frame in read_frames(clip, length=0.5):
            writer.write(frame.image)
    *_, result = run(tracker, guard.check(str(wide), 0, None), tmp_path, threading.Event())
    np.testing.assert_allclose(result.trajectory.xy, tracker.track(wide).xy)
    height, width = cv2.imread(str(result.court)).shape[:2]
    assert width / height == pytest.approx(16 / 9, abs=0.01)


def test_without_a_video_there_is_none(tracker, clip, tmp_path):
    *_, result = run(tracker, guard.check(str(clip), 0, 0.5), tmp_path, threading.Event(), overlay=False)
    assert result.overlay is None
    assert not list(tmp_path.glob("*.mp4"))
    assert len(zipfile.ZipFile(result.archive).namelist()) == 3


@pytest.mark.parametrize("stage", ["tracking", "drawing"])
def test_cancel_ends_a_run_in_either_stage(tracker, clip, tmp_path, stage, monkeypatch):
    monkeypatch.setattr("demo.tracking.SLICE_SECONDS", 0.02)
    cancel, late = threading.Event(), []

    def noted(*part, **options):
        for frame in read_frames(*part, **options):
            late.append(cancel.is_set())
            yield frame

    monkeypatch.setattr("demo.tracking.read_frames", noted)
    monkeypatch.setattr("tracknetv5.overlay.read_frames", noted)
    steps = run(tracker, guard.check(str(clip), 0, None), tmp_path, cancel)
    while next(steps).stage != stage:
        pass
    cancel.set()
    with pytest.raises(Cancelled):
        list(steps)
    assert sum(late) <= 2  # one for the video, one for the court picture
    assert not list(tmp_path.glob("*.mp4*"))


def test_a_start_that_is_long_in_coming_stops_nobody_else_and_can_be_cancelled(tracker, clip, tmp_path, monkeypatch):
    job, cancel = guard.check(str(clip), 1.0, None), threading.Event()
    begun, ended = threading.Event(), threading.Event()

    def not_there_yet(*_, seeking=lambda: None, **__):
        while not ended.is_set():
            begun.set()
            seeking()
            time.sleep(0.01)
        yield from ()

    monkeypatch.setattr("demo.tracking.read_frames", not_there_yet)
    monkeypatch.setattr("tracknetv5.tracker.read_frames", not_there_yet)
    with ThreadPoolExecutor(1) as visitor:
        visit = visitor.submit(list, run(tracker, job, tmp_path, cancel))
        try:
            assert begun.wait(10)
            assert INFERENCE.submit(lambda: "free").result(timeout=10) == "free"
            cancel.set()
            with pytest.raises(Cancelled):
                visit.result(timeout=10)
        finally:
            ended.set()


def test_a_network_without_background_does_not_wait_for_the_drawings_of_others(tracker, clip, tmp_path, monkeypatch):
    monkeypatch.setattr("demo.tracking.SLICE_SECONDS", 0.02)
    drawn = threading.Event()
    others = [RENDERING.submit(drawn.wait, 60) for _ in range(2)]
    steps = run(tracker, guard.check(str(clip), 0, None), tmp_path, threading.Event())
    try:
        assert next(steps).stage == "tracking"
        assert not any(other.done() for other in others)
    finally:
        drawn.set()
        steps.close()


def test_cancel_ends_a_run_that_makes_the_court_picture(tracker, clip, tmp_path, monkeypatch):
    cancel = threading.Event()

    def court(images):
        next(images)
        cancel.set()
        list(images)
        pytest.fail("went on after the cancel")

    monkeypatch.setattr("demo.tracking.empty_court", court)
    with pytest.raises(Cancelled):
        list(run(tracker, guard.check(str(clip), 0, 0.5), tmp_path, cancel, overlay=False))


def test_no_thread_writes_into_the_folder_of_a_run_that_was_cancelled(tracker, clip, tmp_path, monkeypatch):
    cancel, begun, ended = (threading.Event() for _ in range(3))

    def court(images):
        try:
            next(images)
            begun.set()
            cancel.wait(10)
            time.sleep(0.1)  # so that it is seen where nobody waits for the thread
            list(images)
        finally:
            ended.set()

    monkeypatch.setattr("demo.tracking.empty_court", court)
    steps = run(tracker, guard.check(str(clip), 0, 0.5), tmp_path, cancel)
    while next(steps).stage != "drawing":
        pass
    assert begun.wait(10)
    steps.close()  # as when the visitor leaves
    assert ended.is_set()
    assert not list(tmp_path.glob("*_court.png"))


def test_a_run_does_not_tell_of_another_visitors_damaged_video(tracker, clip, tmp_path, monkeypatch):
    detect = tracker.detect_frames

    def beside_another(*of_video, **options):
        for point in detect(*of_video, **options):
            warnings.warn(VideoWarning("/uploads/another.mp4: damaged or cut"), stacklevel=2)
            yield point

    monkeypatch.setattr(tracker, "detect_frames", beside_another)
    *_, result = run(tracker, guard.check(str(clip), 0, 0.5), tmp_path, threading.Event(), overlay=False)
    assert result.warning is None


def test_the_video_is_drawn_in_the_style_that_was_chosen(tracker, clip, tmp_path):
    job, films = guard.check(str(clip), 0, 1.0), []
    for style in STYLES:
        (tmp_path / style).mkdir()
        *_, result = run(tracker, job, tmp_path / style, threading.Event(), style=style)
        films.append(np.stack([frame.image for frame in read_frames(result.overlay)]).astype(int))
    comet, dots, ring = (np.abs(film - films[2]).max() for film in films)
    assert comet > 60 and dots > 60 and ring == 0


def test_a_cut_file_gives_what_decodes_and_says_so(tracker, clip, tmp_path):
    cut = tmp_path / "cut.mp4"
    data = clip.read_bytes()
    cut.write_bytes(data[: len(data) * 9 // 10])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VideoWarning)  # of the overlay, in its own thread
        *_, result = run(tracker, guard.check(str(cut), 0, None), tmp_path, threading.Event())
    assert isinstance(result, Result)
    assert 0 < len(result.trajectory) < 40
    assert "damaged or cut" in result.warning
    assert str(tmp_path) not in result.warning


def test_no_more_frames_than_allowed_whatever_the_file_claims(tracker, clip, tmp_path):
    job = guard.check(str(clip), 0, None, most=12)
    *_, result = run(tracker, job, tmp_path, threading.Event(), overlay=False)
    assert len(result.trajectory) == 12
    assert "first 12 frames" in result.warning


def trajectory(xy: list, fps: int = 10, source: str = "detected") -> Trajectory:
    xy = np.array(xy, float).reshape(-1, 2)
    seen = ~np.isnan(xy[:, 0])
    count = np.arange(len(xy))
    return Trajectory(count, count / fps, xy, np.where(seen, 0.9, 0), np.where(seen, source, ""), size=(100, 200))


NONE = (np.nan, np.nan)


def test_rallies_end_with_a_pause_longer_than_a_second():
    moving = [(10 * k, 50) for k in range(5)]
    found = words.rallies(trajectory(moving + [NONE] * 9 + moving + [NONE] * 15 + moving))
    assert [(rally.first, rally.last) for rally in found] == [(0, 18), (34, 38)]


def test_a_cut_ends_a_rally_and_is_told():
    moving = trajectory([(10 * k, 50) for k in range(10)])
    cut = replace(moving, cuts=(4,))
    assert [(rally.first, rally.last) for rally in words.rallies(cut)] == [(0, 3), (4, 9)]
    assert "The picture is cut at 0.4 s." in words.summary(cut) and "cut" not in words.summary(moving)


def test_another_video_is_tracked_from_its_beginning(clip, monkeypatch):
    assert tab_track.describe(str(clip))[1:] == (0, None)
    assert tab_track.describe(None)[1:] == (0, None)
    monkeypatch.setattr(guard, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(guard, "look", lambda video: replace(probe(video), duration=300.0))
    assert tab_track.describe(str(clip))[1:] == (0, 60)


def test_what_is_wrong_is_marked_where_it_was_chosen(clip):
    tab = pytest.importorskip("demo.tab_track")
    settings = ["ours", 0, 0.5, 4, True, "ring"]

    def marked(*choices) -> list[int]:
        answers = tab.validate(*choices, *settings)
        assert len(answers) == len(choices) + len(settings)
        return [number for number, answer in enumerate(answers) if not answer["is_valid"]]

    assert marked(None, 0, None) == [0]
    assert marked(str(clip), 900, None) == [1]
    assert marked(str(clip), 0, 0.1) == []


def test_the_summary_says_what_was_seen_and_what_was_not():
    told = words.summary(trajectory([(10, 10), (10, 40), NONE, NONE]))
    assert "2 of 4 frames (50%)" in told
    assert "Fastest" not in told  # one step may be a jump to a false position
    assert "No ball found in 3 frames" in words.summary(trajectory([NONE] * 3))
    assert "Only 1 frame." in words.summary(trajectory([NONE]))
    invented = words.summary(
        Trajectory([0, 1], [0.0, 0.1], [(1, 1), (2, 2)], [0.9, 0], ["detected", "interpolated"], size=(9, 9))
    )
    assert "1 of 2 frames" in invented
    assert "1 position is filled in, not seen" in invented


def test_the_page_asks_for_the_footage_that_its_weights_have_seen_and_tells_its_limits_first():
    for text in (tab_track.WELCOME, tab_about.WHAT, words.summary(trajectory([NONE] * 3))):
        assert "from behind" in text and "as on television" in text
        assert not re.search(r"\b(be)?side\b", text)
    assert "up to 3 minutes at a time, 400 MB" in tab_track.WELCOME


def test_one_false_position_does_not_set_the_top_speed():
    flight = trajectory([(10, 10), (12, 10), (14, 10), (190, 90), (18, 10), (20, 10), (24, 10), (28, 10), (32, 10)])
    assert words.top_speed(flight) == (pytest.approx(40), 7)
    assert words.top_speed(flight, slice(4, 7)) == (pytest.approx(20), 5)
    assert "Fastest in the picture: 40 pixels per second, at 0.7 s." in words.summary(flight)
    assert ">50</span>" in time_charts(flight)  # the end of the axis


def test_one_false_position_on_repeated_frames_does_not_set_the_top_speed_either():
    xs = (10, 12, 14, 190, 18, 20, 24, 28, 32)
    twice = trajectory([(x, 10) for x in xs for _ in "ab"])
    twice = replace(twice, repeats=range(1, len(twice), 2))
    assert words.top_speed(twice) == (pytest.approx(20), 14)  # 4 pixels in two frames of a tenth of a second
    assert words.top_speed(twice, slice(9, 15)) == (pytest.approx(10), 12)
    assert ">25</span>" in time_charts(twice)


def test_charts_shade_gaps_and_mark_invented_points():
    chart = time_charts(trajectory([(10, 10), (20, 20), NONE, NONE, (50, 50)]))
    assert chart.count("<svg") == 3
    assert chart.count('class="gap"') == 3
    assert "filled in" not in chart
    assert "filled in" in time_charts(trajectory([(1, 1), (2, 2)], source="interpolated"))


def test_nothing_is_joined_across_a_camera_cut(tmp_path):
    whole = trajectory([(20, 10), (20, 30), (20, 50), (180, 50), (180, 70)])
    apart = replace(whole, cuts=(3,))
    lines = [re.findall('class="line" d="([^"]*)"', time_charts(shown)) for shown in (whole, apart)]
    assert [path.count("M") for path in lines[0][:2]] == [1, 1]
    assert [path.count("M") for path in lines[1][:2]] == [2, 2]
    between = []
    for shown in (whole, apart):
        draw_court(np.zeros((100, 200, 3), np.uint8), shown, tmp_path / "court.png")
        picture = cv2.imread(str(tmp_path / "court.png"))
        scale = picture.shape[1] / 200
        between.append(picture[round(48 * scale) : round(53 * scale), round(60 * scale) : round(140 * scale)].max())
    assert between[0] > 60 and between[1] == 0


def test_the_court_is_that_of_the_shot_with_most_of_the_ball(tracker, tmp_path):
    seen = [(10, 10), NONE, NONE, NONE, (20, 30), (30, 30), NONE]
    shot = main_shot(replace(trajectory(seen), cuts=(4,), repeats=(1, 6)))
    assert shot.frame.tolist() == [4, 5, 6] and shot.cuts == () and shot.visible.tolist() == [True, True, False]
    assert len(main_shot(trajectory([NONE] * 3))) == 3

    film = tmp_path / "cut.mp4"
    with VideoWriter(film, (180, 240), Fraction(30)) as writer:
        for number in range(24):
            writer.write(np.full((180, 240, 3), (250, 0, 0) if number < 12 else (0, 0, 250), np.uint8))
    job = guard.check(str(film), 0, None)
    xy = np.full((24, 2), np.nan)
    xy[:4] = 20.0
    found = Trajectory(
        np.arange(24), np.arange(24) / 30, xy, np.where(np.arange(24) < 4, 0.9, 0),
        np.where(np.arange(24) < 4, "detected", ""), size=(180, 240), cuts=(12,),
    )  # fmt: skip
    _court(tracker, job, found, tmp_path / "court.png", threading.Event())
    blue, _, red = cv2.imread(str(tmp_path / "court.png"))[100, 300]
    assert red > 100 and blue < 50  # no mixture of the two


def test_html_escapes_what_visitors_name():
    assert "<img" not in parts.notice("<img src=x onerror=alert(1)>")
    assert "<script" not in parts.table("t", ["<script>"], [["<script>", "<script>"]])


def test_a_moving_camera_gets_a_frame_and_a_still_one_the_median():
    rng = np.random.default_rng(0)
    scene = np.kron(rng.integers(0, 255, (30, 60, 3)), np.ones((4, 4, 1))).astype(np.uint8)
    still = []
    for k in range(20):
        image = scene[:80, :160].copy()
        image[10:20, 8 * k : 8 * k + 8] = 255  # somebody runs through
        still.append(image)
    np.testing.assert_array_equal(empty_court(still), scene[:80, :160])
    moving = [scene[:80, 4 * k : 4 * k + 160] for k in range(20)]
    np.testing.assert_array_equal(empty_court(moving), moving[0])
