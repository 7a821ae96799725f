"""Video files in and out: probe, decode to upright RGB frames, write H.264 that browsers play.

Axis letters: H height, W width; sizes are (height, width) as everywhere in the package.
"""

import queue
import re
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from math import ceil
from os import PathLike
from pathlib import Path
from types import TracebackType

import av
import av.container
import av.video
import cv2
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

QUEUE_DEPTH = 4  # decoded frames that wait for the consumer
SINGLE_THREAD_PIXELS = 1920 * 1088  # up to here one decoder thread outruns the network and costs the least CPU time
FASTEST = 250  # frames a second; where more is claimed, as by recordings of browsers, timestamps are asked
RATE_PACKETS = 60  # how many of them
TIME_TOLERANCE = 1e-6  # seconds; `start + length` is a float sum, timestamps are rational
UNSPECIFIED = 2  # colour matrix of H.273
RESTART = 1  # seconds that a timestamp must lie behind the one before if a clock has begun anew

# Formats that name other files or addresses: whoever sends one could have them read for him.
PLAYLISTS = {"concat", "dash", "hls", "imf", "sdp", "webm_dash_manifest"}
IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

# Where each packet is one frame that is shown, with its timestamp: of these, packets can be counted for frames.
COUNTABLE_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
COUNTABLE_CODECS = ("h264", "hevc", "vp9", "av1")


_OF_STREAM = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")  # what the tag DURATION of a stream says


class VideoError(ValueError):
    """A video that cannot be read or written. The message is one line: file, what is wrong, remedy."""


class VideoWarning(UserWarning):
    """A damaged or cut video of which a part was decoded. The message names the file and the last good frame."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about its video stream; `frames` and `duration` are claims, good for progress only."""

    path: Path
    width: int  # stored pixels, after rotation
    height: int
    fps: Fraction  # average rate, best estimate
    frames: int | None
    duration: float | None  # seconds
    pixel_aspect: Fraction  # width of a pixel over its height as displayed, after rotation; not 1 on DVD and HDV
    turned: tuple[bool, bool, bool]  # how stored pictures become upright, see `orientation`


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame: `index` counts decoded frames from the start of the video, `image` is (H, W, 3) uint8 RGB.

    `time` is in seconds after the first frame of the video and strictly increasing.
    """

    index: int
    time: float
    image: np.ndarray


def probe(path: str | PathLike) -> VideoInfo:
    """Size, rate and length of a video; decodes its first frame.

    Raises VideoError for a path that is missing, a directory, a pipe, empty, no video, without a video stream, without
    its index, or of which no frame decodes.
    """
    path = Path(path)
    with open_video(path) as (container, stream):
        first = next((raw for raw in _decode(container, stream) if isinstance(raw, av.VideoFrame)), None)
        if first is None:
            raise VideoError(f"{path}: none of its frames decodes; export or download the video again")
        turned = orientation(first)
        height, width = displayed_size(first, turned)
        duration = stated_duration(container, stream, first)
        fps = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(30)
        if fps > FASTEST:
            stamps = [packet.pts for packet in islice(container.demux(stream), RATE_PACKETS) if packet.pts is not None]
            if len(set(stamps)) > 1:
                fps = (len(stamps) - 1) / ((max(stamps) - min(stamps)) * stream.time_base)
        aspect = pixel_aspect(stream, turned)
        return VideoInfo(path, width, height, fps, stream.frames or None, duration, aspect, turned)


def stated_duration(
    container: av.container.InputContainer, stream: av.video.VideoStream, first: av.VideoFrame
) -> float | None:
    """Seconds from the first picture to the end, as the file claims."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if clock := _OF_STREAM.fullmatch(stream.metadata.get("DURATION", "")):  # as Matroska writes it
        hours, minutes, seconds = clock.groups()
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds) - max(first.time or 0.0, 0.0)
    if container.duration is None:
        return None
    # Where the container alone knows (Matroska), it counts from zero, not from a picture that begins late.
    return container.duration / av.time_base - max(first.time or 0.0, 0.0)


