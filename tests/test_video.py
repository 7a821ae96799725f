import asyncio
import gc
import os
import queue
import subprocess
import sys
import threading
import warnings
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from tracknetv5 import video
from tracknetv5.video import Clock, VideoError, VideoWarning, VideoWriter, probe, read_frames

NTSC = Fraction(30000, 1001)


def picture(index: int, height: int = 72, width: int = 128) -> np.ndarray:
    """A grey slope with a bright square that moves two pixels a frame."""
    image = np.repeat(np.linspace(40, 90, width, dtype=np.uint8)[None, :, None], height, 0).repeat(3, 2)
    x = 10 + 2 * index % (width - 30)
    image[20:32, x : x + 12] = 230
    return image


def square_x(image: np.ndarray) -> float:
    """x of the middle of the bright square, as a share of the width."""
    return (np.nonzero(image[..., 0] > 160)[1].mean() + 0.5) / image.shape[1]


def encode(path, images, *, rate=30, pts=None, rotation=None, faststart=True, codec="libx264", **params):
    """A file with options that VideoWriter does not have, those of the codec as `params`; `pts` in milliseconds."""
    options = {"movflags": "+faststart"} if faststart and path.suffix == ".mp4" else {}
    with av.open(path, "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, options={"g": "12"} | params)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv420p")
            if pts is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
                frame.pts, frame.time_base = pts[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """60 frames of moving noise, so that bytes spread evenly over the file."""
    noise = np.random.default_rng(0).integers(0, 255, (72, 128, 3), dtype=np.uint8)
    return [np.roll(noise, 2 * index, 1) for index in range(60)]


def cut(path, share: float):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_a_rate_that_cannot_be_is_that_of_the_timestamps(tmp_path):
    """As browsers record: the file claims a rate of 1000, the grain of its timestamps."""
    stamps = [round(k * 1000 / 30) for k in range(40)]
    info = probe(encode(tmp_path / "camera.mkv", [picture(k) for k in range(40)], rate=1000, pts=stamps))
    assert float(info.fps) == pytest.approx(30, rel=0.05)


def test_frames_arrive_complete_in_order_and_right_way_round(tmp_path):
    path = encode(tmp_path / "clip.mp4", [picture(i) for i in range(20)], rate=NTSC)
    frames = list(read_frames(path))
    assert [frame.index for frame in frames] == list(range(20))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / float(NTSC), atol=1e-6)
    for frame in frames:
        assert frame.image.shape == (72, 128, 3) and frame.image.dtype == np.uint8
        assert abs(frame.image.astype(int) - picture(frame.index)).mean() < 4
    info = probe(path)
    assert (info.path, info.width, info.height, info.fps, info.frames) == (path, 128, 72, NTSC, 20)
    assert info.duration == pytest.approx(20 / NTSC, abs=1e-3)


