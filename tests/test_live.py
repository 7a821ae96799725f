"""Live sources hold the newest frame alone, count what came, and end with a word about why."""

import errno
import json
import threading
import time
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from stand_ins import HEIGHT, WIDTH, images, redness
from typer.testing import CliRunner

from tracknetv5.cli import app
from tracknetv5.data.synthetic import write_rally
from tracknetv5.live import LiveSource
from tracknetv5.video import VideoError, VideoWriter

FRAMES = 40


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "rally.mp4"
    write_rally(path, frames=FRAMES, size=(HEIGHT, WIDTH), seed=0)
    return path


class Scripted(LiveSource):
    """Gives its frames one by one: the next when `taken` of those before were taken, or at once where that is 0."""

    def __init__(self, frames, wait=False, error=None):
        super().__init__("scripted")
        self.given, self.wait, self.fault = frames, wait, error

    def _decoded(self):
        for k, frame in enumerate(self.given):
            while self.wait and self._newest is not None and not self._closed.is_set():
                time.sleep(0.001)
            yield k / 25, frame.shape[:2], lambda size, frame=frame: cv2.resize(frame, size[::-1])
        if self.error is None and self.fault:
            raise self.fault


def ended(source: LiveSource) -> None:
    assert source._ended.wait(10)


def test_a_frame_that_nobody_took_is_replaced_and_counted():
    frames = images(5)[0]
    with Scripted(frames) as source:
        ended(source)
        (last,) = source.frames((HEIGHT, WIDTH))
    assert (source.received, source.dropped, source.size) == (5, 4, (HEIGHT, WIDTH))
    assert (last.index, last.time, source.seconds) == (4, 0.16, 0.16)
    np.testing.assert_array_equal(last.image, frames[4])


@pytest.mark.parametrize("delay", [0, 1])
def test_follow_gives_each_frame_that_was_taken_its_own_number_and_place(delay):
    frames, centres = images(9, 96, 192)
    source = Scripted(frames, wait=True)
    points = list(redness().follow(source, delay=delay))
    assert [point.frame for point in points] == list(range(9)) and source.dropped == 0
    assert [point.time for point in points] == [k / 25 for k in range(9)]
    np.testing.assert_allclose([point.xy for point in points], centres, atol=1.5)


def test_weights_that_take_a_background_are_followed_with_that_of_what_came_so_far():
    frames, centres = images(20, HEIGHT, WIDTH)
    tracker = redness(background=True)
    points = list(tracker.follow(Scripted(frames, wait=True)))
    np.testing.assert_allclose([point.xy for point in points], centres, atol=1.5)
    assert (tracker.model.calls[-1][1] - 100 / 255).abs().max() < 0.05  # the ball is gone


def test_pixels_that_are_not_square_are_followed_in_their_true_shape(tmp_path):
    squeezed, centres = images(5, HEIGHT, WIDTH * 3 // 4)
    with VideoWriter(tmp_path / "hdv.mp4", squeezed[0].shape[:2], Fraction(25), Fraction(4, 3)) as writer:
        writer.write(squeezed[0])
    with LiveSource(tmp_path / "hdv.mp4") as opened:
        assert opened.pixel_aspect == Fraction(4, 3)
    source, tracker = Scripted(squeezed, wait=True), redness()
    source.pixel_aspect = Fraction(4, 3)
    np.testing.assert_allclose([point.xy for point in tracker.follow(source)], centres, atol=1.5)
    assert all((window[:, -1] > 0.2).all() for window, _ in tracker.model.calls[1:])  # nothing black beside the picture


def test_a_film_of_a_phone_is_followed_upright(tmp_path):
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:32, :48] = 250
    with av.open(tmp_path / "phone.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *stored.shape[:2], "yuv420p"
        stream.set_display_rotation(90)
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(stored, "rgb24").reformat(format="yuv420p")))
        container.mux(stream.encode(None))
    with LiveSource(tmp_path / "phone.mp4") as source:
        assert source.size == (96, 64)
        frame = next(source.frames(source.size))
    assert abs(frame.image.astype(int) - np.rot90(stored)).mean() < 3


def test_a_picture_that_begins_late_has_not_broken(tmp_path):
    with av.open(tmp_path / "late.mkv", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number, image in enumerate(images(9)[0]):
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
            frame.pts = 100 + number  # four seconds late
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with LiveSource(tmp_path / "late.mkv") as source:
        ended(source)
        assert source.received == 9 and source.error is None


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (av.error.ExitError(1, "Immediate exit requested"), "scripted: broke after 0.1 s: no data for 10 s"),
        (av.error.ConnectionResetError(104, "Connection reset by peer"), "broke after 0.1 s: Connection reset by peer"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "unexpected end"), "scripted: broke after 0.1 s: 'utf-8' codec"),
        (MemoryError(), "scripted: broke after 0.1 s: MemoryError;"),
    ],
)
def test_a_source_that_breaks_ends_the_points_and_says_why(fault, told):
    frames, _ = images(4)
    source = Scripted(frames, wait=True, error=fault)
    points = list(redness().follow(source, delay=1))
    assert [point.frame for point in points] == [0, 1, 2, 3]
    assert told in source.error


