"""People in made-up rallies, drawn from the joints that `synthetic_rally.Player.pose` gives, and their shadows."""

from dataclasses import dataclass

import cv2
import numpy as np

from tracknetv5.data.synthetic_picture import BLACK, WHITE, Camera, Colour, Layer
from tracknetv5.data.synthetic_rally import BADMINTON, PADEL, TENNIS, Sport


@dataclass(frozen=True)
class Look:
    """Colours of a person."""

    skin: Colour
    hair: Colour
    shirt: Colour
    shorts: Colour
    shoes: Colour
    racket: Colour

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Look":
        """A random look."""
        tan = rng.choice([0.45, 0.7, 0.85, 1.0])
        skin = tuple(int(c * tan) for c in (222, 172, 140))
        hair = ((34, 26, 22), (70, 48, 30), (150, 120, 70), (225, 225, 225))[rng.integers(4)]
        tones = ((232, 232, 232), (30, 34, 48), (190, 34, 40), (28, 60, 130), (220, 120, 40), (40, 130, 120),
                 (120, 60, 150), (210, 60, 110))
        shirt, shorts = tones[rng.integers(len(tones))], tones[rng.choice([0, 1, 1, 3])]
        return cls(skin, hair, shirt, shorts, WHITE, tones[rng.integers(len(tones))])


def draw_figure(camera: Camera, joints: dict[str, np.ndarray], look: Look, sport: Sport) -> Layer | None:
    """A person in the pose of `joints`; None where nothing of it is in the picture."""
    spots = dict(zip(joints, camera.project(np.stack(list(joints.values()))), strict=True))
    unit = camera.scale(joints["pelvis"])  # pixels a metre
    every = np.stack(list(spots.values()))
    left, top = np.floor(every.min(axis=0) - 0.35 * unit).astype(int)
    right, bottom = np.ceil(every.max(axis=0) + 0.35 * unit).astype(int)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, camera.size[1]), min(bottom, camera.size[0])
    if right <= left or bottom <= top:
        return None
    fine = int(np.clip(round(150 / unit), 1, 5))
    canvas = np.zeros(((bottom - top) * fine, (right - left) * fine, 4), np.uint8)
    spots = {name: (spot - (left, top) + 0.5) * fine - 0.5 for name, spot in spots.items()}
    unit *= fine

    def limb(names: str, width: float, colour: Colour) -> None:
        line = np.round(np.array([spots[n] for n in names.split()]) * 16).astype(np.int32)
        cv2.polylines(canvas, [line], False, (*colour, 255), max(1, round(width * unit)), cv2.LINE_AA, 4)

    def shade(colour: Colour, factor: float) -> Colour:
        return tuple(int(min(255, c * factor)) for c in colour)

    def arms() -> None:
        for s in "lr":
            limb(f"{s}_shoulder {s}_elbow {s}_hand", 0.07, shade(look.skin, 0.9))
            limb(f"{s}_shoulder {s}_elbow", 0.10, shade(look.shirt, 0.92))
        if "racket" in spots:
            _racket(canvas, spots["r_hand"], spots["racket"], unit, look.racket, sport)

    away = joints["r_shoulder"][0] > joints["l_shoulder"][0]  # seen from the back: arms are behind the body
    if away:
        arms()
    for s, dim in (("l", 0.86), ("r", 1.0)):
        limb(f"{s}_hip {s}_knee {s}_foot", 0.085, shade(look.skin, dim))
        limb(f"{s}_hip {s}_knee", 0.13, shade(look.skin, dim))
        thigh = spots[f"{s}_hip"] + 0.75 * (spots[f"{s}_knee"] - spots[f"{s}_hip"])
        hip = np.round(np.array([spots[f"{s}_hip"], thigh]) * 16).astype(np.int32)
        cv2.polylines(canvas, [hip], False, (*shade(look.shorts, dim), 255), max(1, round(0.18 * unit)), cv2.LINE_AA, 4)
        foot, axes = np.round(spots[f"{s}_foot"]).astype(int).tolist(), (round(0.08 * unit), round(0.06 * unit))
        cv2.ellipse(canvas, foot, axes, 0, 0, 360, (*shade(look.shoes, dim), 255), -1)
    trunk = np.array([spots["l_shoulder"], spots["r_shoulder"], spots["r_hip"], spots["l_hip"]])
    for inset, tone in ((0.0, 0.8), (0.35, 1.0)):  # the darker side is turned from the light
        part = trunk.copy()
        part[[1, 2]] += inset * (part[[0, 3]] - part[[1, 2]])
        part = np.round(part * 16).astype(np.int32)
        ink = (*shade(look.shirt, tone), 255)
        cv2.fillPoly(canvas, [part], ink, cv2.LINE_AA, 4)
        cv2.polylines(canvas, [part], True, ink, max(1, round(0.06 * unit)), cv2.LINE_AA, 4)
    limb("neck head", 0.10, shade(look.skin, 0.85))
    head = np.round(spots["head"] * 16).astype(int)
    for rise, radius, colour in ((0.03, 0.105, look.hair), (-0.03, 0.088, look.hair if away else look.skin)):
        centre = (int(head[0]), int(head[1] - rise * unit * 16))
        cv2.circle(canvas, centre, round(radius * unit * 16), (*colour, 255), -1, cv2.LINE_AA, 4)
    if not away:
        arms()
    return Layer.from_rgba(left, top, cv2.resize(canvas, (right - left, bottom - top), interpolation=cv2.INTER_AREA))