@pytest.mark.parametrize("count", [1, 2])
def test_very_short_videos(tmp_path, count):
    path = encode(tmp_path / "short.mp4", [picture(i) for i in range(count)], rate=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [frame.index for frame in read_frames(path)] == list(range(count))


def test_channels_are_rgb(tmp_path):
    red = np.full((64, 64, 3), (220, 30, 60), np.uint8)
    with VideoWriter(tmp_path / "red.mp4", (64, 64), Fraction(25)) as writer:
        writer.write(red)
    (frame,) = read_frames(tmp_path / "red.mp4")
    np.testing.assert_allclose(frame.image.mean((0, 1)), (220, 30, 60), atol=3)


@pytest.mark.parametrize("source", [(720, 1280), (360, 640), (1280, 720)])
def test_scaling_is_anti_aliased_and_keeps_the_half_pixel_rule(tmp_path, source):
    """A blob near a corner: its centroid must be where cv2.INTER_AREA puts it; fine noise must average out as there."""
    height, width = source
    y, x = np.mgrid[:height, :width]
    sigma = width / 400
    blob = 60 + 180 * np.exp(-((x - width * 0.93) ** 2 + (y - height * 0.06) ** 2) / (2 * sigma**2))
    noise = 20 + 200 * np.random.default_rng(0).integers(0, 2, source)

    path = tmp_path / "still.mkv"
    encode(path, [np.repeat(image.round().astype(np.uint8)[..., None], 3, 2) for image in (blob, noise)])
    for full, small in zip(read_frames(path), read_frames(path, size=(288, 512)), strict=True):
        expected = cv2.resize(full.image, (512, 288), interpolation=cv2.INTER_AREA)
        if full.index == 0:
            np.testing.assert_allclose(centroid(small.image), centroid(expected), atol=0.1)
        elif width == 1280:
            assert small.image.std() == pytest.approx(expected.std(), rel=0.1)


def centroid(image: np.ndarray) -> tuple[float, float]:
    heat = image.mean(-1)
    heat = np.where(heat > np.median(heat) + 5, heat - np.median(heat), 0)
    y, x = np.mgrid[: heat.shape[0], : heat.shape[1]]
    return (heat * x).sum() / heat.sum(), (heat * y).sum() / heat.sum()


@pytest.mark.parametrize(
    ("rotation", "upright"),
    [
        ((0,), lambda image: image),
        ((90,), lambda image: np.rot90(image, 1)),  # degrees count counterclockwise, as in np.rot90
        ((180,), lambda image: np.rot90(image, 2)),
        ((-90,), lambda image: np.rot90(image, -1)),
        ((0, True), lambda image: image[:, ::-1]),
        ((0, False, True), lambda image: image[::-1]),
    ],
)
def test_rotation_metadata_is_honoured(tmp_path, rotation, upright):
    stored = np.zeros((64, 96, 3), np.uint8)
    stored[:32, :48], stored[:32, 48:], stored[32:, :48] = 250, 170, 90  # four different corners
    path = encode(tmp_path / "phone.mp4", [stored] * 2, rotation=rotation)
    expected = upright(stored)
    info = probe(path)
    assert (info.height, info.width) == expected.shape[:2]
    frame = next(read_frames(path))
    assert frame.image.shape == expected.shape
    assert abs(frame.image.astype(int) - expected).mean() < 3
    half = tuple(side // 2 for side in expected.shape[:2])
    scaled = next(read_frames(path, size=half)).image
    assert scaled.shape[:2] == half  # `size` is that of the upright picture
    assert abs(scaled.astype(int) - cv2.resize(expected, half[::-1], interpolation=cv2.INTER_AREA)).mean() < 5


@pytest.mark.parametrize(
    ("rotation", "aspect", "expected"),
    [
        (None, {}, 1),
        (None, {"aspect": "4/3"}, Fraction(4, 3)),
        ((180,), {"aspect": "4/3"}, Fraction(4, 3)),
        ((90,), {"aspect": "4/3"}, Fraction(3, 4)),
    ],
)
def test_the_shape_of_pixels_is_that_of_the_upright_picture(tmp_path, rotation, aspect, expected):
    path = encode(tmp_path / "hdv.mp4", [picture(0)], rotation=rotation, **aspect)
    assert probe(path).pixel_aspect == expected


def test_variable_frame_rate_keeps_its_timestamps(tmp_path):
    pts = [500, 533, 600, 610, 900, 1400, 1433]
    path = encode(tmp_path / "phone.mkv", [picture(i) for i in range(len(pts))], pts=pts)
    times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, (np.array(pts) - 500) / 1000, atol=1e-3)


def test_missing_and_repeated_timestamps_are_estimated_and_the_next_ones_hold_again():
    clock = Clock(Fraction(1, 10))
    stamps = [None, Fraction(7), None, Fraction(73, 10), Fraction(73, 10), Fraction(72, 10), Fraction(74, 10)]
    np.testing.assert_allclose([clock(stamp) for stamp in stamps], [0, 0.1, 0.2, 0.4, 0.425, 0.45, 0.5])


def test_frames_faster_than_the_stated_rate_keep_their_times_after_a_repeated_one():
    clock = Clock(Fraction(1, 30))
    times = [clock(Fraction(max(k, 1) - 1, 60)) for k in range(300)]  # the first timestamp comes twice
    np.testing.assert_allclose(times[2:], np.arange(1, 299) / 60)


def test_timestamps_that_begin_anew_go_on_from_the_last():
    clock = Clock(Fraction(1, 10))
    stamps = [Fraction(3), Fraction(31, 10), Fraction(0), Fraction(12, 100)]
    np.testing.assert_allclose([clock(stamp) for stamp in stamps], [0, 0.1, 0.2, 0.32])


def test_avi_with_b_frames_has_the_times_of_its_rate(tmp_path):
    """It stores the order of decoding alone, and what FFmpeg makes of that jumps."""
    path = encode(tmp_path / "clip.avi", [picture(i) for i in range(40)], rate=25, bf="3")
    times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.arange(40) / 25)


