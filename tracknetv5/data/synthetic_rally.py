"""Where ball and players of a made-up rally are: a simulation in three dimensions that knows no pictures.

Axes everywhere: x to the right, y away from the camera, z up, in metres; the net stands on y = 0 and the middle of
the court is the origin. Times are in seconds, 0 is the first frame. The near side is -1, the far side +1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

GRAVITY = 9.81  # m/s^2
STEP = 1 / 240  # s, of the simulation
BOUNCE = np.array((0.75, 0.75, -0.74))  # what the ground leaves of each component of the velocity
REACH = 0.75  # m, sideways from the feet to the ball when it is hit
FORWARD = 0.35  # m, from the feet to the ball towards the net


@dataclass(frozen=True)
class Sport:
    """Sizes of a court and how its ball flies."""

    name: str
    half_width: float  # m, outer side lines
    half_length: float  # m
    net_heights: tuple[float, float]  # m, at the posts and in the middle
    net_bottom: float  # m
    net_half_width: float  # m, to the posts
    ball_radius: float  # m; as the lens spreads it, about twice the ball
    drag: float  # 1/m, deceleration over squared speed
    speed: tuple[float, float]  # m/s, mean speed of a drive
    camera: tuple[float, float, float, float]  # m behind the near baseline, m above ground, pitch in degrees, focal
    #                                            length in frame heights
    base: tuple[float, float]  # m from the net: where players wait, in the back and (doubles) in front


TENNIS = Sport("tennis", 5.485, 11.885, (1.07, 0.914), 0.0, 6.4, 0.058, 0.02, (17, 27), (26.9, 11.6, 17.9, 3.2),
               (12.6, 5.0))
BADMINTON = Sport("badminton", 3.05, 6.7, (1.55, 1.524), 0.76, 3.05, 0.040, 0.22, (9, 16), (14.7, 7.5, 18.7, 2.45),
                  (3.6, 2.2))
PADEL = Sport("padel", 5.0, 10.0, (0.92, 0.88), 0.0, 5.0, 0.055, 0.02, (12, 18), (24.5, 9.3, 14.8, 3.6), (7.6, 3.2))
WALL_HEIGHT = 3.0  # m, the glass of a padel court


def fly(
    sport: Sport, start: np.ndarray, velocity: np.ndarray, seconds: float, *, bounce: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Fly from `start` under gravity and drag, bouncing (if asked) on the ground and, in padel, on the walls.

    Returns:
        Positions (n, 3) after each STEP, without the start, and the velocity (3,) at the end.
    """
    (x, y, z), (vx, vy, vz) = map(float, start), map(float, velocity)
    path = []
    for _ in range(max(1, round(seconds / STEP))):
        slow = sport.drag * (vx * vx + vy * vy + vz * vz) ** 0.5
        vx -= slow * vx * STEP
        vy -= slow * vy * STEP
        vz -= (slow * vz + GRAVITY) * STEP
        x, y, z = x + vx * STEP, y + vy * STEP, z + vz * STEP
        if bounce and z < 0.03 and vz < 0:
            z, (vx, vy, vz) = 0.03, BOUNCE * (vx, vy, vz)
        if bounce and sport is PADEL and z < WALL_HEIGHT:
            if abs(y) > sport.half_length and y * vy > 0:
                vy *= -0.7
            if abs(x) > sport.half_width and x * vx > 0:
                vx *= -0.7
        path.append((x, y, z))
    return np.array(path), np.array((vx, vy, vz))


