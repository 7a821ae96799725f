"""The part of a clip that is looked into, how long it is kept, and what the network computes for it; no browser."""

import gc
import time
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from tracknetv5 import BallTracker, create_model
from tracknetv5.background import median_background
from tracknetv5.data.synthetic import write_rally
from tracknetv5.geometry import Letterbox
from tracknetv5.video import read_frames
from tracknetv5.weights import WeightsConfig

pytest.importorskip("gradio")
pytest_plugins = ["demo_page"]

from demo import footage, guard, inspection, models, pictures  # noqa: E402 (they need the library asked for above)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "rally.mp4"
    write_rally(path, frames=40, size=(288, 512), seed=0)
    return path


@pytest.fixture
def name(page_weights, monkeypatch) -> str:
    """The weights under the name by which the page offers them."""
    monkeypatch.setattr(models, "offered", lambda: {"ours": page_weights})
    tracker = BallTracker.from_pretrained(page_weights)
    monkeypatch.setattr(models, "load", lambda _: tracker)
    return "ours"


def open_part(clip, start, name) -> footage.Footage:
    return footage.get(str(clip), start, models.load(name).config)


def test_a_part_begins_where_it_was_chosen_and_keeps_the_numbers_of_the_video(clip, name):
    part = open_part(clip, 1.0, name)
    config = models.load(name).config
    letterbox = Letterbox((288, 512), (config.height, config.width))
    frames = [letterbox.apply(frame.image) for frame in read_frames(clip, size=letterbox.content[2:])]
    assert (part.first, len(part)) == (30, 10)
    np.testing.assert_array_equal(part.frames[3], frames[33])
    window = inspection.inspect(name, part, 34)
    assert window.start == 33
    np.testing.assert_array_equal(window.images[1], frames[34])
    *_, scan = inspection.scan(name, part)
    np.testing.assert_allclose(scan.score[4], window.refined(34).max(), atol=1e-4)


def test_a_network_that_takes_the_background_shows_it_and_what_differs_from_it(clip, monkeypatch):
    model = create_model("tracknet_v5_lite", background=True).eval()
    facts = WeightsConfig(model="tracknet_v5_lite", options={}, height=288, width=512, background=True)
    tracker = BallTracker(model, facts)
    monkeypatch.setattr(models, "load", lambda _: tracker)
    part = open_part(clip, 0, "ours")
    window = inspection.inspect("ours", part, 10)
    np.testing.assert_array_equal(window.background, median_background(part.frames))
    seen = tracker.inspect(window.images, window.background)
    np.testing.assert_allclose(window.background_polarity, seen.background_polarity[0], atol=1e-6)
    np.testing.assert_allclose(window.logits, seen.logits[0], atol=1e-5)
    shown = pictures.part(window, 10, True)
    assert pictures.behind(window, 10, shown).count("<img") == 2
    assert pictures.behind(replace(window, background=None), 10, shown) == ""


def test_a_start_behind_the_end_is_refused_in_the_words_of_the_first_tab(clip, name):
    with pytest.raises(guard.Refused) as of_page:
        guard.check(str(clip), 9, None)
    with pytest.raises(guard.Refused) as refusal:
        open_part(clip, 9, name)
    assert str(refusal.value) == str(of_page.value) == "The video ends at 1.3 s: start before that."


@pytest.mark.parametrize("end", ["deleted", "an hour"])
def test_a_decoded_clip_goes_with_its_file_or_after_an_hour(clip, name, end, monkeypatch):
    part = open_part(clip, 0, name)
    inspection.inspect(name, part, 5)  # nor must what was computed keep it
    kept = weakref.ref(part)
    del part
    footage.sweep()
    assert open_part(clip, None, name) is kept()
    if end == "deleted":
        clip.unlink()
    else:
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
    footage.sweep()
    gc.collect()
    assert kept() is None


def test_two_folders_of_one_name_are_both_offered(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("a/weights", "b/weights", "c/club")]
    for folder in folders:
        folder.mkdir(parents=True)
    first, second, third = map(str, folders)
    monkeypatch.setattr(models, "available", lambda: ["club"])
    monkeypatch.setenv("TRACKNETV5_WEIGHTS", f"{second}, {first}, organisation/weights,{third}, {first}")
    models.offered.cache_clear()
    try:
        offered = models.offered()
    finally:
        models.offered.cache_clear()
    assert list(offered.items()) == [(name, name) for name in (second, first, "organisation/weights", third, "club")]


def test_another_attention_map_changes_nothing_for_others(clip, name, monkeypatch):
    part, model = open_part(clip, 0, name), models.load(name).model
    learned = inspection.inspect(name, part, 5)
    part.windows.clear()
    for runtime in ("TorchRuntime", "cached_onnx"):  # made ready with each move of a slider, for nothing
        monkeypatch.setattr(f"tracknetv5.predictor.{runtime}", lambda *_: pytest.fail("made a runtime"))
    other = inspection.inspect(name, part, 5, 0.4, 0.3)
    np.testing.assert_allclose(inspection.inspect(name, part, 5).logits, learned.logits)

    attention, before = model.mdd.attention, [model.mdd.attention.a.item(), model.mdd.attention.b.item()]
    try:
        with torch.no_grad():
            attention.a.fill_(0.4)
            attention.b.fill_(0.3)
        tracker = models.load(name)
        expected = tracker.inspect(part.window(3, 3), part.background(3) if tracker.config.background else None)
    finally:
        with torch.no_grad():
            attention.a.fill_(before[0])
            attention.b.fill_(before[1])
    np.testing.assert_allclose(other.attention, expected.attention[0], atol=1e-5)
    np.testing.assert_allclose(other.logits, expected.logits[0], atol=1e-4)
    assert np.abs(other.attention - learned.attention).max() > 0.1


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (0.3, 0.9, "The draft missed the ball at (40, 20); the residual recovers it: 0.30 → 0.90."),
        (0.8, 0.1, "The draft saw a ball at (40, 20); the residual takes it away: 0.80 → 0.10."),
        (0.8, 0.9, "Draft and result agree on the ball at (40, 20); heat there 0.80 → 0.90."),
        (0.3, 0.1, "No ball, neither in the draft nor in the result; the highest heat is 0.50 → 0.10."),
    ],
)
def test_what_the_residual_did_in_words_though_the_draft_is_undecided_around(before, after, says):
    def logit(heat: float) -> float:
        return float(np.log(heat / (1 - heat)))

    gated, logits = np.zeros((3, 36, 64), np.float32), np.full((3, 36, 64), -9, np.float32)
    gated[:, 20, 40], logits[:, 20, 40] = logit(before), logit(after)
    nothing = np.zeros((2, 2, 36, 64), np.float32)
    images = np.zeros((3, 36, 64, 3), np.uint8)
    window = inspection.Window(30, images, nothing, nothing, gated, gated, logits - gated, logits, 0.4)
    assert inspection.in_words(window, 31) == says


def test_the_fastest_ball_is_one_whose_pace_lasts():
    steps = [0, 4, 4, 4, 90, 9, 9, 9, 2]  # 90 in a single one: a false position
    xy = np.stack([np.cumsum(steps), np.zeros(len(steps))], axis=1).astype(float)
    one = np.zeros(len(steps))
    scan = inspection.Scan(np.full_like(xy, np.nan), one, xy, one, one)
    np.testing.assert_array_equal(scan.pace, [-np.inf, -np.inf, 4, 4, 4, 9, 9, 2, -np.inf])
    assert inspection.find(scan, "Fastest ball") == (5, "")
