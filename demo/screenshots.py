"""Pictures of the page for the documentation, taken in a real browser.

    python -m demo.screenshots FOLDER

writes a WebP picture of each tab for each of VIEWS. Needs the extras `demo` and `dev`, and Chromium.
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

import cv2
import numpy as np
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
VIEWS = {
    "desktop": (1100, 800, "light"),
    "desktop_dark": (1100, 800, "dark"),
    "phone": (390, 844, "light"),
}
EXAMPLE = "Ball behind a player"
FIND = "Largest correction"
PATIENCE = 300_000  # milliseconds


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
    page.locator("#inside-clip").get_by_label(EXAMPLE).check()
    page.wait_for_selector("#inside-decision img")
    page.get_by_role("button", name=FIND).click()
    page.wait_for_selector("#inside-found .notice")


def compare(page: Page) -> None:
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-clip").get_by_label(EXAMPLE).check()
    page.click("#compare-go")
    page.wait_for_selector("#compare-status .notice.good")


def about(page: Page) -> None:
    page.get_by_role("tab", name="About").click()
    page.wait_for_selector("#about-tables")


def save(png: bytes, path: Path) -> None:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), image, [cv2.IMWRITE_WEBP_QUALITY, 50])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with served() as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        for tab in (track, inside, compare, about):
            tab(page)
            for view, (width, height, scheme) in VIEWS.items():
                page.set_viewport_size({"width": width, "height": height})
                page.emulate_media(color_scheme=scheme)
                page.wait_for_timeout(2000)  # pictures load, sliders come to rest
                save(page.screenshot(full_page=True), folder / f"{tab.__name__}_{view}.webp")
        browser.close()


if __name__ == "__main__":
    main()