def read_frames(
    path: str | PathLike,
    *,
    size: tuple[int, int] | None = None,
    start: float = 0.0,
    length: float | None = None,
    seeking: Callable[[], None] = lambda: None,
) -> Generator[Frame, None, None]:
    """Frames of a video, upright, in display order; a thread decodes a few frames ahead until the generator is closed.

    `size` (height, width) of the upright image: frames are scaled while their colours are converted, by area
    averaging and with the half-pixel geometry of `cv2.resize`. `start` and `length`, in seconds, select the frames
    with start <= time < start + length; `index` and `time` stay those of the whole video. What lies before the key
    frame that leads to `start` is not decoded but counted, and damage in it not seen, where that is exact (H.264, HEVC,
    VP9 and AV1 in MP4, MOV, MKV and WebM). Elsewhere it is decoded, which may take long; `seeking` is called again and
    again meanwhile, in that thread, and what it raises ends the reading.

    Raises VideoError at once for a file that `probe` refuses, and at the end if `start` lies behind the last frame.
    A damaged or cut stream yields what decodes, then warns with VideoWarning.
    """
    if size is not None and min(size) < 1:
        raise ValueError(f"size must be (height, width) of at least 1 pixel, not {size}")
    if not start >= 0 or not (length is None or length > 0):  # so that NaN is neither
        raise ValueError(f"start must be >= 0 and length > 0 seconds, not {start} and {length}")
    info = probe(path)
    return _read_ahead(lambda wanted: _frames(info, size, start, length, wanted), seeking)


class _Unwanted(BaseException):
    """Raised in the decoding thread when nobody waits for frames any more."""