def test_of_an_interlaced_frame_one_field_is_seen(tmp_path):
    """In both, a moving thing would be there twice."""
    woven = [picture(4 * i) for i in range(12)]
    for index, image in enumerate(woven):
        image[1::2] = picture(4 * index + 20)[1::2]  # 40 pixels later
    path = encode(tmp_path / "clip.mp4", woven, **{"x264-params": "tff=1", "crf": "1"})
    for frame in read_frames(path, size=(36, 64)):
        assert square_x(frame.image) == pytest.approx(square_x(picture(4 * frame.index)), abs=0.02)
    whole = next(read_frames(path)).image  # nothing is lost of a picture that keeps its size
    assert np.ptp(np.nonzero(whole[..., 0] > 160)[1]) > 40


def test_a_colour_matrix_that_is_not_known_is_taken_for_another(tmp_path):
    path = encode(tmp_path / "clip.mp4", [picture(i) for i in range(3)], colorspace="8")
    with av.open(path) as container:
        assert next(container.decode(video=0)).colorspace == 8  # YCgCo
    assert [square_x(frame.image) for frame in read_frames(path)] == pytest.approx(
        [square_x(picture(i)) for i in range(3)], abs=0.02
    )


def test_start_and_length_keep_absolute_indices_and_times(tmp_path):
    path = encode(tmp_path / "clip.mp4", [picture(i) for i in range(30)])
    frames = list(read_frames(path, start=0.5, length=0.2))
    assert [frame.index for frame in frames] == [15, 16, 17, 18, 19, 20]
    assert frames[0].time == pytest.approx(0.5)
    assert square_x(frames[0].image) == pytest.approx(square_x(picture(15)), abs=0.01)
    with pytest.raises(ValueError, match="start must be >= 0"):
        next(read_frames(path, start=float("nan")))
    with pytest.raises(VideoError, match="clip.mp4: ends at 0.967 s, before the start of 5 s; start earlier"):
        next(read_frames(path, start=5))


REORDERED = {"bf": "3", "x264-params": "open-gop=1:scenecut=0"}  # frames of a group refer to the one before it


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b_frames.mp4", REORDERED),
        ("odd_start.mkv", REORDERED | {"pts": [437 + 33 * k + 7 * (k % 3) for k in range(60)]}),
        ("no_key_frames.mp4", {"x264-params": "intra-refresh=1:keyint=12"}),
        ("never_whole.mp4", {"g": "24", "x264-params": "intra-refresh=1:keyint=24:bframes=0"}),
        ("mpeg4.mp4", {"codec": "mpeg4", "bf": "2"}),
        ("no_timestamps.avi", {"codec": "mpeg4", "bf": "2"}),
    ],
)
def test_a_later_start_gives_the_frames_of_the_whole_video(tmp_path, noisy, name, options):
    path = encode(tmp_path / name, noisy, **options)
    whole = list(read_frames(path))
    assert len(whole) == 60
    for first in (1, 11, 12, 13, 29, 36, 59):
        start = whole[first].time
        part = list(read_frames(path, start=start, length=0.1))
        expected = [frame for frame in whole[first:] if frame.time < start + 0.1 - 1e-6]
        assert [(frame.index, frame.time) for frame in part] == [(frame.index, frame.time) for frame in expected]
        np.testing.assert_array_equal([frame.image for frame in part], [frame.image for frame in expected])


def test_what_lies_before_the_key_frame_of_a_start_is_not_decoded(tmp_path, noisy, monkeypatch):
    path = encode(tmp_path / "clip.mp4", noisy, **REORDERED)
    decoded, original = [], video._decode
    monkeypatch.setattr(video, "_decode", lambda *args: (decoded.append(raw) or raw for raw in original(*args)))
    assert next(read_frames(path, start=49 / 30)).index == 49
    assert len(decoded) <= 1 + 60 - 48  # one by `probe`


def test_interlaced_video_is_decoded_from_its_beginning(tmp_path, noisy, monkeypatch):
    """Some files hold each of a frame's two fields as a packet of its own."""
    path = encode(tmp_path / "clip.mp4", noisy, **{"x264-params": "tff=1"})
    decoded, original = [], video._decode
    monkeypatch.setattr(video, "_decode", lambda *args: (decoded.append(raw) or raw for raw in original(*args)))
    assert next(read_frames(path, start=49 / 30)).index == 49
    assert len(decoded) > 49


