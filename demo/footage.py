"""The beginning of a clip as the network sees it, any frame of which is at hand."""

import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np

from demo import guard
from tracknetv5.geometry import Letterbox
from tracknetv5.video import VideoInfo, read_frames
from tracknetv5.weights import WeightsConfig

SECONDS = 20.0  # of a clip that are looked into
FRAMES = 600
KEPT = 6  # clips, for all visitors


class Footage:
    """Frames letterboxed to the network's input, in a file: memory holds only those that are looked at."""

    def __init__(self, video: Path, info: VideoInfo, config: WeightsConfig):
        self.letterbox = Letterbox((info.height, info.width), (config.height, config.width))
        self.times: list[float] = []
        self.scan = None  # of `inspection`, once somebody asked for it
        with tempfile.TemporaryFile(prefix="tracknetv5-") as file:
            for frame in read_frames(video, size=self.letterbox.content[2:], length=SECONDS):
                if len(self.times) == FRAMES:
                    break
                file.write(self.letterbox.apply(frame.image).tobytes())
                self.times.append(frame.time)
            file.flush()
            # The mapping outlives the file's name, so nothing is left behind when this object goes.
            self.frames = np.memmap(file, np.uint8, "r", shape=(len(self.times), config.height, config.width, 3))

    def __len__(self) -> int:
        return len(self.times)

    def window(self, start: int, length: int) -> np.ndarray:
        """(length, H, W, 3) uint8 RGB; a clip that is too short repeats its last frame, as the tracker does."""
        return np.array(self.frames[np.minimum(np.arange(start, start + length), len(self) - 1)])


_shelf: OrderedDict[tuple, Footage] = OrderedDict()
_lock = threading.Lock()


def get(video: str, config: WeightsConfig) -> Footage:
    """The footage of a file, from the shelf if somebody looked at it before.

    Raises:
        Refused: the page does not take the file.
        VideoError: nothing in it decodes.
    """
    key = (video, config.height, config.width)
    with _lock:
        if key in _shelf:
            _shelf.move_to_end(key)
            return _shelf[key]
    footage = Footage(Path(video), guard.look(video), config)
    with _lock:
        _shelf[key] = footage
        while len(_shelf) > KEPT:
            _shelf.popitem(last=False)
    return footage
