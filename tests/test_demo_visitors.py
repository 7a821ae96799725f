"""Visitors of the page: two at once, one who changes his mind, one on a phone, one without a mouse."""

import csv
import io
from pathlib import Path

import pytest

from tracknetv5.data.synthetic import write_rally

pytest_plugins = ["demo_page"]
# What of each tab is seen when it is there.
TABS = {
    "Track": "#go",
    "Inside the network": "#inside-decision img",
    "Compare": "#compare-go",
    "About": "#about-weights",
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[Path]:
    """Two short clips of different length and size, and a long one."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [folder / f"{name}.mp4" for name in ("first", "second", "long")]
    for path, frames, size, seed in zip(
        paths, (30, 36, 240), ((288, 512), (180, 320), (144, 256)), (0, 2, 1), strict=True
    ):
        write_rally(path, frames=frames, size=size, seed=seed)
    return paths


@pytest.fixture
def visit(browser, address):
    """Opens the page as a new visitor, as often as asked."""
    contexts = []

    def open_page(**options):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(40_000)
        page.goto(address)
        page.wait_for_selector("#go")
        return page

    yield open_page
    for context in contexts:
        context.close()


def upload(page, clip: Path) -> None:
    page.set_input_files("#video input[type=file]", clip)
    page.wait_for_selector("text=Ready.")


def table(page) -> str:
    with page.expect_download() as event:
        page.click("#download-csv")
    return Path(event.value.path()).read_text()


def test_two_visitors_at_once_get_their_own_results(visit, clips, page_tracker, tmp_path):
    pages = [visit(), visit()]
    for page, clip in zip(pages, clips, strict=False):
        upload(page, clip)
    for page in pages:
        page.click("#go")
    for page, clip in zip(pages, clips, strict=False):
        page.wait_for_selector("#status >> text=Done in")
        page.wait_for_selector("#download-csv")
        page_tracker.track(clip).to_csv(tmp_path / "expected.csv")
        assert table(page) == (tmp_path / "expected.csv").read_text()


def test_cancel_stops_a_run_and_the_next_one_works(visit, clips):
    page = visit()
    upload(page, clips[2])
    page.click("#go")
    page.wait_for_selector("#charts svg")  # points arrive while it works
    assert page.locator("#download-csv").is_hidden()
    page.click("#cancel")
    page.wait_for_selector("#status >> text=Stopped.")
    assert page.locator("#download-csv").is_hidden()

    page.get_by_label("Clear").first.click()
    upload(page, clips[0])
    page.click("#go")
    page.wait_for_selector("#status >> text=Done in")
    page.wait_for_selector("#download-csv")
    assert len(list(csv.DictReader(io.StringIO(table(page))))) == 30


def test_a_double_click_starts_one_run(visit, clips):
    page = visit()
    upload(page, clips[2])
    page.dblclick("#go")
    page.wait_for_selector("#charts svg")
    page.click("#cancel")
    page.wait_for_selector("#status >> text=Stopped.")
    page.wait_for_timeout(1500)  # a second run would go on
    assert page.locator("#status").inner_text().startswith("Stopped.") and page.locator("#cancel").is_hidden()


def test_a_part_is_tracked_and_a_part_behind_the_end_refused(visit, clips):
    page = visit()
    upload(page, clips[2])
    page.locator("button", has_text="Trim").click()
    page.get_by_label("Start (seconds)").fill("99")
    page.click("#go")
    page.wait_for_selector("text=The video ends at 8.0 s")
    page.get_by_label("Start (seconds)").fill("2")
    page.get_by_label("Length (seconds)").fill("0.5")
    page.click("#go")
    page.wait_for_selector("#status >> text=Done in")
    page.wait_for_selector("#download-csv")
    rows = list(csv.DictReader(io.StringIO(table(page))))
    assert [int(row["Frame"]) for row in rows] == list(range(60, 75))


def test_on_a_phone_nothing_is_wider_than_the_screen(visit, clips):
    page = visit(viewport={"width": 390, "height": 844}, color_scheme="dark")
    upload(page, clips[0])
    page.click("#go")
    page.wait_for_selector("#status >> text=Done in")
    page.wait_for_selector("#rallies table, #court img")
    assert page.locator("#video").bounding_box()["width"] > 300  # one column
    assert page.locator("#overlay").bounding_box()["width"] > 300
    for tab, part in TABS.items():
        page.get_by_role("tab", name=tab).click()
        page.wait_for_selector(part)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, tab
        assert page.evaluate("document.body.classList.contains('dark')")


def test_everything_can_be_reached_and_is_named(visit):
    page = visit()
    tabs = page.get_by_role("tab")
    assert tabs.all_inner_texts() == list(TABS)
    tabs.first.focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#inside-frame")
    for tab, part in TABS.items():
        tabs.filter(has_text=tab).click()
        page.wait_for_selector(part)
        unnamed = page.evaluate("""() => [...document.querySelectorAll('button, input, a, [role=tab], img')]
            .filter(e => e.offsetParent && e.type !== 'file')
            .filter(e => !(e.innerText || e.ariaLabel || e.title || e.alt || (e.labels && e.labels[0]?.innerText)
                           || e.getAttribute('aria-labelledby')))
            .map(e => e.outerHTML.slice(0, 150))""")
        assert unnamed == [], tab