@pytest.mark.parametrize("intact", [0, 0.5])
def test_damage_before_a_start_counts_as_in_the_whole_video(tmp_path, noisy, intact):
    path = encode(tmp_path / "spot.mp4", noisy)
    with av.open(path) as container:
        packet = next(packet for packet in container.demux(video=0) if packet.pts * packet.time_base == Fraction(4, 3))
        begin, end = packet.pos + int(intact * packet.size), packet.pos + packet.size
    data = bytearray(path.read_bytes())
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    with pytest.warns(VideoWarning):
        expected = [(frame.index, frame.time) for frame in read_frames(path) if frame.time > 1.45]
    with pytest.warns(VideoWarning):
        assert [(frame.index, frame.time) for frame in read_frames(path, start=1.46)] == expected


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_seeking_can_be_ended(tmp_path, noisy, codec):
    path = encode(tmp_path / "clip.mp4", noisy, codec=codec)
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 20:
            raise InterruptedError("the visitor left")

    with pytest.raises(InterruptedError, match="the visitor left"):
        next(read_frames(path, start=1.9, seeking=stop))
    assert len(calls) == 20


@pytest.mark.parametrize("options", [{"start": -1}, {"length": 0}, {"size": (0, 512)}])
def test_impossible_options_are_refused_before_work_is_done(tmp_path, options):
    path = encode(tmp_path / "clip.mp4", [picture(0)])
    with pytest.raises(ValueError, match=next(iter(options))):
        read_frames(path, **options)


def test_closing_the_generator_ends_its_thread(tmp_path):
    path = encode(tmp_path / "clip.mp4", [picture(i) for i in range(60)])
    before = threading.active_count()
    frames = read_frames(path)
    next(frames)
    assert threading.active_count() == before + 1
    frames.close()
    assert threading.active_count() == before


def test_an_interrupt_ends_the_search_for_a_start(tmp_path, noisy, monkeypatch):
    """It may take long where all before it has to be decoded, and nobody waits for it any more."""
    path = encode(tmp_path / "clip.avi", noisy, codec="mpeg4")
    begun, closing, calls = threading.Event(), threading.Event(), []

    class Interrupted(queue.Queue):
        def get(self):
            assert begun.wait(10)
            raise KeyboardInterrupt

        def empty(self):  # asked once the generator is closed
            closing.set()
            return super().empty()

    def seeking():
        calls.append(1)
        begun.set()
        assert closing.wait(10)

    monkeypatch.setattr(video.queue, "Queue", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(read_frames(path, start=1.9, seeking=seeking))
    assert len(calls) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError])
def test_whatever_ends_seeking_reaches_the_reader(tmp_path, noisy, error):
    path = encode(tmp_path / "clip.mp4", noisy, codec="mpeg4")

    def stop():
        raise error

    with pytest.raises(error):
        next(read_frames(path, start=1.9, seeking=stop))


def test_reading_ahead_is_bounded(tmp_path, monkeypatch):
    """However slow the consumer, only the queue, one frame in hand and one on its way exist."""
    made, most, waits = [], 1 + video.QUEUE_DEPTH + 1, threading.Event()
    original = video._upright

    class Queue(queue.Queue):
        def put(self, item):
            if len(made) == most and self.full():
                waits.set()
            super().put(item)

    monkeypatch.setattr(video, "_upright", lambda *args: made.append(1) or original(*args))
    monkeypatch.setattr(video.queue, "Queue", Queue)
    frames = read_frames(encode(tmp_path / "clip.mp4", [picture(i) for i in range(60)]))
    next(frames)
    assert waits.wait(10) and len(made) == most
    assert len(list(frames)) == 59


