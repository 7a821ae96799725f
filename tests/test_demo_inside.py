"""The tab "Inside the network" in a real browser: what it shows is what the network computes."""

import re

import pytest

from tracknetv5 import BallTracker
from tracknetv5.background import median_background
from tracknetv5.data.synthetic import write_rally
from tracknetv5.geometry import Letterbox
from tracknetv5.video import read_frames

pytest_plugins = ["demo_page"]
FRAMES, SIZE = 24, (288, 512)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=FRAMES, size=SIZE, seed=0)
    return path


@pytest.fixture(scope="module")
def page(browser, address, clip):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(90_000)
    page.goto(address)
    page.set_input_files("#video input[type=file]", clip)
    page.wait_for_selector("text=Ready.")
    page.get_by_role("tab", name="Inside the network").click()
    page.get_by_label("My clip from the Track tab").check()
    page.wait_for_selector(f"#inside-words >> text=Frame {FRAMES // 2}:")
    yield page
    page.close()


def frame(page) -> int:
    return int(page.input_value("#inside-frame input[type=range]"))


def source(page, part: str, number: int) -> str:
    return page.locator(f"#inside-{part} img").nth(number).get_attribute("src")


def test_arrow_keys_step_and_the_words_follow(page):
    before = frame(page)
    page.locator("#inside-zoom input").focus()  # not on the slider: the keys work anywhere
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"#inside-words >> text=Frame {before + 1}:")
    assert frame(page) == before + 1
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"#inside-words >> text=Frame {before}:")


def test_values_under_the_pointer_are_the_networks(page, clip, page_weights):
    tracker = BallTracker.from_pretrained(page_weights)
    letterbox = Letterbox(SIZE, (tracker.config.height, tracker.config.width))
    page.get_by_label("Zoom in on the ball").uncheck()
    whole = f"document.querySelector('#inside-decision img').getAttribute('width') === '{letterbox.model[1]}'"
    page.wait_for_function(whole)
    page.locator("#inside-decision img").first.hover(position={"x": 100, "y": 60})
    page.wait_for_selector("#inside-readout td")
    names = page.locator("#inside-readout thead th").all_inner_texts()
    cells = page.locator("#inside-readout tbody :is(th, td)").all_inner_texts()
    shown = dict(zip(names, cells, strict=True))
    x, y = map(int, re.findall(r"\d+", shown["Pixel"]))
    chosen = frame(page)

    start = chosen // 3 * 3
    images = [letterbox.apply(f.image) for f in read_frames(clip, size=letterbox.content[2:])]
    background = median_background(images) if tracker.config.background else None
    seen = tracker.inspect(images[start : start + 3], background)
    assert float(shown["Logit"]) == pytest.approx(seen.logits[0, chosen - start, y, x].item(), abs=0.02)
    assert float(shown["Residual"]) == pytest.approx(seen.residual[0, chosen - start, y, x].item(), abs=0.02)
    assert float(shown["P+ 1"]) == pytest.approx(seen.polarity[0, 0, 0, y, x].item(), abs=0.001)
    assert float(shown["A− 2"]) == pytest.approx(seen.attention[0, 1, 1, y, x].item(), abs=0.001)


@pytest.mark.parametrize(("slider", "part"), [("opacity", "decision"), ("b", "attention")])
def test_pictures_change_when_a_slider_moves(page, slider, part):
    old = source(page, part, 0)
    page.locator(f"#inside-{slider} input[type=range]").focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        "([selector, old]) => document.querySelector(selector)?.src !== old", arg=[f"#inside-{part} img", old]
    )


def test_find_jumps_to_a_frame_of_the_clip(page):
    page.get_by_role("button", name="Largest correction").click()
    said = page.wait_for_selector("#inside-found >> text=/Largest correction: frame/").inner_text()
    wanted = int(re.search(r"frame (\d+)", said).group(1))
    page.wait_for_selector(f"#inside-words >> text=Frame {wanted}:")
    assert frame(page) == wanted


def test_a_later_part_of_the_clip_can_be_looked_into(page):
    start = page.locator("#inside-start input")
    start.fill("0.4")
    start.press("Enter")
    page.wait_for_selector("#inside-words >> text=Frame 18:")  # the middle of 12 to 23, at 30 frames per second
    assert page.get_attribute("#inside-frame input[type=range]", "min") == "12"
    assert "Frame 18 (chosen)" in page.locator("#inside-given").inner_text()
    start.fill("9")
    start.press("Enter")
    page.wait_for_selector("#inside-found >> text=The video ends at 0.8 s: start before that.")