def _read_ahead(
    decode: Callable[[Callable[[], None]], Iterator[Frame]], seeking: Callable[[], None]
) -> Generator[Frame, None, None]:
    """The frames of `decode`, which is given what it is to call again and again while it looks for the first."""
    items: queue.Queue[Frame | BaseException | None] = queue.Queue(QUEUE_DEPTH)
    closed = threading.Event()

    def wanted() -> None:
        if closed.is_set():
            raise _Unwanted
        seeking()

    def work() -> None:
        end = None
        try:
            with closing(decode(wanted)) as frames:
                for frame in frames:
                    items.put(frame)
                    if closed.is_set():
                        return
        except _Unwanted:
            return
        except BaseException as error:  # belongs to the consumer, whatever it is: a cancelled task too
            end = error
        items.put(end)

    # A daemon: a generator that was left half read must not keep the interpreter from exiting.
    thread = threading.Thread(target=work, name="video-decoder", daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not None:
            if isinstance(item, VideoWarning):
                warnings.warn(item, stacklevel=2)
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        while not items.empty():  # makes room for the one item the thread may be waiting to put
            items.get()
        thread.join()


def _frames(
    info: VideoInfo,
    size: tuple[int, int] | None,
    start: float,
    length: float | None,
    seeking: Callable[[], None],
    skip: bool = True,
) -> Iterator[Frame]:
    """As `read_frames`, in this thread; damage ends in a VideoWarning that is raised, not warned."""
    entry = _entry(info.path, start, seeking) if start and skip else None
    height, width = size or (info.height, info.width)
    end = float("inf") if length is None else start + length
    index, time, shown = -1, 0.0, 0.0  # of the last frame: number, start and end in seconds
    chosen = 0  # frames within the part
    damaged, lost = False, float("inf")  # lost: earliest timestamp that did not decode
    intact, last_good = True, "none"
    with open_video(info.path) as (container, stream):
        stream.thread_type = "AUTO"
        stream.thread_count = 1 if stream.width * stream.height <= SINGLE_THREAD_PIXELS else 4
        clock, scaler = Clock(1 / info.fps), VideoReformatter()
        # AVI has no time of showing a frame, only the order of decoding: with B-frames, what FFmpeg makes of it jumps.
        timed = not (container.format.name == "avi" and stream.codec_context.has_b_frames)
        raws = _decode(container, stream, entry and entry.key)
        if entry is not None:
            first = _first_shown(raws, entry, seeking)
            if first is None:
                yield from _frames(info, size, start, length, seeking, skip=False)
                return
            raws = chain([first], raws)
            index, clock.origin = entry.index - 1, entry.origin * stream.time_base
        for raw in raws:
            if not isinstance(raw, av.VideoFrame):
                damaged, lost = True, min(lost, raw)
                continue
            index += 1
            time = clock(raw.pts * raw.time_base if timed and raw.pts is not None else None)
            shown = time + float(raw.duration * raw.time_base)
            intact = intact and not raw.is_corrupt and (raw.pts is None or raw.pts < lost)
            if intact:
                last_good = f"frame {index} ({time:.3f} s)"
            if time < start - TIME_TOLERANCE:
                seeking()
                continue
            if time >= end - TIME_TOLERANCE:
                if not chosen:
                    raise VideoError(f"{info.path}: no frame from {start:g} s to {end:g} s; choose a longer part")
                break
            chosen += 1
            yield Frame(index, time, to_rgb(raw, (height, width), scaler, info.turned))
        else:
            if time < start - TIME_TOLERANCE:
                raise VideoError(f"{info.path}: ends at {time:.3f} s, before the start of {start:g} s; start earlier")
            # A file cut between two packets decodes without an error. Half a second: sound may outlast the picture, and
            # by more where the file says nothing of the picture alone.
            alone = stream.duration is not None or "DURATION" in stream.metadata or len(container.streams) == 1
            if alone and info.duration and info.duration - shown > max(0.5, 0.02 * info.duration):
                damaged = True
    if damaged or not intact:
        raise VideoWarning(
            f"{info.path}: damaged or cut, the last good frame before the damage is {last_good}, {index + 1} frames "
            "decoded in all; export or download the video again if the rest matters"
        )


@dataclass(frozen=True, slots=True)
class _Entry:
    """What there is to know of the frames before a part; timestamps in the units of the stream."""

    key: int  # timestamp of the key frame to decode from
    first: int  # timestamp of the first frame of the part
    index: int  # its number
    origin: int  # timestamp of the first frame of the video


def _entry(path: Path, start: float, seeking: Callable[[], None]) -> _Entry | None:
    """Where decoding may begin for a part that begins at `start`, from packets alone: none is decoded.

    None where that is the video's first frame anyway, and where packets do not tell the number and time of a frame.
    """
    stamps: list[int] = []  # of the packets in the file's order, which is that of decoding
    keys: list[int] = []  # those of key frames
    with open_video(path) as (container, stream):
        codec = stream.codec_context.codec.canonical_name
        if container.format.name not in COUNTABLE_CONTAINERS or codec not in COUNTABLE_CODECS:
            return None

        def seconds(stamp: int) -> float:
            return float((stamp - stamps[0]) * stream.time_base)

        behind = 0  # key frames behind the start: all that is shown before the first comes before the second
        try:
            for packet in container.demux(stream):
                seeking()
                if not packet.size:  # the last one, which flushes the decoder
                    break
                if packet.pts is None or packet.is_corrupt or packet.is_discard:
                    return None
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
                    behind += seconds(packet.pts) > start
                    if behind == 2:
                        break
        except av.FFmpegError:
            return None
        if not keys or not keys[0] == stamps[0] == min(stamps) or len(set(stamps)) < len(stamps):
            return None
        first = min((stamp for stamp in stamps if seconds(stamp) >= start - TIME_TOLERANCE), default=max(stamps))
        key = max(stamp for stamp in keys if stamp <= first)
        before = stamps[: stamps.index(key)]
        if not before or max(before) > key:
            return None
        return _Entry(key, first, sum(stamp < first for stamp in stamps), stamps[0])


def _first_shown(
    raws: Iterator[av.VideoFrame | float], entry: _Entry, seeking: Callable[[], None]
) -> av.VideoFrame | None:
    """The first frame of the part, decoded from its key frame; None where anything is not as the packets promised."""
    key = entry.key
    for raw in raws:
        # Two packets make an interlaced frame if each field has its own.
        if not isinstance(raw, av.VideoFrame) or raw.pts is None or raw.is_corrupt or raw.interlaced_frame:
            return None
        # At a recovery point, which counts as a key frame, the picture is whole only some frames later.
        if key is not None and raw.pts != key:
            return None
        key = None
        if raw.pts >= entry.first:
            return raw if raw.pts == entry.first else None
        seeking()
    return None


def displayed_size(raw: av.VideoFrame, turned: tuple[bool, bool, bool]) -> tuple[int, int]:
    """(height, width) of a decoded frame once it is upright."""
    return (raw.width, raw.height) if turned[0] else (raw.height, raw.width)


def pixel_aspect(stream: av.video.VideoStream, turned: tuple[bool, bool, bool]) -> Fraction:
    """Width over height of the pixels of a stream once they are upright; 1 where the file does not say."""
    aspect = stream.sample_aspect_ratio or Fraction(1)
    return 1 / aspect if turned[0] else aspect


def to_rgb(
    raw: av.VideoFrame, size: tuple[int, int], scaler: VideoReformatter, turned: tuple[bool, bool, bool]
) -> np.ndarray:
    """A decoded frame as an upright image (H, W, 3) uint8 RGB of this `size` (height, width).

    Of an interlaced frame that is made smaller, one field is taken: in both, what moves would be seen twice.
    """
    stored = size if turned[0] else size[::-1]  # (width, height)
    field = raw.interlaced_frame and stored[1] < raw.height
    width, height = (raw.width, raw.height) if field else stored
    # AREA matches cv2.INTER_AREA to 0.05 px; FAST_BILINEAR would shift the picture by a pixel.
    options = dict(interpolation=Interpolation.AREA, threads=1)
    try:
        rgb = scaler.reformat(raw, width, height, "rgb24", **options)
    except av.FFmpegError:  # of a colour matrix that is not known there: slightly wrong colours are better than none
        raw.colorspace = UNSPECIFIED
        rgb = scaler.reformat(raw, width, height, "rgb24", **options)
    image = rgb.to_ndarray()
    if field:
        image = cv2.resize(image[::2], stored, interpolation=cv2.INTER_AREA)
    return _upright(image, turned)


class Clock:
    """Seconds after the first frame, strictly increasing, from timestamps that may be missing or run backwards."""

    def __init__(self, step: Fraction) -> None:
        self.step = step
        self.origin: Fraction | None = None
        self.last: Fraction | None = None

    def __call__(self, timestamp: Fraction | None) -> float:
        now = Fraction(0) if self.last is None else self.last + self.step
        if timestamp is not None:
            if self.origin is None or (self.last is not None and timestamp - self.origin <= self.last - RESTART):
                self.origin = timestamp - now
            now = timestamp - self.origin
            if self.last is not None and now <= self.last:
                now = self.last + self.step / 4  # a short one, so that the next timestamps are ahead again
        self.last = now
        return float(now)


@contextmanager
def open_video(path: Path) -> Iterator[tuple[av.container.InputContainer, av.video.VideoStream]]:
    """The container and the video stream of a file; VideoError if there is none."""
    if not path.exists():
        raise VideoError(f"{path}: no such file; check the path")
    if path.is_dir():
        numbered = any(file.suffix.lower() in IMAGES for file in path.glob("*[0-9].*"))
        remedy = " or, of its images, first make one: ffmpeg -framerate 30 -i %04d.png video.mp4" if numbered else ""
        raise VideoError(f"{path}: is a directory; name a video file in it{remedy}")
    if not path.is_file():
        raise VideoError(f"{path}: is a pipe or a device, which is not read; save the video as a file and name that")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: is empty; export or download the video again")
    try:
        # Absolute: of a relative name, FFmpeg takes what comes before a colon for a protocol. Titles need not be UTF-8.
        container = av.open(path.absolute(), metadata_errors="replace")
    except av.FFmpegError as error:
        if _index_lost(path):
            raise VideoError(
                f"{path}: its index (moov) is lost, the recording or download was cut off; "
                "get the file again or repair it with a tool such as untrunc"
            ) from error
        raise VideoError(f"{path}: cannot be read as a video ({error.strerror}); convert it to MP4") from error
    with container:
        if PLAYLISTS.intersection(container.format.name.split(",")):
            raise VideoError(f"{path}: is a playlist, which names other files; choose the video itself")
        yield container, picture_stream(container, path)


def picture_stream(container: av.container.InputContainer, name: Path | str) -> av.video.VideoStream:
    """The stream of a container that shows moving pictures; VideoError, with the container's name, if there is none."""
    stream = container.streams.best("video")
    if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
        raise VideoError(f"{name}: has no video stream; choose a file with a picture, not only sound")
    if stream.codec_context is None:
        raise VideoError(f"{name}: there is no decoder for its video stream; convert it to H.264")
    return stream


def _index_lost(path: Path) -> bool:
    """Whether this is an MP4 / MOV file whose boxes end without the `moov` box that says where the frames are."""
    size, position, names = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while position + 8 <= size:
            file.seek(position)
            length, name = int.from_bytes(file.read(4), "big"), file.read(4)
            names.add(name)
            if length == 1:  # a 64-bit length follows
                length = int.from_bytes(file.read(8), "big")
            if length < 8:  # 0: the box runs to the end of the file
                break
            position += length
    return bool(names & {b"ftyp", b"mdat"}) and b"moov" not in names


def _decode(
    container: av.container.InputContainer, stream: av.video.VideoStream, since: int | None = None
) -> Iterator[av.VideoFrame | float]:
    """Frames in display order and, whenever a packet cannot be read or decoded, the timestamp that is lost.

    `since`: timestamp of a key frame; packets that are shown before it are left out.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)  # the last one is empty and flushes the decoder
        except StopIteration:
            return
        except av.FFmpegError:
            yield float("inf")  # whatever would have followed
            return
        if since is not None and packet.pts is not None and packet.pts < since:
            continue
        try:
            frames = packet.decode()
        except av.FFmpegError:
            yield packet.pts if packet.pts is not None else float("-inf")
        else:
            yield from frames


def orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """(transpose, flip x, flip y) that turn the stored picture upright; flips come after the transposition.

    To be asked of one frame of a stream: a frame and its side data refer to each other, and one that was asked stays in
    memory, with its picture, until Python looks for such cycles.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return False, False, False
    # Display matrix, row vectors: x' = a x + c y, y' = b x + d y, fixed point.
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)