def test_no_frame_waits_for_the_search_for_cycles(tmp_path):
    """Large pictures in few objects: Python seldom looks, and memory would grow meanwhile."""
    path = tmp_path / "long.mp4"
    with VideoWriter(path, (48, 64), 30) as writer:
        for _ in range(40):
            writer.write(np.zeros((48, 64, 3), np.uint8))

    def frames_held() -> int:
        return sum(type(thing) is av.VideoFrame for thing in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        before = frames_held()  # by what other tests have left running
        assert sum(1 for _ in read_frames(path)) == 40
        assert frames_held() - before < 10  # of `probe` and of the reading
    finally:
        gc.enable()


def test_interpreter_exits_with_a_half_read_video(tmp_path):
    path = encode(tmp_path / "clip.mp4", [picture(i) for i in range(60)])
    code = f"from tracknetv5.video import read_frames; frames = read_frames({str(path)!r}); next(frames)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def broken(folder, kind):
    path = folder / f"{kind}.mp4"
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("not a video\n" * 50)
    elif kind in ("sound", "cover"):
        with av.open(path, "w") as container:
            stream = container.add_stream("aac", rate=16000)
            if kind == "cover":
                cover = container.add_stream("mjpeg", rate=1, width=64, height=64, pix_fmt="yuvj420p")
                cover.disposition = av.stream.Disposition.attached_pic
                container.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.rate = 16000
            container.mux(stream.encode(samples))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "no such file"),
        ("directory", "is a directory"),
        ("empty", "is empty"),
        ("text", "cannot be read as a video"),
        ("sound", "has no video stream"),
        ("cover", "has no video stream"),
    ],
)
@pytest.mark.parametrize("function", [probe, read_frames])
def test_a_file_that_is_no_video_is_refused_at_once_in_one_line(tmp_path, kind, reason, function):
    with pytest.raises(VideoError) as caught:
        function(broken(tmp_path, kind))
    message = str(caught.value)
    assert f"{kind}.mp4: {reason}" in message and "; " in message and "\n" not in message


def test_a_playlist_is_refused_whatever_its_name(tmp_path):
    with VideoWriter(tmp_path / "real.mp4", (72, 128), Fraction(30)) as writer:
        writer.write(picture(0))
    listed = tmp_path / "listed.mp4"
    for text in ("ffconcat version 1.0\nfile real.mp4\n", f"#EXTM3U\n#EXTINF:1,\n{tmp_path / 'real.mp4'}\n"):
        listed.write_text(text)
        with pytest.raises(VideoError, match="listed.mp4: "):
            probe(listed)
    listed.write_text("ffconcat version 1.0\nfile real.mp4\n")
    with pytest.raises(VideoError, match="is a playlist, which names other files; choose the video itself"):
        probe(listed)


def test_a_sequence_of_images_is_no_video_yet(tmp_path):
    (tmp_path / "notes 2.txt").touch()
    with pytest.raises(VideoError, match="is a directory; name a video file in it$"):
        probe(tmp_path)
    (tmp_path / "0001.JPG").touch()
    with pytest.raises(VideoError, match="is a directory; name a video file in it or, of its images, first make one"):
        probe(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_told_from_an_empty_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VideoError, match="pipe: is a pipe or a device, which is not read; save the video as a file"):
        probe(tmp_path / "pipe")


def test_lost_index(tmp_path, noisy):
    path = cut(encode(tmp_path / "lost.mp4", noisy, faststart=False), 0.6)
    with pytest.raises(VideoError, match=r"lost.mp4: its index \(moov\) is lost"):
        read_frames(path)


@pytest.mark.parametrize("mdat", [bytes(4) + b"mdat", b"\0\0\0\1mdat" + (1 << 40).to_bytes(8, "big")])
def test_lost_index_of_a_recording_that_never_ended(tmp_path, mdat):
    """Boxes that run to the end of the file, or say that they are longer than it."""
    path = tmp_path / "lost.mp4"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + mdat + bytes(1000))
    with pytest.raises(VideoError, match=r"its index \(moov\) is lost"):
        probe(path)


def test_no_frame_decodes(tmp_path, noisy):
    path = encode(tmp_path / "blank.mp4", noisy)
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = bytes(len(data) - begin)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="blank.mp4: none of its frames decodes"):
        probe(path)


def test_a_picture_that_begins_late_is_not_taken_for_cut(tmp_path):
    pts = [2000 + 33 * k for k in range(30)]
    path = encode(tmp_path / "late.mkv", [picture(i) for i in range(len(pts))], pts=pts)
    assert probe(path).duration == pytest.approx(1.0, abs=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_frames(path))) == 30


@pytest.mark.parametrize(("name", "codec"), [("cut.mp4", "libx264"), ("cut.mkv", "libx264"), ("cut.avi", "mpeg4")])
def test_a_cut_file_yields_what_decodes_and_warns(tmp_path, noisy, name, codec):
    path = cut(encode(tmp_path / name, noisy, codec=codec), 0.6)
    frames = []
    with pytest.warns(VideoWarning) as caught:
        frames.extend(read_frames(path))
    assert 10 <= len(frames) < 60
    assert [frame.index for frame in frames] == list(range(len(frames)))
    message = str(caught[0].message)
    last_good = len(frames) - (2 if codec == "mpeg4" else 1)  # that decoder makes the best of half a frame
    assert f"{name}: damaged or cut" in message and f"frame {last_good} ({frames[last_good].time:.3f} s)" in message
    assert caught[0].filename == __file__


