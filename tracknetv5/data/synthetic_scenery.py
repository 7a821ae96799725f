"""Places for made-up rallies: venues with everything that stands still, and the score board.

World axes as in `synthetic_rally`: metres, x right, y away from the camera, z up. Pictures are RGB uint8.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from tracknetv5.data.synthetic_people import Look, draw_figure
from tracknetv5.data.synthetic_picture import BLACK, WHITE, Camera, Colour, Layer, Painter
from tracknetv5.data.synthetic_rally import BADMINTON, PADEL, TENNIS, WALL_HEIGHT, Player, Sport

SPONSORS = ("NORDVIK", "Aurelia", "KITEBANK", "Solano", "PINEWAY", "halcyon", "TERRA", "MONTERO", "Ostara", "VELTRI")
NAMES = ("ARDEN", "BELMONT", "CASTEL", "DUVAL", "EKSTROM", "FARROW", "GALLO", "HOLM", "IBSEN", "KOVAR", "LINDT", "MORI")


@dataclass(frozen=True)
class Venue:
    """Colours of a court and what is around it."""

    sport: Sport
    court: Colour
    surround: Colour  # ground around the court
    floor: Colour  # ground further out
    lines: Colour
    boards: tuple[Colour, ...]  # advertising
    crowd: float  # brightness of the stands, 1 = daylight
    surface: str = "plain"  # plain, clay or grass
    sun: bool = True


VENUES = (
    Venue(TENNIS, (62, 100, 168), (108, 142, 122), (108, 142, 122), WHITE, ((22, 48, 96), (26, 56, 110)), 0.9),
    Venue(BADMINTON, (52, 160, 84), (48, 152, 78), (34, 62, 150), WHITE, ((24, 44, 120), (170, 30, 60), (30, 30, 42)),
          0.16, sun=False),
    Venue(TENNIS, (186, 96, 58), (178, 90, 54), (170, 86, 52), (232, 216, 200), ((28, 84, 62), (24, 70, 54)), 0.8,
          "clay"),
    Venue(PADEL, (24, 104, 206), (24, 104, 206), (66, 68, 76), WHITE, ((34, 36, 42), (28, 30, 36)), 0.6),
    Venue(TENNIS, (112, 146, 76), (96, 130, 64), (96, 130, 64), WHITE, ((22, 66, 44), (20, 58, 40)), 0.85, "grass"),
    Venue(BADMINTON, (58, 128, 96), (54, 122, 90), (176, 28, 32), WHITE, ((190, 26, 34), (164, 20, 30)), 0.12,
          sun=False),
)


def _mottle(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> np.ndarray:
    """Smooth noise (h, w), standard deviation near 1, `cells` blotches across."""
    coarse = rng.normal(size=(cells * shape[0] // shape[1] + 2, cells)).astype(np.float32)
    return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _text(image: np.ndarray, text: str, centre: tuple[float, float], height: float, colour: Colour) -> None:
    """Write in block letters `height` pixels high."""
    weight = max(1, round(height / 6))
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, height / 22, weight)
    place = (round(centre[0] - width / 2), round(centre[1] + height / 2))
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_DUPLEX, height / 22, colour, weight, cv2.LINE_AA)


def _boards(rng: np.random.Generator, colours: tuple[Colour, ...], panels: int) -> np.ndarray:
    """A row of advertising boards, each 240 x 60."""
    row = []
    for _ in range(panels):
        panel = np.full((60, 240, 3), colours[rng.integers(len(colours))], np.uint8)
        _text(panel, SPONSORS[rng.integers(len(SPONSORS))], (120, 29), 24, WHITE)
        panel[:, -1] = panel[:, -1] // 2
        row.append(panel)
    return np.hstack(row)


def _crowd(rng: np.random.Generator, brightness: float, seats: int, rows: int = 16) -> np.ndarray:
    """Rows of seated people, 12 x 14 pixels each, from a stock of 48."""
    stock = np.full((54, 14, 12, 3), (52, 56, 66), np.uint8)  # the last seats are free
    clothes = np.array([(225, 225, 225), (200, 205, 215), (40, 50, 90), (150, 40, 40), (30, 30, 34), (90, 130, 180),
                        (190, 170, 120), (120, 120, 126)])
    for seat in stock[:48]:
        x, y = (int(c) for c in rng.integers((4, 4), (8, 7)))
        cloth = np.clip(clothes[rng.integers(len(clothes))] + rng.normal(0, 12, 3), 0, 255).tolist()
        cv2.ellipse(seat, (x, y + 8), (5, 6), 0, 0, 360, cloth, -1, cv2.LINE_AA)
        cv2.circle(seat, (x, y), 3, (np.array((205, 160, 130)) * rng.uniform(0.45, 1.05)).tolist(), -1, cv2.LINE_AA)
        cv2.circle(seat, (x, y - 1), 3, (40, 32, 28), 1, cv2.LINE_AA)
    people = np.vstack([np.roll(np.hstack(stock[rng.integers(len(stock), size=seats)]), rng.integers(12), axis=1)
                        for _ in range(rows)])
    return np.clip(people * brightness, 0, 255).astype(np.uint8)


def court_lines(sport: Sport) -> list[tuple[float, float, float, float, float]]:
    """Lines as x, y of both ends and width, in metres."""
    w, h = sport.half_width, sport.half_length
    if sport is PADEL:
        return [(-w, y, w, y, 0.06) for y in (-6.95, 6.95)] + [(0, -7.1, 0, 7.1, 0.06)]
    if sport is TENNIS:
        across = [(-w, y, w, y, 0.09) for y in (-h, h)] + [(-4.115, y, 4.115, y, 0.06) for y in (-6.4, 6.4)]
        marks = [(0, y * h, 0, y * (h - 0.25), 0.06) for y in (-1, 1)]
        return across + marks + [(x, -h, x, h, 0.06) for x in (-w, -4.115, 4.115, w)] + [(0, -6.4, 0, 6.4, 0.06)]
    across = [(-w, s * y, w, s * y, 0.045) for y in (1.98, 5.94, h) for s in (-1, 1)]
    return across + [(x, -h, x, h, 0.045) for x in (-w, -2.59, 2.59, w)] + [
        (0, s * 1.98, 0, s * h, 0.045) for s in (-1, 1)]


def _ground(venue: Venue, rng: np.random.Generator, extent: float) -> np.ndarray:
    """The ground seen from above, 24 pixels a metre, `extent` metres to every side; far is up."""
    sport, unit = venue.sport, 24
    size = round(2 * extent * unit)
    image = np.full((size, size, 3), venue.floor, np.float32)

    def box(x: float, y: float) -> tuple[slice, slice]:
        return tuple(slice(round((extent - half) * unit), round((extent + half) * unit)) for half in (y, x))

    margin = {TENNIS: 5.5, BADMINTON: 1.1, PADEL: 0.0}[sport]
    image[box(sport.half_width + margin, sport.half_length + margin)] = venue.surround
    image[box(sport.half_width, sport.half_length)] = venue.court
    rough = {"plain": 1.2, "clay": 4.0, "grass": 3.0}[venue.surface]
    for cells, strength in ((20, 1.0), (120, 0.7), (500, 0.8)):
        image += (rough * strength * _mottle(rng, (size, size), cells))[..., None]
    if venue.surface == "grass":
        stripes = np.sign(np.sin(np.arange(size) / unit * np.pi / 1.37))[None, :, None] * 4
        worn = np.zeros((size, size), np.float32)
        for s in (-1, 1):
            middle = (size // 2, round((extent + s * (sport.half_length + 0.4)) * unit))
            cv2.ellipse(worn, middle, (round(3.5 * unit), round(1.1 * unit)), 0, 0, 360, 1.0, -1)
        worn = cv2.GaussianBlur(worn, (0, 0), 0.5 * unit) * np.clip(0.7 + 0.35 * _mottle(rng, (size, size), 90), 0, 1)
        image = (image + stripes) * (1 - worn[..., None]) + np.array((168, 148, 104), np.float32) * worn[..., None]
    image = np.clip(image, 0, 255).astype(np.uint8)
    pale = tuple(int(0.35 * c + 0.65 * 235) for c in venue.court)
    town = SPONSORS[rng.integers(len(SPONSORS))].upper()
    writing = {  # text, x and y (towards the camera) of its middle, height; m
        TENNIS: [(town, s * (sport.half_width + 2.9), 3.0, 0.75) for s in (-1, 1)],
        BADMINTON: [(town, s * 1.6, sport.half_length + 0.55, 0.4) for s in (-1, 1)] + [(town.title(), 0, 1.0, 0.55)],
        PADEL: [],
    }
    for text, x, y, tall in writing[sport]:
        _text(image, text, ((extent + x) * unit, (extent + y) * unit), tall * unit, pale)
    return image


def background(venue: Venue, camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Everything that stands still and is never in front of the ball, (H, W, 3)."""
    sport, extent = venue.sport, 25.0
    back = sport.half_length + {TENNIS: 6.4, BADMINTON: 3.6, PADEL: 4.5}[sport]  # y of the boards behind
    side = sport.half_width + {TENNIS: 6.2, BADMINTON: 3.8, PADEL: 4.2}[sport]
    wall = {TENNIS: 2.4, BADMINTON: 1.0, PADEL: 1.3}[sport]
    front = -sport.half_length - 5
    paint = Painter(camera)
    paint.canvas[:] = (*(int(c * venue.crowd) for c in (60, 62, 72)), 255)
    ground = _ground(venue, rng, extent)
    paint.picture([(-extent, extent, 0), (extent, extent, 0), (extent, -extent, 0), (-extent, -extent, 0)], ground)
    for s in (-1, 1):  # at the sides: stands, then boards
        left, right = (front, back) if s < 0 else (back, front)
        foot, rail, top = [(s * side, 0.0), (s * side, wall * 0.6), (s * (side + 14), wall * 0.6 + 8)]
        for (x0, low), (x1, high), texture in (
            (rail, top, _crowd(rng, venue.crowd * 0.9, 64)),
            (foot, rail, _boards(rng, venue.boards, 9)),
        ):
            paint.picture([(x1, left, high), (x1, right, high), (x0, right, low), (x0, left, low)], texture)
    for reach, (y0, low), (y1, high), texture in (  # behind the far baseline
        (40, (back + 0.5, wall), (back + 14, wall + 8), _crowd(rng, venue.crowd, 170)),
        (side, (back, 0.0), (back, wall), _boards(rng, venue.boards, 5 if sport is TENNIS else 7)),
    ):
        paint.picture([(-reach, y1, high), (reach, y1, high), (reach, y0, low), (-reach, y0, low)], texture)
    if sport is BADMINTON:  # a second row of boards, higher up
        x, y = side * 0.7, back + 1
        paint.picture([(-x, y, 2.7), (x, y, 2.7), (x, y, 1.5), (-x, y, 1.5)],
                      _boards(rng, ((200, 30, 40), venue.boards[0]), 5))
    for x0, y0, x1, y1, width in court_lines(sport):
        paint.bar((x0, y0, 0), (x1, y1, 0), width, venue.lines)
    _furniture(paint, venue, rng, back)
    height, width = camera.size
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    light = 1.03 - (0.10 if venue.sun else 0.22) * (0.6 * x * x + 0.4 * y * y)
    return np.clip(paint.finish()[..., :3] * light[..., None], 0, 255).astype(np.uint8)


