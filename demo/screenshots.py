"""Pictures of the page for the documentation, taken in a real browser.

    python -m demo.screenshots FOLDER

writes one picture for each tab, in light and dark, on a desktop and on a phone. Needs the extras `demo` and `dev`, and
Chromium.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
VIEWS = {"desktop": (1280, 900, "light"), "desktop_dark": (1280, 900, "dark"), "phone": (390, 844, "light")}
EXAMPLE = "Long rally"
FIND = "Fastest ball"
PATIENCE = 180_000  # milliseconds


@contextmanager
def served() -> Iterator[str]:
    """The address of the page, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    server = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=os.environ | where)
    address = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                urllib.request.urlopen(address, timeout=2).close()
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def track(page: Page) -> None:
    page.get_by_text(EXAMPLE).first.click()
    page.wait_for_selector("text=Ready.")
    page.click("#go")
    page.wait_for_selector("#status >> text=Done in")
    page.wait_for_selector("#rallies table, #court img")


def inside(page: Page) -> None:
    page.get_by_role("tab", name="Inside the network").click()
    page.wait_for_selector("#inside-decision img")
    page.get_by_role("button", name=FIND).click()
    page.wait_for_selector("#inside-found .notice")


def compare(page: Page) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-b label").first.click()
    page.click("#compare-go")
    page.wait_for_selector("#compare-status .notice.good")


def about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    page.wait_for_selector("#about-tables")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for view, (width, height, scheme) in VIEWS.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.set_default_timeout(PATIENCE)
            page.goto(address)
            for tab in (track, inside, compare, about):
                tab(page)
                page.wait_for_timeout(2000)  # pictures load, sliders come to rest
                page.screenshot(path=folder / f"{tab.__name__}_{view}.png", full_page=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