def test_a_file_is_read_as_fast_as_it_plays(clip, monkeypatch):
    class NeverClosed:
        waits = []

        def wait(self, seconds):
            self.waits.append(seconds)
            return False

    source = LiveSource(clip)
    source._closed = NeverClosed()
    monkeypatch.setattr("tracknetv5.live.time.monotonic", lambda: 100.0)
    times = [seconds for seconds, *_ in source._decoded()]
    assert times == pytest.approx([k / 30 for k in range(FRAMES)])
    assert NeverClosed.waits == pytest.approx(times)


def test_leaving_early_closes_the_source_unless_it_hangs(monkeypatch):
    hangs, closed = threading.Event(), []

    class Slow(Scripted):
        def _decoded(self):
            try:
                yield from super()._decoded()
            finally:
                time.sleep(0.05)
                hangs.wait(10)
                closed.append(self)

    hangs.set()
    with Slow(images(50)[0], wait=True) as source:
        next(source.frames((HEIGHT, WIDTH)))
    assert closed == [source] and source.received < 50
    hangs.clear()
    monkeypatch.setattr("tracknetv5.live.PATIENCE", 0.01)
    with Slow(images(50)[0], wait=True) as other:
        pass
    assert closed == [source]
    hangs.set()
    ended(other)


def test_what_cannot_be_followed(tmp_path):
    for source, told in (
        (tmp_path / "missing.mp4", "missing.mp4: no such file"),
        ("http://127.0.0.1:9/stream", "cannot be opened"),
        ("99999999999", "camera 99999999999: cannot be opened; check that it is plugged in"),
    ):
        with pytest.raises(VideoError, match=told):
            LiveSource(source).__enter__()
    with pytest.raises(ValueError, match="delay must lie between 0 and 2 frames"):
        redness().follow(LiveSource("0"), delay=3)


def test_a_camera_gives_bgr_until_it_is_unplugged(monkeypatch):
    class Camera:
        left = 3

        def __init__(self, number):
            self.number = number

        def isOpened(self):
            return self.number == 1

        def read(self):
            Camera.left -= 1
            return Camera.left >= 0, np.full((HEIGHT, WIDTH, 3), (0, 0, 255), np.uint8)

        def release(self):
            Camera.released = self.number

    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    with LiveSource("1") as source:
        ended(source)
        (frame,) = source.frames((8, 16))
    assert source.received == 3 and "camera 1: gives no more frames" in source.error
    assert frame.image.shape == (8, 16, 3) and (frame.image == (255, 0, 0)).all() and Camera.released == 1
    with pytest.raises(VideoError, match="camera 2: cannot be opened"):
        LiveSource("2").__enter__()


@contextmanager
def served(data: bytes, share: float = 1.0):
    """The address at which the first `share` of the data comes before the connection breaks."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: int(share * len(data))])

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/clip.mp4"
    finally:
        server.shutdown()
        server.server_close()


def test_an_address_is_read_to_its_end_or_to_where_it_breaks(clip, tmp_path):
    long = tmp_path / "long.mp4"
    write_rally(long, frames=60, size=(HEIGHT, WIDTH), seed=1)
    with served(clip.read_bytes()) as address, LiveSource(address) as source:
        taken = [frame.index for frame in source.frames(source.size)]
    assert source.error is None and source.received == FRAMES
    assert taken == sorted(set(taken)) and len(taken) + source.dropped == FRAMES
    with served(long.read_bytes(), share=0.8) as address, LiveSource(address) as source:
        for _ in source.frames(source.size):
            pass
    assert source.received < 60 and "broke after" in source.error


def test_a_title_that_is_not_utf8_does_not_end_a_stream(clip, tmp_path):
    with av.open(str(clip)) as source, av.open(tmp_path / "titled.mkv", "w") as target:
        target.metadata["title"] = "caf\u00e9s"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = (tmp_path / "titled.mkv").read_bytes()
    assert data.count("caf\u00e9s".encode()) == 1
    with served(data.replace("caf\u00e9s".encode(), b"caf\xe9ss")) as address, LiveSource(address) as source:
        ended(source)
    assert source.error is None and source.received == FRAMES


def test_the_command_prints_points_as_lines_and_the_rest_apart(clip, weights, tmp_path):
    result = CliRunner().invoke(app, ["live", str(clip), "--weights", str(weights), "--delay", "0"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert set(rows[0]) == {"frame", "time", "x", "y", "score", "source", "picture"}
    numbers = [row["frame"] for row in rows]
    assert numbers == sorted(set(numbers)) and numbers[-1] == FRAMES - 1
    assert f"{FRAMES} frames in 1.3 s, {FRAMES - len(rows)} dropped" in result.stderr
    assert f"ball in {sum(row['x'] is not None for row in rows)} of {len(rows)}" in result.stderr
    result = CliRunner().invoke(app, ["live", str(tmp_path / "no.mp4"), "--weights", str(weights)])
    assert result.exit_code == 1 and "no such file" in result.stderr and not result.stdout


def test_nobody_reading_on_is_no_error(clip, weights, monkeypatch):
    def nobody(*_, **__):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("tracknetv5.cli.print", nobody, raising=False)
    result = CliRunner().invoke(app, ["live", str(clip), "--weights", str(weights)])
    assert result.exit_code == 1 and result.output == ""


def test_a_step_that_the_delay_does_not_allow_is_refused(clip, weights):
    command = ["live", str(clip), "--weights", str(weights), "--step", "3"]
    result = CliRunner().invoke(app, [*command, "--delay", "1"])
    assert result.exit_code == 1 and "--step must lie between 1 and the delay + 1, here 2, not 3" in result.stderr
    assert CliRunner().invoke(app, command).exit_code == 0