def _upright(image: np.ndarray, turned: tuple[bool, bool, bool]) -> np.ndarray:
    transpose, flip_x, flip_y = turned
    if transpose:
        image = image.swapaxes(0, 1)
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])


class VideoWriter:
    """Writes RGB frames as H.264, yuv420p (BT.709), MP4 with the index in front: it plays in browsers.

    A context manager. The file appears under its name only when the block ends without an exception; until then it is
    `.<name>.part`. An odd height or width is padded by repeating the last row or column, which H.264 needs even.

    with VideoWriter("out.mp4", (720, 1280), Fraction(30000, 1001)) as writer:
        writer.write(image)
    """

    def __init__(
        self, path: str | PathLike, size: tuple[int, int], fps: Fraction, pixel_aspect: Fraction = Fraction(1)
    ) -> None:
        """`size` is (height, width) of the images, `fps` the rate of frames that are written without a time.

        Players show the pixels `pixel_aspect` times as wide as they are high.

        Raises VideoError if the file cannot be created or the images not be encoded.
        """
        self.path = Path(path)
        self.size = size
        # A mean rate may be a ratio of huge numbers, or less than a frame in 1001 seconds.
        self.fps = max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))
        self._partial = self.path.with_name(f".{self.path.name}.part")
        self._written = 0
        self._first_time = 0.0
        self._last_time: float | None = None
        self._last_pts = -1
        options = {"movflags": "+faststart"}
        self._container = av.open(self._partial.absolute(), "w", format="mp4", options=options)  # as in open_video
        self._stream = self._container.add_stream("libx264", rate=self.fps, options={"preset": "veryfast", "crf": "21"})
        self._stream.pix_fmt = "yuv420p"
        self._stream.height, self._stream.width = (side + side % 2 for side in size)
        self._stream.codec_context.sample_aspect_ratio = pixel_aspect
        # Fine enough for any timestamp, and a multiple of the rate so that a constant one stays exact.
        self._stream.codec_context.time_base = Fraction(1, self.fps.numerator * ceil(90_000 / self.fps.numerator))
        context = self._stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
        context.color_range = 1  # limited
        self._scaler = VideoReformatter()
        try:
            self._container.start_encoding()  # creates the file
        except av.FFmpegError as error:
            with suppress(OSError):  # of a name that is too long
                self._partial.unlink()
            remedy = "choose an existing, writable folder"
            if not isinstance(error, OSError):  # the encoder's
                remedy = f"choose images that H.264 can hold, {size[1]} x {size[0]} pixels may be too many"
            raise VideoError(f"{self.path}: cannot be written ({error.strerror}); {remedy}") from error

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Append `image` (H, W, 3) uint8 RGB at `time`, seconds on any clock (None: one frame after the last).

        The video starts with the first frame, whatever its time. Raises ValueError for an image of another shape or
        type, and for a time that does not advance.
        """
        if image.shape != (*self.size, 3) or image.dtype != np.uint8:
            raise ValueError(f"expected a {(*self.size, 3)} uint8 image, got {image.shape} {image.dtype}")
        time_base = self._stream.codec_context.time_base
        if self._written == 0:
            self._first_time = time or 0.0
        if time is None:
            pts = self._last_pts + round(1 / self.fps / time_base) if self._written else 0
        else:
            if self._written and self._last_time is not None and time <= self._last_time:
                raise ValueError(f"times must increase: {time} s follows {self._last_time} s")
            # Of timestamps that are nearer than a tick, the later one gets the next.
            pts = max(round((time - self._first_time) / time_base), self._last_pts + 1)
        bottom, right = (side % 2 for side in self.size)
        if bottom or right:
            image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "rgb24")
        frame = self._scaler.reformat(rgb, format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range="MPEG")
        frame.pts, frame.time_base = pts, time_base
        with self._writing():
            self._container.mux(self._stream.encode(frame))
        self._written += 1
        self._last_time, self._last_pts = time, pts

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except av.FFmpegError as error:
            raise VideoError(f"{self.path}: cannot be written ({error.strerror}); is the disk full?") from error

    def __enter__(self) -> "VideoWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._writing():
                if kind is None and self._written:
                    self._container.mux(self._stream.encode(None))
                self._container.close()
            if kind is None and self._written:
                self._partial.replace(self.path)
        finally:
            self._partial.unlink(missing_ok=True)
        if kind is None and not self._written:
            raise VideoError(f"{self.path}: no frame was written, so there is no video; write at least one")