def _furniture(paint: Painter, venue: Venue, rng: np.random.Generator, back: float) -> None:
    """Umpire on a chair, line judges, and the far parts of a padel cage."""
    sport = venue.sport
    if sport is PADEL:
        cage(paint, venue, near=False)
    people = [(-1 if rng.random() < 0.5 else 1, 0.0, 1.3)]
    people += [(x, back - 0.6, 0.0) for x in rng.uniform(-0.8, 0.8, 3)]
    for x, y, up in people:
        x *= sport.net_half_width + 1.6
        if up:
            for dx in (-0.35, 0.35):
                paint.bar((x + dx * 1.4, y, 0), (x + dx, y, up + 0.5), 0.10, (60, 66, 84))
            paint.polygon([(x - 0.42, y, 0.9), (x + 0.42, y, 0.9), (x + 0.36, y, up + 0.45), (x - 0.36, y, up + 0.45)],
                          venue.boards[0])
        judge = Player(1, (x, y), keys=[(-1, x, y), (1, x, y)])
        judge.freeze(0.1)
        joints = {name: joint + (0, 0, up) for name, joint in judge.pose(0).items() if name != "racket"}
        figure = draw_figure(paint.camera, joints, replace(Look.draw(rng), shirt=(44, 50, 70), shoes=BLACK), sport)
        if figure is not None:
            paint.layer(figure)