def _racket(canvas: np.ndarray, hand: np.ndarray, head: np.ndarray, unit: float, colour: Colour, sport: Sport) -> None:
    """Frame, strings (padel: a plate) and handle, from the hand to the middle of the head."""
    along = head - hand
    angle = float(np.degrees(np.arctan2(along[1], along[0])))
    axes = {TENNIS: (0.17, 0.12), BADMINTON: (0.14, 0.10), PADEL: (0.14, 0.12)}[sport]
    axes = (round(axes[0] * unit), round(axes[1] * unit))
    centre = tuple(np.round(head).astype(int).tolist())
    throat = head - along / max(1e-6, np.hypot(*along)) * axes[0]
    handle = np.round(np.array([hand, throat]) * 16).astype(np.int32)
    cv2.polylines(canvas, [handle], False, (*BLACK, 255), max(1, round(0.03 * unit)), cv2.LINE_AA, 4)
    if sport is PADEL:
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, (*BLACK, 255), -1, cv2.LINE_AA)
    else:
        strings = np.zeros(canvas.shape[:2], np.uint8)
        cv2.ellipse(strings, centre, axes, angle, 0, 360, 1, -1)
        empty = (strings > 0) & (canvas[..., 3] == 0)
        canvas[empty] = (70, 70, 66, 80)
    cv2.ellipse(canvas, centre, axes, angle, 0, 360, (*colour, 255), max(1, round(0.028 * unit)), cv2.LINE_AA)


def shadow(camera: Camera, joints: dict[str, np.ndarray], lights: list[tuple[float, float, float]]) -> Layer | None:
    """What a person keeps off the ground. Each light: where its shadows fall (x, y a metre of height) and how dark."""
    bones = ("head pelvis", "l_hip l_knee l_foot", "r_hip r_knee r_foot", "l_shoulder l_hand", "r_shoulder r_hand")
    points = np.stack(list(joints.values()))
    spots = [camera.project((points + points[:, 2:] * (dx, dy, 0)) * (1, 1, 0)) for dx, dy, _ in lights]
    unit = camera.scale(points[0])
    every = np.concatenate(spots)
    left, top = np.floor(every.min(axis=0) - 0.3 * unit).astype(int)
    right, bottom = np.ceil(every.max(axis=0) + 0.3 * unit).astype(int)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, camera.size[1]), min(bottom, camera.size[0])
    if right <= left or bottom <= top:
        return None
    dark = np.zeros((bottom - top, right - left), np.uint8)
    for spot, (_, _, strength) in zip(spots, lights, strict=True):
        named = dict(zip(joints, spot - (left, top), strict=True))
        fallen = np.zeros_like(dark)
        for bone in bones:
            line = np.round(np.array([named[n] for n in bone.split()]) * 16).astype(np.int32)
            width = max(1, round((0.26 if "head" in bone else 0.12) * unit))
            cv2.polylines(fallen, [line], False, int(255 * strength), width, cv2.LINE_AA, 4)
        dark = cv2.max(dark, fallen)
    dark = cv2.GaussianBlur(dark, (0, 0), max(0.6, 0.05 * unit))
    return Layer.from_rgba(left, top, np.dstack([np.zeros((*dark.shape, 3), np.uint8), dark]))
