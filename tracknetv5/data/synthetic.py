"""Synthetic rallies that look like broadcast footage, with the exact position of the ball in every frame.

For tests, for the bundled examples and for pretraining. A simulated rally (`synthetic_rally`) is seen by a pinhole
camera behind one baseline and drawn (`synthetic_scenery`, `synthetic_people`) at the size asked for. One seed decides
all of it: the same arguments give the same pixels, another size shows the same rally, and more frames begin with the
same frames.

`python -m tracknetv5.data.synthetic demo/examples` renders the bundled examples.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from math import ceil
from os import PathLike
from pathlib import Path

import cv2
import numpy as np

from tracknetv5.data import synthetic_scenery as scenery
from tracknetv5.data.synthetic_people import Look, draw_figure, shadow
from tracknetv5.data.synthetic_picture import Camera, Layer, Painter
from tracknetv5.data.synthetic_rally import PADEL, TENNIS, plan_rally
from tracknetv5.video import VideoWriter

Label = tuple[float, float, int]
SCENES = ("rally", "occlusion", "pan")
SHUTTER = 0.5  # of the frame interval
SEEN = 0.2  # share of the ball's light that must reach the picture for it to count as visible
BALL_COLOURS = {"tennis": (222, 236, 96), "badminton": (244, 246, 240), "padel": (216, 244, 120)}


class Clip:
    """One synthetic rally, any frame of which can be drawn by itself."""

    def __init__(self, *, frames: int, size: tuple[int, int], seed: int, scene: str, fps: float | Fraction):
        if scene not in SCENES:
            raise ValueError(f"unknown scene {scene!r}; choose one of {', '.join(SCENES)}")
        if frames < 1 or min(size) < 32 or fps <= 0:
            raise ValueError(f"cannot draw {frames} frames of {size} at {fps} fps: need 1 frame, 32 x 32 and fps > 0")
        self.size, self.fps, self.scene = size, float(fps), scene
        # Separate streams: what one consumes (noise grows with the size) must not change what another gives.
        plan, paint, looks, noise = (np.random.default_rng((seed, part)) for part in range(4))
        venues = [v for v in scenery.VENUES if scene != "occlusion" or v.sport is TENNIS]
        self.venue = venues[seed % len(venues)]
        sport = self.venue.sport
        self._unit = min(size[0], size[1] * 9 / 16)  # the court fits into a 16:9 part of the picture
        behind, height, pitch, focal = np.array(sport.camera) * plan.uniform(0.96, 1.04, 4)
        if scene == "occlusion":  # from a lower stand players cover more
            height, pitch = height * 0.62, pitch * 0.68
        position = np.array((plan.uniform(-0.6, 0.6), -sport.half_length - behind, height))
        self._camera = Camera(position, 0.0, np.radians(pitch), focal * self._unit, size)
        self._sway = plan.uniform((0.5, 0.9, 0.6), (0.9, 1.3, 1.0)), plan.uniform(0, 2 * np.pi, 3)
        doubles = sport is PADEL or (scene != "occlusion" and plan.random() < 0.25)
        hide_from = position if scene == "occlusion" else None
        self.rally = plan_rally(sport, frames / self.fps, plan, doubles=doubles, hide_from=hide_from)

        wide = self._camera
        if scene == "pan":  # one large picture, of which the moving camera sees a part
            wide = replace(wide, size=(round(size[0] * 1.3), round(size[1] * 1.3)))
        self._wide = wide
        self._background = scenery.background(self.venue, wide, paint)
        self._fixed = [(0.0, scenery.net(self.venue, wide))]
        if sport is PADEL:
            front = Painter(wide)
            scenery.cage(front, self.venue, near=True)
            self._fixed.append((-sport.half_length, front.cut_out()))
        self._score = scenery.score_board(self.venue, size, paint)
        self._looks = [Look.draw(looks) for _ in self.rally.players]
        angle = looks.uniform(0, 2 * np.pi)
        self._lights = [(np.cos(angle) * 0.7, np.sin(angle) * 0.7, 0.40)] if self.venue.sun else [
            (-0.25, 0.1, 0.20), (0.25, 0.15, 0.20)]
        self._noise = noise.normal(0, 1.6, (size[0] + 64, size[1] + 64, 3)).round().astype(np.int8)

    def camera(self, time: float) -> Camera:
        """The camera at `time` in seconds."""
        if self.scene != "pan":
            return self._camera
        speed, phase = self._sway
        yaw, pitch, zoom = np.sin(speed * time + phase)
        return replace(
            self._camera,
            yaw=self._camera.yaw + np.radians(1.9) * yaw,
            pitch=self._camera.pitch + np.radians(0.6) * pitch,
            focal=self._camera.focal * (1.10 + 0.08 * zoom),
        )

    def frame(self, index: int, *, ball: bool = True) -> tuple[np.ndarray, Label]:
        """Frame `index` as (H, W, 3) uint8 RGB and its label; `ball=False` leaves out the ball, not its shadow."""
        camera = self.camera(index / self.fps)
        layers, streak, label = self._layers(index, camera)
        if self.scene == "pan":
            turn = self._wide.homography(camera)
            image = cv2.warpPerspective(self._background, turn, self.size[::-1])
        else:
            image = self._background.copy()
        for layer in layers:
            if layer is not streak or ball:
                layer.over(image)
        image = cv2.GaussianBlur(image, (0, 0), 0.0017 * self._unit)
        y, x = np.random.default_rng(index).integers(0, 64, 2)
        image = cv2.add(image, self._noise[y : y + self.size[0], x : x + self.size[1]], dtype=cv2.CV_8U)
        self._score.over(image)
        return image, label

    def _layers(self, index: int, camera: Camera) -> tuple[list[Layer], Layer | None, Label]:
        """What moves or can hide the ball, from back to front; which of it is the ball; the label."""
        time = index / self.fps
        poses = [player.pose(time) for player in self.rally.players]
        shadows = [shadow(camera, pose, self._lights) for pose in poses]
        things = [(pose["pelvis"][1], draw_figure(camera, pose, look, self.venue.sport))
                  for pose, look in zip(poses, self._looks, strict=True)]
        turn = self._wide.homography(camera)
        things += [(y, layer if self.scene != "pan" else layer.warped(turn, self.size)) for y, layer in self._fixed]
        things = [(y, layer) for y, layer in things if layer is not None]

        middle = self.rally.ball_at(np.array([time]))[0]
        streak, label = None, (0.0, 0.0, 0)
        if np.isfinite(middle).all():
            streak, label = self._streak(time, camera)
            shadows.append(self._ball_shadow(middle, camera))
        if streak is not None:
            if not self._shows(streak, [layer for y, layer in things if y < middle[1]] + [self._score]):
                label = (0.0, 0.0, 0)
            things.append((middle[1], streak))
        things.sort(key=lambda thing: -thing[0])
        return [s for s in shadows if s is not None] + [layer for _, layer in things], streak, label

    def _streak(self, time: float, camera: Camera) -> tuple[Layer | None, Label]:
        """The ball while the shutter is open, and the middle of that streak; None and no label if out of view."""
        half = SHUTTER / 2 / self.fps
        track = camera.project(self.rally.ball_at(time + half * np.linspace(-1, 1, 9)))
        length = np.hypot(*np.diff(track, axis=0).T).sum()
        count = int(np.clip(ceil(2 * length), 9, 120))
        points = self.rally.ball_at(time + half * np.linspace(-1, 1, count))
        points = points[np.isfinite(points).all(axis=1)]
        track = camera.project(points)
        x, y = (float(c) for c in track.mean(axis=0))
        height, width = self.size
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            return None, (0.0, 0.0, 0)
        radius = self.venue.sport.ball_radius * camera.scale(points[len(points) // 2])
        colour = np.array(BALL_COLOURS[self.venue.sport.name], np.float32)
        return _disc(track, radius, radius, colour, 1.0), (x, y, 1)

    def _ball_shadow(self, ball: np.ndarray, camera: Camera) -> Layer | None:
        """The ball's shadow on the ground by the first light."""
        dx, dy, dark = self._lights[0]
        ground = np.array((ball[0] + dx * ball[2], ball[1] + dy * ball[2], 0.0))
        spot = camera.project(ground)
        radius = self.venue.sport.ball_radius * camera.scale(ground)
        return _disc(spot[None], radius, radius * 0.5, np.zeros(3, np.float32), dark)

    @staticmethod
    def _shows(ball: Layer, above: list[Layer]) -> bool:
        """Whether enough of the ball is left once `above` covers it."""
        height, width = ball.keep.shape[:2]
        before = 255 - ball.keep.astype(np.float32)
        light = before.copy()
        for layer in above:
            h, w = layer.keep.shape[:2]
            x0, y0 = max(ball.left, layer.left), max(ball.top, layer.top)
            x1, y1 = min(ball.left + width, layer.left + w), min(ball.top + height, layer.top + h)
            if x0 < x1 and y0 < y1:
                kept = layer.keep[y0 - layer.top : y1 - layer.top, x0 - layer.left : x1 - layer.left]
                light[y0 - ball.top : y1 - ball.top, x0 - ball.left : x1 - ball.left] *= kept / np.float32(255)
        return bool(light.sum() >= SEEN * before.sum())