def test_damage_in_the_middle_keeps_the_frames_behind_it(tmp_path, noisy):
    path = encode(tmp_path / "hole.mp4", noisy)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = bytes(6000)
    path.write_bytes(data)
    with pytest.warns(VideoWarning, match="hole.mp4: damaged or cut, the last good frame before the damage is frame 2"):
        frames = list(read_frames(path))
    assert len(frames) < 60 and frames[-1].time == pytest.approx(59 / 30)


def test_one_packet_that_does_not_decode_is_noticed(tmp_path, noisy):
    path = encode(tmp_path / "spot.mp4", noisy)
    with av.open(path) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][40]
        position, size, lost = packet.pos, packet.size, round(packet.pts * packet.time_base * 30)
    data = bytearray(path.read_bytes())
    data[position : position + size] = bytes(size)
    path.write_bytes(data)
    with pytest.warns(VideoWarning, match=f"the last good frame before the damage is frame {lost - 1} "):
        times = [frame.time for frame in read_frames(path)]
    np.testing.assert_allclose(times, np.delete(np.arange(60), lost) / 30)


def test_an_intact_file_does_not_warn(tmp_path):
    pts = [0, 33, 66, 3000, 9000]  # long pauses are no damage
    path = encode(tmp_path / "pauses.mkv", [picture(i) for i in range(len(pts))], pts=pts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_frames(path))) == 5


@pytest.mark.parametrize(("name", "codec", "sound"), [("a.mkv", "libx264", "aac"), ("a.flv", "flv1", "aac")])
def test_sound_that_outlasts_the_picture_is_no_damage(tmp_path, name, codec, sound):
    with av.open(tmp_path / name, "w") as container:
        audio = container.add_stream(sound, rate=48000)
        stream = container.add_stream(codec, rate=30)
        stream.height, stream.width, stream.pix_fmt = 72, 128, "yuv420p"
        for index in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), "rgb24")))
        container.mux(stream.encode(None))
        for start in range(0, 3 * 48000, 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            silence.sample_rate, silence.pts, silence.time_base = 48000, start, Fraction(1, 48000)
            container.mux(audio.encode(silence))
        container.mux(audio.encode(None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_frames(tmp_path / name))) == 30


def test_writer_makes_a_file_that_browsers_play(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (72, 128), NTSC) as writer:
        for index in range(12):
            writer.write(picture(index))
        assert not path.exists()
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.frames) == ("h264", "yuv420p", 12)
        assert stream.average_rate == NTSC
        assert stream.codec_context.colorspace == 1  # BT.709, as the pixels are
    for frame in read_frames(path):
        assert abs(frame.image.astype(int) - picture(frame.index)).mean() < 4
    assert [file.name for file in tmp_path.iterdir()] == ["out.mp4"]


def test_writer_keeps_given_times_and_starts_at_zero(tmp_path):
    times = [10.0, 10.033, 10.1, 10.11, 10.4]
    with VideoWriter(tmp_path / "out.mp4", (72, 128), Fraction(30)) as writer:
        for index, time in enumerate(times):
            writer.write(picture(index), time)
        with pytest.raises(ValueError, match="times must increase"):
            writer.write(picture(0), 10.4)
        times.append(10.4 + 1e-6)  # less than a tick
        writer.write(picture(5), times[-1])
    read = [frame.time for frame in read_frames(tmp_path / "out.mp4")]
    np.testing.assert_allclose(read, np.array(times) - 10, atol=1e-4)
    with av.open(tmp_path / "out.mp4") as container:
        assert next(container.decode(video=0)).pts == 0


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(1)])
def test_writer_keeps_the_shape_of_pixels(tmp_path, aspect):
    with VideoWriter(tmp_path / "out.mp4", (72, 128), Fraction(30), aspect) as writer:
        writer.write(picture(0))
    with av.open(tmp_path / "out.mp4") as container:
        assert container.streams.video[0].sample_aspect_ratio == aspect


