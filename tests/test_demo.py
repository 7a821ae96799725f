"""The Track tab in a real browser, and its endpoint: what a visitor and a program get."""

import csv
import io
import json
import urllib.request
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tracknetv5 import Trajectory
from tracknetv5.data.synthetic import write_rally
from tracknetv5.video import read_frames

pytest_plugins = ["demo_page"]
FRAMES, SIZE = 48, (288, 512)
WAIT = 90_000  # milliseconds, on a busy machine


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=FRAMES, size=SIZE, seed=0, labels=True)
    return path


@pytest.fixture(scope="module")
def expected(clip, page_tracker, tmp_path_factory) -> str:
    """The CSV that the library itself writes for the clip."""
    path = tmp_path_factory.mktemp("expected") / "rally.csv"
    page_tracker.track(clip).to_csv(path)
    return path.read_text()


@pytest.fixture
def page(browser, address):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#go")
    yield page
    page.close()


def track(page, clip: Path) -> None:
    page.set_input_files("#video input[type=file]", clip)
    page.wait_for_selector("text=Ready.")
    page.click("#go")
    page.wait_for_selector("#status >> text=Done in")
    page.wait_for_selector("#download-csv")


def download(page, kind: str) -> bytes:
    with page.expect_download() as event:
        page.click(f"#download-{kind}")
    return Path(event.value.path()).read_bytes()


def test_upload_gives_the_librarys_positions_and_a_marked_video(page, clip, expected, tmp_path):
    track(page, clip)

    table = download(page, "csv").decode()
    assert table == expected
    assert len(list(csv.DictReader(io.StringIO(table)))) == FRAMES

    film = tmp_path / "overlay.mp4"
    film.write_bytes(page.request.get(page.get_attribute("#overlay video", "src")).body())
    marked, plain = list(read_frames(film)), list(read_frames(clip))
    assert len(marked) == FRAMES
    assert marked[0].image.shape == (*SIZE, 3)
    (tmp_path / "table.csv").write_text(table)
    trajectory = Trajectory.from_csv(tmp_path / "table.csv")
    row = int(np.flatnonzero(trajectory.visible)[0])
    changed = np.abs(marked[row].image.astype(int) - plain[row].image).sum(axis=2) > 150
    y, x = np.nonzero(changed)
    assert np.hypot(x.mean() - trajectory.xy[row, 0], y.mean() - trajectory.xy[row, 1]) < 3  # the ring is on the ball

    with zipfile.ZipFile(io.BytesIO(download(page, "zip"))) as archive:
        assert sorted(archive.namelist()) == ["rally.csv", "rally.json", "rally_ball.mp4", "rally_court.png"]
        assert archive.read("rally.csv").decode() == expected

    seen = int(trajectory.visible.sum())
    assert f"found in {seen} of {FRAMES} frames" in page.inner_text("#summary")
    assert page.locator("#charts svg").count() == 3
    assert page.locator("#rallies tbody tr").count() >= 1
    assert "rally.mp4" in page.inner_text("#status") and "rally.mp4" in page.inner_text("#overlay")
    assert page.is_enabled("#go")
    assert page.evaluate("document.querySelector('#overlay video').videoWidth") == SIZE[1]  # the browser can play it
    assert page.evaluate("document.querySelector('#court img').naturalWidth") > SIZE[1]


def test_a_rally_in_the_table_is_played(page, clip):
    track(page, clip)
    seconds = float(page.get_attribute("#rallies .jump >> nth=0", "data-seconds"))
    page.evaluate("document.querySelector('#overlay video').currentTime = 1.2")
    page.evaluate("document.querySelector('#overlay video').play = function () { this.told = true; }")
    page.click("#rallies .jump >> nth=0")
    page.wait_for_function(f"Math.abs(document.querySelector('#overlay video').currentTime - {seconds}) < 0.01")
    assert page.evaluate("document.querySelector('#overlay video').told")


def test_the_ball_is_where_the_rally_was_made(trained, page, clip, tmp_path):
    track(page, clip)
    (tmp_path / "found.csv").write_bytes(download(page, "csv"))
    found, made = Trajectory.from_csv(tmp_path / "found.csv"), Trajectory.from_csv(clip.with_suffix(".csv"))
    both = found.visible & made.visible
    assert both.sum() > 0.5 * made.visible.sum()
    assert np.median(np.linalg.norm(found.xy - made.xy, axis=1)[both]) < 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is not a video", "not a video this page can read"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", "not a video this page can read"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "its index (moov) is lost"),
    ],
)
def test_a_bad_file_is_refused_in_plain_words(page, tmp_path, content, says):
    bad = tmp_path / "holiday.mp4"
    bad.write_bytes(content)
    page.set_input_files("#video input[type=file]", bad)
    notice = page.wait_for_selector(".notice.bad")
    assert says in notice.inner_text()
    assert "holiday.mp4" in notice.inner_text()
    assert "/" not in notice.inner_text()  # no path of the server


def test_endpoint_needs_only_the_video(address, clip, expected):
    client_library = pytest.importorskip("gradio_client")
    client = client_library.Client(address, verbose=False)
    endpoint = client.view_api(return_format="dict")["named_endpoints"]["/track"]
    assert [p["parameter_name"] for p in endpoint["parameters"] if not p["parameter_has_default"]] == ["video"]
    table, film, told = client.predict(client_library.handle_file(clip), api_name="/track")
    assert Path(table).read_text() == expected
    assert len(list(read_frames(film))) == FRAMES
    assert "frames" in told


def test_endpoint_refuses_a_bad_file(address, tmp_path):
    client_library = pytest.importorskip("gradio_client")
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    client = client_library.Client(address, verbose=False)
    with pytest.raises(Exception, match="not a video this page can read"):
        client.predict(client_library.handle_file(tmp_path / "bad.mp4"), api_name="/track")


@pytest.mark.parametrize("path", ["/etc/hostname", "app.py"])
def test_endpoint_opens_no_file_of_the_server(address, path):
    request = urllib.request.Request(
        f"{address}/gradio_api/call/track",
        json.dumps({"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/gradio_api/call/track/{event}") as answer:
        told = answer.read().decode()
    assert "event: error" in told
    assert "event: complete" not in told


def test_endpoint_takes_no_weights_of_visitors(address, clip, tmp_path):
    client_library = pytest.importorskip("gradio_client")
    client = client_library.Client(address, verbose=False)
    with pytest.raises(Exception, match="not in the list of choices"):
        client.predict(client_library.handle_file(clip), weights=str(tmp_path), api_name="/track")