def _disc(track: np.ndarray, across: float, upright: float, colour: np.ndarray, opacity: float) -> Layer:
    """The mean of soft-edged ellipses at all points of `track` (n, 2), radii in pixels."""
    margin = ceil(across + 1)
    left, top = np.floor(track.min(axis=0)).astype(int) - margin
    right, bottom = np.ceil(track.max(axis=0)).astype(int) + margin + 1
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    steps = track.astype(np.float32)[:, :, None, None]
    dx, dy = (x - steps[:, 0]) / across, (y - steps[:, 1]) / upright
    cover = np.clip((1 - np.sqrt(dx * dx + dy * dy)) * across + 0.5, 0, 1).mean(axis=0) * opacity
    rgba = np.dstack([cover[..., None] * colour, 255 * cover])
    return Layer.from_rgba(int(left), int(top), np.round(rgba).astype(np.uint8))


def render_rally(
    *, frames: int, size: tuple[int, int] = (288, 512), seed: int = 0, scene: str = "rally", fps: float | Fraction = 30
) -> Iterator[tuple[np.ndarray, Label]]:
    """Draw a rally frame by frame.

    Args:
        size: (height, width) in pixels.
        seed: decides everything else; `seed % 6` picks the venue: hard court, badminton, clay, padel, grass, badminton
            (occlusion: `seed % 3`, hard court, clay, grass).
        scene: "rally": fixed camera; the ball may leave the picture. "occlusion": from a lower camera, the near player
            hides each ball that comes, mostly for 4 to 8 frames at 30 fps. "pan": the camera turns and zooms slowly.

    Yields:
        Image (H, W, 3) uint8 RGB and label (x, y, visibility): the middle of the ball's streak in pixels of the
        image, pixel centres at integers. Visibility 0, with x = y = 0: no ball in play, out of view, or less than a
        fifth of its light gets past players, net and score board.

    Raises:
        ValueError: unknown scene, or nothing to draw.
    """
    clip = Clip(frames=frames, size=size, seed=seed, scene=scene, fps=fps)
    return (clip.frame(index) for index in range(frames))


