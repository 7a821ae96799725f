"""A part of a clip as the network sees it, any frame of which is at hand."""

import tempfile
import threading
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np

from demo import guard
from tracknetv5.background import SPAN, median_background
from tracknetv5.geometry import Letterbox
from tracknetv5.video import read_frames
from tracknetv5.weights import WeightsConfig

SECONDS, FRAMES = 20.0, 600  # of a clip that are looked into: whichever ends first
KEPT = 6  # clips, for all visitors
HOUR = 3600  # seconds after which nothing of a visitor is left


class Footage:
    """Frames letterboxed to the network's input, in a file: memory holds only those that are looked at."""

    def __init__(self, job: guard.Job, config: WeightsConfig):
        self.opened = time.monotonic()
        info = job.info
        letterbox = Letterbox((info.height, info.width), (config.height, config.width), info.pixel_aspect)
        # Of `inspection`: what it found in this clip, which goes when the clip goes.
        self.windows = OrderedDict()
        self._backgrounds = {}
        self.scan = None
        count = 0
        with tempfile.TemporaryFile(prefix="tracknetv5-") as file:
            frames = read_frames(info.path, size=letterbox.content[2:], start=job.start, length=job.length)
            for frame in frames:
                if count == job.most:
                    break
                if count == 0:
                    self.first = frame.index  # number of the first frame, counted from the start of the video
                file.write(letterbox.apply(frame.image).tobytes())
                count += 1
            file.flush()
            # The mapping outlives the file's name, so nothing is left behind when this object goes.
            self.frames = np.memmap(file, np.uint8, "r", shape=(count, config.height, config.width, 3))

    def __len__(self) -> int:
        return len(self.frames)

    def window(self, start: int, length: int) -> np.ndarray:
        """(length, H, W, 3) uint8 RGB from row `start`; a clip that is too short repeats its last frame, as the
        tracker does."""
        return np.array(self.frames[np.minimum(np.arange(start, start + length), len(self) - 1)])

    def background(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB: the scene around a row without what moves."""
        part = row // SPAN * SPAN
        if part not in self._backgrounds:
            self._backgrounds[part] = median_background(self.frames[part : part + SPAN])
        return self._backgrounds[part]


_shelf: OrderedDict[tuple, Footage] = OrderedDict()
_lock = threading.Lock()


def part(video: str | None, start: float | None) -> guard.Job:
    """What of a file is looked into and compared from `start`; errors as in `guard.check`."""
    if not video:
        raise guard.Refused("Choose your video in the tab “Track” first, or one of the clips above.")
    return guard.check(video, start, SECONDS, FRAMES)


def get(video: str | None, start: float | None, config: WeightsConfig) -> Footage:
    """The `part` of a file from `start`, from the shelf if somebody looked at it before.

    Raises:
        Refused: the page does not take the file, or it ends before `start`.
        VideoError: nothing in it decodes.
    """
    key = (video, start or 0.0, config.height, config.width)
    with _lock:
        if key in _shelf:
            _shelf.move_to_end(key)
            return _shelf[key]
    footage = Footage(part(video, start), config)
    with _lock:
        _shelf[key] = footage
        while len(_shelf) > KEPT:
            _shelf.popitem(last=False)
    return footage


def sweep() -> None:
    """Let go of clips whose file is deleted, and of those that were opened an hour ago."""
    with _lock:
        for key, footage in list(_shelf.items()):
            if not Path(key[0]).exists() or time.monotonic() - footage.opened > HOUR:
                del _shelf[key]


def keep_tidy() -> None:
    """Sweep every minute, for ever."""
    while True:
        time.sleep(60)
        sweep()
