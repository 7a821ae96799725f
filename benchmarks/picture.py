"""The README's picture: one frame of the bundled rally, seen by the bundled network.

    python -m benchmarks.picture

writes docs/inside.png.
"""

from pathlib import Path

import cv2
import numpy as np

from tracknetv5 import BallTracker
from tracknetv5.background import median_background
from tracknetv5.draw import draw_ball, heat_overlay, polarity_image
from tracknetv5.geometry import Letterbox
from tracknetv5.video import read_frames

ROOT = Path(__file__).parents[1]
CLIP, FIRST = ROOT / "demo" / "examples" / "rally_long.mp4", 60
GAP = 6  # pixels between the panels


def panels() -> list[np.ndarray]:
    """Frame, polarity, draft and refined heatmap of the middle frame of a window, each (H, W, 3) RGB."""
    tracker = BallTracker.from_pretrained()
    size = (tracker.config.height, tracker.config.width)
    frames = [Letterbox(frame.image.shape[:2], size).apply(frame.image) for frame in read_frames(CLIP)]
    images = frames[FIRST : FIRST + 3]
    seen = tracker.inspect(images, median_background(frames) if tracker.config.background else None)
    brighter, darker = np.sqrt(seen.polarity[0, 0].numpy())  # the square root shows faint motion, too
    draft, refined = (part[0, 1].sigmoid().numpy() for part in (seen.gated_draft, seen.logits))
    (found,) = tracker.link([refined])
    grey = cv2.cvtColor(cv2.cvtColor(images[1], cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB) // 2
    result = heat_overlay(grey, refined, 1.0)
    if found is not None:
        result = draw_ball(result, (found.x, found.y), "detected")
    return [images[1], polarity_image(brighter, darker), heat_overlay(grey, draft, 1.0), result]


def main() -> None:
    frame, polarity, draft, refined = panels()
    gap = np.full((GAP, frame.shape[1], 3), 255, np.uint8)
    left, right = np.concatenate([frame, gap, draft]), np.concatenate([polarity, gap, refined])
    picture = np.concatenate([left, np.full((len(left), GAP, 3), 255, np.uint8), right], axis=1)
    output = ROOT / "docs" / "inside.png"
    output.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(output), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
