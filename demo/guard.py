"""What the page accepts. Every upload passes here before anything else reads it."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path

import av

from tracknetv5.video import VideoError, VideoInfo, probe

MAX_BYTES = 400 * 2**20
MAX_SECONDS = 180.0  # of video tracked in one go
MAX_PIXELS = 4096 * 2304  # of one frame
MAX_FRAMES = 60 * int(MAX_SECONDS)  # tracked in one go

# Only containers that hold the video themselves. Playlists and manifests, which FFmpeg would open too, name other files
# or addresses, and whoever sends one could read them through us.
_MAGIC = (
    (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free"), (4, b"skip"),  # MP4, MOV, 3GP
    (0, b"\x1aE\xdf\xa3"),  # Matroska, WebM
    (0, b"RIFF"),  # AVI
    (0, b"\x00\x00\x01\xba"),  # MPEG-PS
    (0, b"FLV\x01"),
    (0, b"0&\xb2u"),  # WMV
)  # fmt: skip


class Refused(ValueError):
    """A file or a choice that the page does not take; the message is for the visitor."""


def told(error: Exception, video: str | None) -> str:
    """The message of an error for the visitor: with the name of his file in place of its path on the server."""
    return str(error).replace(str(video), Path(video).name) if video else str(error)


def excused(error: Exception) -> str:
    """What to say to the visitor of an error that nobody foresaw; the operator finds it in the log."""
    logging.getLogger(__name__).error("a visitor's run failed", exc_info=error)
    return "Something went wrong here, and this run cannot be finished. Try once more, or another part of the video."


@dataclass(frozen=True)
class Job:
    """A part of a video that may be tracked."""

    info: VideoInfo
    start: float  # seconds
    length: float | None  # seconds, None for the rest
    most: int  # frames after which it ends, whatever the file claims

    @property
    def frames(self) -> int | None:
        """How many frames to expect, for progress only."""
        claimed = _frames(self.info, self.start, self.length)
        return claimed and min(claimed, self.most)


def look(video: str | None) -> VideoInfo:
    """The facts about an upload.

    Raises:
        Refused: no file, too large a file or picture, or not a video.
    """
    if not video:
        raise Refused("Choose a video first: drop a file, record one, or click an example.")
    path = Path(video)
    if not path.is_file() or path.stat().st_size == 0:
        raise Refused(f"“{path.name}” is empty. The recording or the upload may have failed: try it again.")
    if path.stat().st_size > MAX_BYTES:
        raise Refused(f"“{path.name}” is larger than {MAX_BYTES // 2**20} MB. Cut out one rally, then try again.")
    if not _is_container(path):
        raise Refused(f"“{path.name}” is not a video this page can read. Use MP4, MOV, WebM, MKV or AVI.")
    try:
        _check_header(path)
        return probe(path)
    except VideoError as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise Refused(f"“{path.name}” cannot be played: {reason}.") from error


def check(video: str | None, start: float | None, length: float | None, most: int | None = None) -> Job:
    """The part of an upload to track, or its first `most` frames.

    Errors as in `look`, and for a part that is out of range or too long.
    """
    info = look(video)
    start, length = start or 0.0, length or None
    if not math.isfinite(start) or start < 0 or (length is not None and not (math.isfinite(length) and length > 0)):
        raise Refused("Start and length are seconds: 0 or more, and a length above 0 (or empty for the whole video).")
    seconds = _seconds(info)
    if seconds is not None and start >= seconds:
        raise Refused(f"The video ends at {seconds:.1f} s: start before that.")
    wanted = length if seconds is None else min(length or math.inf, seconds - start)
    if wanted is not None and wanted > MAX_SECONDS + 1:
        raise Refused(
            f"That is {wanted:.0f} seconds of video; this page tracks up to {MAX_SECONDS:.0f} at a time. "
            "Set a start and a length under “Trim”."
        )
    claimed = _frames(info, start, length)
    if most is None and claimed and claimed > MAX_FRAMES:
        raise Refused(
            f"That is about {claimed:,} frames; this page tracks up to {MAX_FRAMES:,} at a time. "
            "Set a start and a length under “Trim”."
        )
    return Job(info, start, length, most or MAX_FRAMES)


def _is_container(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(200)
    # MPEG-TS packets of 188 bytes that begin with "G", and as cameras write them (MTS), 4 bytes in front of each.
    transport_stream = head[0:1] == head[188:189] == b"G" or head[4:5] == head[196:197] == b"G"
    text = head.split(b"\0")[0].lower()  # where FFmpeg's tests for text formats stop looking
    manifest = b"\0" not in head or b"<mpd" in text or b"c=in" in text
    return not manifest and (transport_stream or any(head[at:].startswith(magic) for at, magic in _MAGIC))


def _check_header(path: Path) -> None:
    """Refuse a tiny file that would unfold into enormous pictures, from its header: no frame is decoded here."""
    try:
        with av.open(path, metadata_errors="replace") as container:
            largest = max((s.width * s.height for s in container.streams.video), default=0)
    except av.FFmpegError:
        return  # `probe` says what is wrong, in better words
    if largest > MAX_PIXELS:
        raise Refused(f"The picture of “{path.name}” is larger than 4K. Export it at 1080p or 4K, then try again.")


def _frames(info: VideoInfo, start: float, length: float | None) -> int | None:
    """The claimed number of frames in a part."""
    seconds = _seconds(info)
    if seconds is None:
        return None
    if start == 0 and length is None and info.frames:
        return info.frames
    left = seconds - start
    return max(1, round((left if length is None else min(left, length)) * float(info.fps)))


def _seconds(info: VideoInfo) -> float | None:
    """The claimed length, by the larger of the two claims: a file may lie about one."""
    claims = [info.duration] if info.duration else []
    if info.frames:
        claims.append(info.frames / float(info.fps))
    return max(claims, default=None)