def cage(paint: Painter, venue: Venue, near: bool) -> None:
    """Glass, mesh and posts of a padel court: the end and sides behind the ball, or the end in front of it."""
    w, h, top = venue.sport.half_width, venue.sport.half_length, WALL_HEIGHT
    steel = (52, 54, 60)
    y = -h if near else h
    if near:
        paint.polygon([(-w, y, 0), (w, y, 0), (w, y, top), (-w, y, top)], WHITE, 0.03)
    else:
        for s in (-1, 1):
            mesh = [(s * w, -6, 0), (s * w, 6, 0), (s * w, 6, top + 1), (s * w, -6, top + 1)]
            base = paint.canvas.copy()
            paint.polygon(mesh, (40, 42, 48))
            for end in (-h, 6.0):
                paint.polygon([(s * w, end, 0), (s * w, end + 4, 0), (s * w, end + 4, top), (s * w, end, top)],
                              (150, 170, 190))
            cv2.addWeighted(paint.canvas, 0.4, base, 0.6, 0, paint.canvas)
            for along in np.linspace(-h, h, 11):
                paint.bar((s * w, along, 0), (s * w, along, top + (1 if abs(along) <= 6 else 0)), 0.07, steel)
            paint.bar((s * w, -h, top), (s * w, h, top), 0.07, steel)
    for x in np.linspace(-w, w, 6):
        outer = abs(x) == w
        paint.bar((x, y, 0), (x, y, top), 0.10 if outer else 0.025, steel if outer else (170, 186, 205))
    for up, width in ((top, 0.09), (0.03, 0.12)):
        paint.bar((-w, y, up), (w, y, up), width, steel)