def write_rally(
    path: str | PathLike[str],
    *,
    frames: int,
    size: tuple[int, int] = (288, 512),
    seed: int = 0,
    scene: str = "rally",
    fps: float | Fraction = 30,
    labels: bool = False,
) -> list[Label]:
    """Write `render_rally` as an H.264 video and, with `labels`, a CSV `Frame,Visibility,X,Y` of the same name.

    Returns:
        The labels.
    """
    rows = []
    with VideoWriter(path, size, Fraction(fps)) as video:
        for image, label in render_rally(frames=frames, size=size, seed=seed, scene=scene, fps=fps):
            video.write(image)
            rows.append(label)
    if labels:
        with Path(path).with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("Frame", "Visibility", "X", "Y"))
            table.writerows((k, seen, round(x, 2), round(y, 2)) for k, (x, y, seen) in enumerate(rows))
    return rows


EXAMPLES = {  # file stem: scene, seed, frames
    "rally_long": ("rally", 6, 300),
    "occlusion": ("occlusion", 1, 180),
    "camera_pan": ("pan", 3, 240),
}


def main() -> None:
    """Render the bundled examples."""
    parser = argparse.ArgumentParser(description="Render the example clips with their labels.")
    parser.add_argument("output", type=Path, help="folder to write to")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for stem, (scene, seed, frames) in EXAMPLES.items():
        write_rally(folder / f"{stem}.mp4", frames=frames, size=(480, 848), seed=seed, scene=scene, labels=True)


if __name__ == "__main__":
    main()