def aim(sport: Sport, start: np.ndarray, target: np.ndarray, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """The flight from `start` that is at `target` after `seconds`, or later if it would meet the net.

    Returns:
        As `fly`: positions (n, 3) and the velocity (3,) at the target.
    """
    for _ in range(10):
        velocity = (target - start) / seconds + (0, 0, GRAVITY * seconds / 2)
        for _ in range(30):
            path, end = fly(sport, start, velocity, seconds, bounce=False)
            miss = target - path[-1]
            if np.abs(miss).max() < 0.02:
                break
            velocity = velocity + 1.3 * miss / seconds  # drag: a faster start gains less than its worth
        over_net = path[np.argmin(np.abs(path[:, 1])), 2]
        if over_net > sport.net_heights[0] + 0.12:
            break
        seconds *= 1.12
    return path, end


def shot(sport: Sport, contact: np.ndarray, side: int, rng: np.random.Generator, lobs: bool) -> np.ndarray:
    """A flight (n, 3) from the hit at `contact` on `side` to where the other side can hit the ball back."""
    lob = lobs and rng.random() < 0.15
    if sport is BADMINTON:  # taken in the air
        kind = "clear" if lob else rng.choice(["clear", "drop", "drive"])
        depth, height, seconds = {
            "clear": (rng.uniform(4.6, 6.0), rng.uniform(2.0, 2.5), rng.uniform(1.2, 1.7)),
            "drop": (rng.uniform(1.6, 2.6), rng.uniform(0.6, 1.2), rng.uniform(0.8, 1.1)),
            "drive": (rng.uniform(3.2, 4.8), rng.uniform(0.8, 1.6), rng.uniform(0.5, 0.7)),
        }[kind]
        wide = 1.4 if kind == "drive" else 2.4
        target = np.array((rng.uniform(-wide, wide), -side * depth, height))
        return aim(sport, contact, target, seconds)[0]
    target = np.array((rng.uniform(-0.7, 0.7) * sport.half_width, -side * rng.uniform(0.5, 0.9) * sport.half_length,
                       0.03))
    seconds = rng.uniform(1.7, 2.2) if lob else np.linalg.norm(target - contact) / rng.uniform(*sport.speed)
    path, velocity = aim(sport, contact, target, seconds)
    if velocity[2] < 0:
        velocity = velocity * BOUNCE
    rise = velocity[2] / GRAVITY
    after, _ = fly(sport, path[-1], velocity, max(0.3, rise * rng.uniform(0.9, 1.4)))
    deep = np.abs(after[:, 1]) > sport.half_length + 3.0
    return np.concatenate([path, after[: max(40, int(np.argmax(deep)))] if deep.any() else after])


@dataclass
class Player:
    """One player: where the feet are, and what is hit when."""

    side: int  # -1 near, +1 far
    base: tuple[float, float]  # m, where this player waits
    keys: list[tuple[float, float, float]] = field(default_factory=list)  # time, x, y: on the ground
    hits: list[tuple[float, np.ndarray]] = field(default_factory=list)  # time and the ball (3,)
    height: float = 1.8  # m
    times: np.ndarray = field(init=False)  # s, (n,); this and the next two are set by `freeze`
    path: np.ndarray = field(init=False)  # m, (n, 2)
    travelled: np.ndarray = field(init=False)  # m, (n,), along the path

    def freeze(self, seconds: float) -> None:
        """Turn the key positions into a path sampled finely, eased between keys."""
        keys = np.array(sorted(self.keys))
        self.times = np.arange(-1.0, seconds + 1.0, 1 / 120)
        after = np.clip(np.searchsorted(keys[:, 0], self.times), 1, len(keys) - 1)
        a, b = keys[after - 1], keys[after]
        u = np.clip((self.times - a[:, 0]) / np.maximum(b[:, 0] - a[:, 0], 1e-3), 0, 1)
        ease = (u * u * (3 - 2 * u))[:, None]
        self.path = a[:, 1:] + (b[:, 1:] - a[:, 1:]) * ease
        self.travelled = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(self.path, axis=0), axis=1))])

    def at(self, time: float) -> np.ndarray:
        """Feet (x, y)."""
        return np.array([np.interp(time, self.times, self.path[:, i]) for i in (0, 1)])

    def pose(self, time: float) -> dict[str, np.ndarray]:
        """Joints (3,) by name, in metres: running legs, ready arms, a swing around each hit."""
        feet = self.at(time)
        stride = (self.at(time + 0.03) - self.at(time - 0.03)) / 0.06  # m/s
        speed = float(np.hypot(*stride))
        going = stride / speed if speed > 0.05 else np.zeros(2)
        run = min(1.0, speed / 3.5)
        phase = np.interp(time, self.times, self.travelled) / 1.5 * 2 * np.pi
        facing = -self.side  # +1: looks along +y

        def place(right: float, forward: float, up: float) -> np.ndarray:
            return np.array((feet[0] + right * facing, feet[1] + forward * facing, up * self.height / 1.8))

        bounce = 0.03 * run * abs(np.sin(phase)) + 0.015 * np.sin(time * 5 + self.base[0])
        hip, lean = 0.90 - 0.04 * (1 - run) + bounce, 0.12 + 0.12 * run
        tilt = np.array((*going * 0.10 * run, 0))
        joints = {"pelvis": place(0, 0, hip), "neck": place(0, lean, hip + 0.56) + tilt,
                  "head": place(0, lean + 0.06, hip + 0.76) + tilt}
        for name, sign in (("l", -1), ("r", 1)):
            swing = np.sin(phase) * sign
            foot = place(sign * (0.20 + 0.08 * (1 - run)), 0, 0.05 + 0.22 * run * max(0.0, np.cos(phase) * sign))
            foot[:2] += going * 0.38 * run * swing
            socket = place(sign * 0.11, 0, hip - 0.02)
            joints |= {f"{name}_hip": socket, f"{name}_foot": foot}
            joints[f"{name}_knee"] = (socket + foot) / 2 + (sign * 0.03 * facing, 0.10 * facing, 0.03)
            joints[f"{name}_shoulder"] = place(sign * 0.20, lean, hip + 0.50) + tilt
        hand, racket, near = self._swing(time, joints["r_shoulder"], place)
        joints["r_hand"], joints["racket"] = hand, racket
        pump = 0.18 * run * np.sin(phase)
        joints["l_hand"] = place(-0.28 + 0.12 * near, 0.34 + pump, hip + 0.22 + 0.25 * near)
        for name, sign in (("l", -1), ("r", 1)):
            middle = (joints[f"{name}_shoulder"] + joints[f"{name}_hand"]) / 2
            joints[f"{name}_elbow"] = middle + (sign * 0.08 * facing, -0.04 * facing, -0.10)
        return joints

    def _swing(
        self, time: float, shoulder: np.ndarray, place: Callable[[float, float, float], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Hand (3,), middle of the racket head (3,) and how near the hit is (0..1)."""
        ready = (place(0.30, 0.36, 1.02), place(0.22, 0.60, 1.45))
        near = min(self.hits, key=lambda hit: abs(hit[0] - time), default=None)
        if near is None or abs(near[0] - time) > 0.45:
            return *ready, 0.0
        when, ball = near
        side = np.sign((ball[0] - self.at(when)[0]) * -self.side) or 1.0
        towards = ball - shoulder
        contact = (shoulder + towards * max(0.2, 1 - 0.5 / max(np.linalg.norm(towards), 0.5)), ball)
        high = float(np.clip((ball[2] - 1.2) / 1.2, 0, 1))  # a smash is prepared above the shoulder
        back = (place(side * 0.55, -0.25, 1.15 + 0.6 * high), place(side * 0.75, -0.65, 1.45 + 0.4 * high))
        through = (place(-side * 0.05, 0.50, 1.35 - 0.3 * high), place(-side * 0.50, 0.50, 1.65 - 1.0 * high))
        keys = [(-0.45, ready), (-0.20, back), (0.0, contact), (0.13, through), (0.45, ready)]
        at = time - when
        for (t0, a), (t1, b) in zip(keys, keys[1:], strict=False):
            if at <= t1:
                u = (at - t0) / (t1 - t0)
                return a[0] + (b[0] - a[0]) * u, a[1] + (b[1] - a[1]) * u, 1 - abs(at) / 0.45
        return *ready, 0.0


@dataclass(frozen=True)
class Rally:
    """A planned rally."""

    ball: np.ndarray  # (n, 3), one row a STEP from `start` on; NaN while no ball is in play
    start: float  # s
    players: list[Player]

    def ball_at(self, times: np.ndarray) -> np.ndarray:
        """Ball (len(times), 3); NaN while none is in play."""
        grid = self.start + STEP * np.arange(len(self.ball))
        return np.stack([np.interp(times, grid, self.ball[:, i]) for i in range(3)], axis=1)


def plan_rally(
    sport: Sport, seconds: float, rng: np.random.Generator, *, doubles: bool, hide_from: np.ndarray | None
) -> Rally:
    """Plan `seconds` of play; a longer plan from an equal generator begins with the same play.

    Args:
        hide_from: the camera (3,). If given, near players step between it and each ball that comes to them.
    """
    back, front = sport.base
    across = 0.45 * sport.half_width
    waits = [(-across, back), (across, front)] if doubles else [(0.0, back)]
    players = [Player(side, (x * -side, y * side)) for side in (-1, 1) for x, y in waits]
    for player in players:
        player.height = rng.uniform(1.7, 1.92)
        player.keys.append((-1.0, *player.base))
    side, time, strokes = 1, -0.2, 0
    contact = np.array((rng.uniform(-0.5, 0.5) * sport.half_width, side * back, 1.0))
    start, pieces = time, [contact[None]]
    striker = min((p for p in players if p.side == side), key=lambda p: abs(p.base[0] - contact[0]))
    _stand(sport, striker, time, contact, rng)
    begin = time
    while begin < seconds + 0.5:
        path = shot(sport, contact, side, rng, lobs=hide_from is None)
        hiding = None
        for _ in range(30 if hide_from is not None and side == 1 else 0):
            hiding = _hideable(path, hide_from)
            if hiding is not None:
                break
            path = shot(sport, contact, side, rng, lobs=False)
        over = hide_from is None and strokes >= 4 and rng.random() < 0.15  # nobody reaches this one
        for player in players:
            if player is not striker:
                player.keys.append((time, *(player.base + rng.normal(0, 0.3, 2))))
        if over:
            speed = (path[-1] - path[-2]) / STEP
            path = np.concatenate([path, fly(sport, path[-1], speed, 1.2)[0], np.full((round(0.5 / STEP), 3), np.nan)])
        pieces.append(path)
        begin, time, side = time, time + STEP * len(path), -side
        strokes += 1
        contact = path[-1]
        if over:  # served anew from behind the line
            side, strokes = int(rng.choice([-1, 1])), 0
            contact = np.array((rng.uniform(-0.4, 0.4) * sport.half_width, side * (back - 0.4), 2.4))
            pieces.append(contact[None])
            time += STEP
        striker = min((p for p in players if p.side == side), key=lambda p: np.hypot(*(p.base - contact[:2])))
        _stand(sport, striker, time, contact, rng)
        if hiding is not None:
            row, x, y = hiding[0]
            stand = striker.keys[-1][1]
            onwards = np.sign(stand - x)
            if abs(stand - x) < 0.6:  # there it would stay hidden: hits on the other side
                stand = contact[0] + onwards * REACH
            striker.keys[-2:] = [(time - 0.02, stand, y), (time + 0.12, stand, y)]
            striker.keys.append((begin + row * STEP - 0.18, x - 0.7 * onwards, y))
            striker.keys += [(begin + row * STEP, x, y) for row, x, y in hiding]
    for player in players:
        player.keys.append((time + 2.0, *player.base))
        player.freeze(seconds)
    return Rally(np.concatenate(pieces), start, players)


def _stand(sport: Sport, player: Player, time: float, ball: np.ndarray, rng: np.random.Generator) -> None:
    """Have `player` stand beside the ball at `time` and hit it."""
    hand = rng.choice([1, -1], p=[0.7, 0.3]) * -player.side
    aside = 0.3 if ball[2] > 1.9 else REACH
    x, y = ball[0] - hand * aside, ball[1] + player.side * FORWARD
    if sport is PADEL:
        x, y = np.clip((x, y), (-4.6, -9.6), (4.6, 9.6))
    player.hits.append((time, ball))
    player.keys += [(time - 0.10, x, y), (time + 0.12, x, y)]


def _hideable(path: np.ndarray, camera: np.ndarray) -> np.ndarray | None:
    """Which 0.2 s of `path`, whose last point a near player hits, that player can hide from the camera.

    Returns:
        Rows of `path` and where on the ground to stand for each: (m, 3) of row, x, y; None if the ball stays too high.
    """
    stand = path[-1, 1] - FORWARD
    ahead = (path[:, 1] - camera[1]) / (stand - camera[1])  # distance of the ball in units of the player's
    sight = camera[2] + (path[:, 2] - camera[2]) / ahead  # height in which the line of sight passes the player
    behind = np.flatnonzero((path[:, 1] > stand + 0.3) & (sight > 0.45) & (sight < 1.45))
    behind = behind[behind < len(path) - 0.20 / STEP]  # the rest: to step aside
    if not len(behind) or behind[-1] - behind[0] < 0.10 / STEP:
        return None
    rows = behind[behind > behind[-1] - 0.05 / STEP][::4]
    x = camera[0] + (path[rows, 0] - camera[0]) / ahead[rows]
    return np.stack([rows, x, np.full(len(rows), stand)], axis=1)
