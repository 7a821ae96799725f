"""What the page refuses, before anything is decoded; no browser, no server."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tracknetv5.video import VideoWriter

guard = pytest.importorskip("demo.guard")


def clip(path, *, size=(64, 96), frames=10, fps=10):
    with VideoWriter(path, size, Fraction(fps)) as video:
        for k in range(frames):
            video.write(np.full((*size, 3), 10 * k % 250, np.uint8))
    return path


def test_a_video_is_taken_and_its_part_counted(tmp_path):
    path = clip(tmp_path / "ok.mp4", frames=40)
    assert guard.check(str(path), 0, None).frames == 40
    job = guard.check(str(path), 1.0, 2.0)
    assert (job.start, job.length, job.frames) == (1.0, 2.0, 20)
    assert guard.check(str(path), 3.5, 2.0).frames == 5


@pytest.mark.parametrize(
    ("start", "length", "says"),
    [(-1, None, "Start and length"), (0, -2, "Start and length"), (float("nan"), 1, "Start and length"),
     (5, None, "ends at 4.0 s")],
)  # fmt: skip
def test_a_part_that_is_not_there_is_refused(tmp_path, start, length, says):
    path = clip(tmp_path / "ok.mp4", frames=40)
    with pytest.raises(guard.Refused, match=says):
        guard.check(str(path), start, length)


def test_too_long_a_part_is_refused_and_a_shorter_one_taken(tmp_path):
    path = clip(tmp_path / "long.mp4", frames=200, fps=1)
    with pytest.raises(guard.Refused, match="up to 180 at a time"):
        guard.check(str(path), 0, None)
    assert guard.check(str(path), 0, 60).frames == 60


def test_too_many_frames_are_refused(tmp_path, monkeypatch):
    path = clip(tmp_path / "many.mp4", frames=40)
    monkeypatch.setattr(guard, "MAX_FRAMES", 30)
    with pytest.raises(guard.Refused, match="about 40 frames"):
        guard.check(str(path), 0, None)
    job = guard.check(str(path), 0, None, most=20)  # cut short, not refused
    assert (job.most, job.frames) == (20, 20)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a video",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 9999 RTP/AVP 96\r\n",
        b'RIFF<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">\0',
        b"RIFF" + 300 * b" " + b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">\0',
        b"FLV\x01\nc=IN IP4 127.0.0.1\n\0",
    ],
)
def test_playlists_and_other_text_never_reach_the_decoder(tmp_path, monkeypatch, content):
    def opened(*_):
        raise AssertionError("FFmpeg was asked to open it")

    monkeypatch.setattr(av, "open", opened)
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(guard.Refused, match="clip.mp4"):
        guard.look(str(path))


@pytest.mark.parametrize("end", [".mp4", ".mov", ".mkv", ".avi", ".ts", ".webm"])
def test_every_promised_container_is_taken(tmp_path, end):
    path = tmp_path / f"clip{end}"
    codec = "libvpx" if end == ".webm" else "libx264"
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 96, 3), np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    info = guard.look(str(path))
    assert (info.width, info.height) == (96, 64)


def test_enormous_pictures_are_refused_from_the_header(tmp_path, monkeypatch):
    path = tmp_path / "bomb.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 8192, 8192, "yuvj420p"
        frame = av.VideoFrame(8192, 8192, "yuvj420p")
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert path.stat().st_size < 2 * 2**20
    monkeypatch.setattr(guard, "probe", lambda _: pytest.fail("a frame was decoded"))
    with pytest.raises(guard.Refused, match="larger than 4K"):
        guard.look(str(path))


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    path = clip(tmp_path / "big.mp4")
    monkeypatch.setattr(guard, "MAX_BYTES", 100)
    with pytest.raises(guard.Refused, match="larger than"):
        guard.look(str(path))