def net(venue: Venue, camera: Camera) -> Layer:
    """The net with tape and posts."""
    sport, paint = venue.sport, Painter(camera, 4)
    w, (ends, middle), bottom = sport.net_half_width, sport.net_heights, sport.net_bottom
    xs = np.linspace(-w, w, 33)
    tops = middle + (ends - middle) * np.abs(xs / w)
    dark = (30, 26, 22) if sport is BADMINTON else (22, 24, 30)
    mesh = [(x, 0, bottom) for x in xs[::-1]] + [(x, 0, top) for x, top in zip(xs, tops, strict=True)]
    paint.polygon(mesh, dark, 0.16 if sport is BADMINTON else 0.34)
    for x in np.arange(-w, w, 0.18):
        paint.bar((x, 0, bottom), (x, 0, middle), 0.012, dark, 0.5)
    for z in np.arange(bottom + 0.1, middle, 0.1):
        paint.bar((-w, 0, z), (w, 0, z), 0.012, dark, 0.5)
    tape = 0.075 if sport is BADMINTON else 0.065
    for (x0, z0), (x1, z1) in zip(zip(xs, tops, strict=True), list(zip(xs, tops, strict=True))[1:], strict=False):
        paint.bar((x0, 0, z0 - tape / 2), (x1, 0, z1 - tape / 2), tape, WHITE)
    if sport is TENNIS:
        paint.bar((0, 0, 0), (0, 0, middle), 0.06, WHITE)
    for s in (-1, 1):
        paint.bar((s * w, 0, 0), (s * w, 0, ends + 0.03), 0.09, (44, 46, 50))
    return paint.cut_out()


def score_board(venue: Venue, size: tuple[int, int], rng: np.random.Generator) -> Layer:
    """The broadcaster's overlay: two names and points."""
    height, width = size
    unit = min(height, width * 9 // 16)
    fine = 4 if unit < 400 else 2
    tall, wide = round(0.085 * unit) * fine, round(0.40 * unit) * fine
    image = np.full((tall, wide, 3), [(24, 44, 92), (236, 236, 236), (30, 30, 34)][rng.integers(3)], np.uint8)
    ink = BLACK if image[0, 0].mean() > 128 else WHITE
    pair = rng.choice(len(NAMES), 2, replace=False)
    for row, name in enumerate(pair):
        y = tall * (0.27 + 0.46 * row)
        image[tall // 2 * row : tall // 2 * (row + 1), round(0.86 * wide) :] = (200, 60, 40) if row else (40, 90, 160)
        _text(image, NAMES[name], (0.34 * wide, y), 0.26 * tall, ink)
        _text(image, str(rng.integers(0, 7)), (0.76 * wide, y), 0.26 * tall, ink)
        _text(image, str(rng.choice(["0", "15", "30", "40"])), (0.93 * wide, y), 0.26 * tall, WHITE)
    image = cv2.resize(image, (wide // fine, tall // fine), interpolation=cv2.INTER_AREA)
    corner = rng.choice(["above", "below"], p=[0.3, 0.7]) if venue.sport is TENNIS else "above"
    top = 0.05 * unit if corner == "above" else height - 0.04 * unit - image.shape[0]
    rgba = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    return Layer.from_rgba(round(width / 2 - 0.80 * unit), round(top), rgba)
