"""Live sources: a camera, a stream, or a file at its own pace, of which only the newest frame is ever held."""

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from tracknetv5.video import (
    Clock,
    Frame,
    VideoError,
    displayed_size,
    open_video,
    orientation,
    picture_stream,
    pixel_aspect,
    stated_duration,
    to_rgb,
)

TIMEOUT = 10.0  # seconds without data after which a stream counts as broken
PATIENCE = 1.0  # seconds that leaving waits for the source to be closed: one that hangs is left to its thread

Render = Callable[[tuple[int, int]], np.ndarray]  # size (height, width) -> (H, W, 3) uint8 RGB


class LiveSource:
    """What is seen now: a thread reads the source, and a frame that nobody took in time is dropped, never queued.

    A context manager; VideoError if the source cannot be opened or no frame comes. A source that breaks later ends the
    frames like one that is over, and `error` says why.

    with LiveSource("rtsp://camera/stream") as source:
        for frame in source.frames(source.size):
            ...
    """

    def __init__(self, source: str):
        """`source`: a camera's number ("0"), a URL (RTSP, HTTP ...), or a file, which is read as fast as it plays."""
        self.source = str(source)
        self.size: tuple[int, int] | None = None  # (height, width) in pixels, known when opened
        self.pixel_aspect = Fraction(1)  # width of a pixel over its height, known when opened
        self.received = 0  # frames that came
        self.dropped = 0  # of them, those that were replaced by a newer one before they were taken
        self.seconds = 0.0  # time of the newest frame, after the first
        self.error: str | None = None
        self._newest: tuple[int, float, Render] | None = None
        self._changed = threading.Condition()
        self._ended = threading.Event()  # no frame will come
        self._closed = threading.Event()  # none is wanted

    def __enter__(self) -> "LiveSource":
        if self._closed.is_set():
            raise RuntimeError(f"{self.source}: is closed; make another LiveSource of it")
        # A daemon: a camera that hangs must not keep the interpreter from exiting.
        self._thread = threading.Thread(target=self._work, name="live-source", daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended.is_set())
            if self._newest is None:
                raise VideoError(self.error or f"{self.source}: no frame came")
        return self

    def __exit__(self, *_) -> None:
        self._closed.set()
        self._thread.join(PATIENCE)

    def frames(self, size: tuple[int, int]) -> Iterator[Frame]:
        """The newest frame whenever one is asked for, scaled to `size` (height, width); waits for it.

        `index` counts all that came, so gaps in it are drops; `time` is in seconds after the first.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended.is_set())
                if self._newest is None:
                    return
                index, seconds, render = self._newest
                self._newest = None
            yield Frame(index, seconds, render(size))

    def _work(self) -> None:
        try:
            for seconds, size, render in _camera(self.source) if self.source.isdecimal() else self._decoded():
                with self._changed:
                    self.size = self.size or size
                    self.dropped += self._newest is not None
                    self._newest = self.received, seconds, render
                    self.received += 1
                    self.seconds = seconds
                    self._changed.notify_all()
                if self._closed.is_set():
                    return
        except VideoError as error:
            self.error = str(error)
        except Exception as error:  # belongs to whoever follows, whatever it is
            reason = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, av.FFmpegError):
                reason = f"no data for {TIMEOUT:g} s" if isinstance(error, av.error.ExitError) else error.strerror
            what = f"broke after {self.seconds:.1f} s" if self.received else "cannot be opened"
            self.error = f"{self.source}: {what}: {reason}; check the address and the connection"
        finally:
            with self._changed:
                self._ended.set()
                self._changed.notify_all()

    def _decoded(self) -> Iterator[tuple[float, tuple[int, int], Render]]:
        """(seconds, size, how to make an image) of each frame of a file or URL."""
        if "://" not in self.source:
            with open_video(Path(self.source)) as (container, stream):
                yield from self._paced(container, stream)
            return
        options = {"rtsp_transport": "tcp"} if self.source.startswith("rtsp") else {}
        # Titles need not be UTF-8.
        with av.open(self.source, options=options, timeout=TIMEOUT, metadata_errors="replace") as container:
            yield from self._paced(container, picture_stream(container, self.source))

    def _paced(
        self, container: av.container.InputContainer, stream: av.video.VideoStream
    ) -> Iterator[tuple[float, tuple[int, int], Render]]:
        # What has an end, or comes in segments, comes faster than it plays; true live streams come as they play.
        paced = container.duration is not None or container.format.name == "hls" or "://" not in self.source
        stream.thread_type = "SLICE"  # threads by frame would each hold one back
        clock = Clock(1 / (stream.average_rate or stream.guessed_rate or 30))
        scaler = VideoReformatter()
        started, seconds, turned, length = None, 0.0, None, None
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:  # a damaged packet, as at the start of a broadcast; the next ones may be whole
                continue
            for raw in frames:
                seconds = clock(None if raw.pts is None else raw.pts * raw.time_base)
                if started is None:
                    started, length = time.monotonic(), stated_duration(container, stream, raw)
                if paced and self._closed.wait(max(0.0, started + seconds - time.monotonic())):
                    return
                turned = turned or orientation(raw)
                self.pixel_aspect = pixel_aspect(stream, turned)
                picture = partial(to_rgb, raw, scaler=scaler, turned=turned)
                yield seconds, displayed_size(raw, turned), picture
        if length is not None and length - seconds > max(1.0, 0.02 * length):  # sound may outlast the picture
            raise VideoError(f"{self.source}: broke after {seconds:.1f} of {length:.1f} s; get it again")


def _camera(number: str) -> Iterator[tuple[float, tuple[int, int], Render]]:
    refused = f"camera {number}: cannot be opened; check that it is plugged in and not in use"
    try:
        camera = cv2.VideoCapture(int(number))
    except cv2.error as error:  # a number beyond all cameras'
        raise VideoError(refused) from error
    try:
        if not camera.isOpened():
            raise VideoError(refused)
        started = None
        while True:
            good, image = camera.read()
            if not good:
                raise VideoError(f"camera {number}: gives no more frames; check that it is plugged in")
            started = started or time.monotonic()
            yield time.monotonic() - started, image.shape[:2], lambda size, image=image: _from_camera(image, size)
    finally:
        camera.release()


def _from_camera(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.cvtColor(cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2RGB)