def test_a_long_pause_is_written_at_any_mean_rate(tmp_path):
    rate = Fraction(54_000_000, 2_880_541)  # as MP4 states the mean of timestamps that vary
    with VideoWriter(tmp_path / "out.mp4", (72, 128), rate) as writer:
        for time in (0, 1 / 18, 3600, 3600.1):
            writer.write(picture(0), time)
    times = [frame.time for frame in read_frames(tmp_path / "out.mp4")]
    np.testing.assert_allclose(times, [0, 1 / 18, 3600, 3600.1], atol=1e-4)


def test_a_time_lapse_has_a_rate_too(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", (72, 128), Fraction(1, 3600)) as writer:
        for time in (0, 3600):
            writer.write(picture(0), time)
    assert [frame.time for frame in read_frames(tmp_path / "out.mp4")] == [0, 3600]


def test_what_cannot_be_encoded_is_an_error_of_the_video(tmp_path, monkeypatch):
    def full(*_):
        raise av.FFmpegError(28, "No space left on device")

    with pytest.raises(VideoError, match="out.mp4: cannot be written .No space left on device.; is the disk full"):
        with VideoWriter(tmp_path / "out.mp4", (72, 128), Fraction(30)) as writer:
            writer.write(picture(0))
            monkeypatch.setattr(writer, "_stream", SimpleNamespace(encode=full))
    assert not list(tmp_path.iterdir())


def test_writer_pads_odd_sizes_at_the_bottom_and_right(tmp_path):
    image = picture(3, 71, 127)
    with VideoWriter(tmp_path / "odd.mp4", (71, 127), Fraction(30)) as writer:
        writer.write(image)
    (frame,) = read_frames(tmp_path / "odd.mp4")
    assert frame.image.shape == (72, 128, 3)
    assert abs(frame.image[:71, :127].astype(int) - image).mean() < 4
    assert abs(frame.image[71].astype(int) - frame.image[70]).mean() < 8


def test_writer_leaves_no_partial_file_and_keeps_an_older_one(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older result")
    with pytest.raises(RuntimeError, match="interrupted"), VideoWriter(path, (72, 128), Fraction(30)) as writer:
        writer.write(picture(0))
        raise RuntimeError("interrupted")
    assert path.read_bytes() == b"older result" and list(tmp_path.iterdir()) == [path]


def test_writer_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(VideoError, match="nowhere/out.mp4: cannot be written"):
        VideoWriter(tmp_path / "nowhere" / "out.mp4", (72, 128), Fraction(30))
    with pytest.raises(VideoError, match="out.mp4: no frame was written"):
        with VideoWriter(tmp_path / "out.mp4", (72, 128), Fraction(30)) as writer:
            with pytest.raises(ValueError, match="uint8 image"):
                writer.write(picture(0, 70, 128))
    assert list(tmp_path.iterdir()) == []


def test_a_colon_in_a_relative_name_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with VideoWriter("T12:30.mp4", (72, 128), Fraction(30)) as writer:
        writer.write(picture(0))
    assert len(list(read_frames("T12:30.mp4"))) == 1 and probe("T12:30.mp4").width == 128
    assert [path.name for path in tmp_path.iterdir()] == ["T12:30.mp4"]


def test_images_that_the_encoder_refuses_are_an_error_of_the_video(tmp_path):
    with pytest.raises(VideoError, match="out.mp4: cannot be written .*100000 x 72 pixels may be too many"):
        VideoWriter(tmp_path / "out.mp4", (72, 100_000), Fraction(30))
    assert list(tmp_path.iterdir()) == []


def test_a_part_without_a_frame_says_so(tmp_path):
    path = encode(tmp_path / "a.mp4", [picture(k) for k in range(6)])
    with pytest.raises(VideoError, match="choose a longer part"):
        list(read_frames(path, start=0.11, length=0.01))


def test_a_title_that_is_not_utf8(tmp_path):
    path = encode(tmp_path / "a.avi", [picture(k) for k in range(3)], codec="mpeg4")
    data = path.read_bytes()
    title = b"INAM" + (6).to_bytes(4, "little") + b"caf\xe9s\0"
    chunk = b"LIST" + (4 + len(title)).to_bytes(4, "little") + b"INFO" + title
    place = data.index(b"LIST", 16)
    size = int.from_bytes(data[4:8], "little") + len(chunk)
    path.write_bytes(data[:4] + size.to_bytes(4, "little") + data[8:place] + chunk + data[place:])
    assert len(list(read_frames(path))) == 3
