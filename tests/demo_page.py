"""The demo in a process of its own, and a browser to visit it: what the tests of the page share."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tracknetv5 import BallTracker
from tracknetv5.models import create_model
from tracknetv5.runtime import fastest_precision
from tracknetv5.weights import DEFAULT, WeightsConfig, available, save_weights

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TRAINED = DEFAULT in available() or "TRACKNETV5_WEIGHTS" in os.environ


@pytest.fixture(scope="session")
def page_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The default weights; where none are bundled, random ones, which also find something."""
    if TRAINED:
        return os.environ.get("TRACKNETV5_WEIGHTS", DEFAULT)
    torch.manual_seed(0)
    folder, config = tmp_path_factory.mktemp("weights") / DEFAULT, WeightsConfig(model=DEFAULT, options={})
    return str(save_weights(create_model(DEFAULT).eval(), folder, config))


@pytest.fixture(scope="session")
def page_tracker(page_weights: str) -> BallTracker:
    """Computes as the page does, in 16 bits where they are faster, which other tests are kept from."""
    plain = BallTracker.from_pretrained(page_weights)
    return BallTracker.from_pretrained(page_weights, precision=fastest_precision(plain.model, plain.device))


@pytest.fixture(scope="session")
def trained() -> None:
    """Skips what random weights cannot show."""
    if not TRAINED:
        pytest.skip("no trained weights are bundled")


@pytest.fixture(scope="session")
def address(page_weights: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of `python app.py`, started as a visitor of the README would."""
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install -e '.[demo]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("page")
    settings = {
        "TRACKNETV5_WEIGHTS": page_weights,
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "files"),
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w+") as log:
        server = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=os.environ | settings, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait_for(url, server, log.name)
            yield url
        finally:
            server.terminate()
            server.wait(10)


def _wait_for(url: str, server: subprocess.Popen, log: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"the page did not start: {Path(log).read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a screen."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: pip install -e '.[dev]'")
    if CHROMIUM is None:
        pytest.skip("Chromium is missing: install the package chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def upload() -> Callable:
    """upload(page, selector of a component, file), once more if the page, still drawing itself, let go of the file."""

    def given(page, where: str, path: Path) -> None:
        page.set_input_files(f"{where} input[type=file]", path)
        try:
            page.wait_for_selector(f"{where} >> text={path.name}", timeout=20_000)
        except sync_api.TimeoutError:
            page.set_input_files(f"{where} input[type=file]", path)
            page.wait_for_selector(f"{where} >> text={path.name}")

    sync_api = pytest.importorskip("playwright.sync_api")
    return given
