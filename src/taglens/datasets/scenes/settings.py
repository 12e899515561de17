"""Settings of drawn scenes: which objects meet there, what the background looks like, what clutters it."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from taglens.datasets.scenes.brush import Brush, Colour, Point, arc, hsv, shade, tiles

Painter = Callable[[Brush, float], None]


@dataclass(frozen=True)
class SceneSetting:
    """One kind of scene."""

    words: tuple[str, ...]
    """How captions may call it."""
    objects: dict[str, float]
    """Relative frequency of each class that belongs here."""
    paint: Painter
    """Draws the background; is given the height of the horizon (share of the side from the top)."""
    horizon: tuple[float, float]


def _gradient(brush: Brush, top: Colour, bottom: Colour, start: float, end: float) -> None:
    side = brush.canvas.width
    low, high = round(start * side), round(end * side)
    strip = Image.new("RGB", (1, 2))
    strip.putpixel((0, 0), top)
    strip.putpixel((0, 1), bottom)
    brush.canvas.paste(strip.resize((side, max(high - low, 1)), Image.Resampling.BILINEAR), (0, low))


def _tile(brush: Brush, colour: Colour, start: float, end: float) -> None:
    brush.pattern([(0.0, start), (1.0, start), (1.0, end), (0.0, end)], colour, brush.random.choice(tiles()))


def _blade(brush: Brush, x: float, y: float, colour: Colour) -> None:
    lean = brush.random.uniform(-0.015, 0.015)
    brush.shape([(x - 0.012, y), (x + lean, y - brush.random.uniform(0.03, 0.07)), (x + 0.012, y)], colour, outline=False)


def _day_sky(brush: Brush, horizon: float) -> None:
    hue = brush.random.choice([0.55, 0.58, 0.6, 0.52, 0.06, 0.9])
    top = hsv(hue, brush.random.uniform(0.25, 0.6), brush.random.uniform(0.75, 0.95))
    _gradient(brush, top, shade(top, 1.55), 0.0, horizon)


def _sea(brush: Brush, horizon: float) -> None:
    _day_sky(brush, horizon)
    water = hsv(brush.random.uniform(0.48, 0.64), brush.random.uniform(0.4, 0.7), brush.random.uniform(0.5, 0.8))
    _gradient(brush, shade(water, 1.25), shade(water, 0.75), horizon, 1.0)
    for _ in range(14):
        x, y = brush.random.random(), brush.random.uniform(horizon + 0.03, 1.0)
        reach = brush.random.uniform(0.02, 0.06)
        brush.stroke(arc((x, y), (reach, 0.012), 200, 340, 6), shade(water, 1.45), 0.006)
    if brush.random.random() < 0.4:
        beach: list[Point] = [(0.0, 1.0), (0.0, 0.86), *arc((0.4, 0.98), (0.7, 0.12), 200, 340, 8), (1.0, 1.0)]
        brush.shape(beach, brush.paint(0.12, saturation=0.4, value=0.85), outline=False)


def _meadow(brush: Brush, horizon: float) -> None:
    _day_sky(brush, horizon)
    grass = brush.paint(0.27, 0.3, 0.22, 0.12, 0.17, saturation=0.45, value=0.65)
    for _ in range(2):
        middle, reach = brush.random.random(), brush.random.uniform(0.3, 0.6)
        brush.shape(
            arc((middle, horizon + 0.02), (reach, brush.random.uniform(0.06, 0.2)), 180, 360, 16), shade(grass, 0.85), outline=False
        )
    _gradient(brush, grass, shade(grass, 0.7), horizon, 1.0)
    for _ in range(18):
        _blade(brush, brush.random.random(), brush.random.uniform(horizon + 0.05, 1.0), shade(grass, brush.random.choice([0.6, 1.3])))
    if brush.random.random() < 0.3:
        fence = brush.paint(0.08, saturation=0.3, value=0.7)
        for post in range(9):
            brush.box(post / 8 - 0.012, horizon - 0.05, post / 8 + 0.012, horizon + 0.09, fence, outline=False)
        brush.stroke([(0.0, horizon + 0.01), (1.0, horizon + 0.01)], fence, 0.018)


def _street(brush: Brush, horizon: float) -> None:
    _day_sky(brush, horizon)
    left = -0.05
    while left < 1.0:
        width, top = brush.random.uniform(0.1, 0.24), horizon - brush.random.uniform(0.08, 0.34)
        block = brush.paint(0.6, 0.05, 0.1, saturation=0.25, value=0.65)
        brush.box(left, top, left + width, horizon, block, outline=False)
        for window in range(int(width / 0.05)):
            for floor in range(int((horizon - top) / 0.07)):
                x, y = left + 0.015 + 0.05 * window, top + 0.02 + 0.07 * floor
                brush.box(x, y, x + 0.022, y + 0.032, shade(block, brush.random.choice([0.65, 1.5])), outline=False)
        left += width
    road = brush.paint(0.65, saturation=0.25, value=0.5)
    _gradient(brush, shade(road, 1.1), shade(road, 0.8), horizon, 1.0)
    middle = (horizon + 1) / 2 + 0.05
    for dash in range(6):
        brush.box(dash / 5 - 0.06, middle, dash / 5 + 0.04, middle + 0.02, shade(road, 1.6), outline=False)


def _room(brush: Brush, horizon: float) -> None:
    wall, floor = brush.paint(saturation=0.3, value=0.8), brush.paint(0.07, 0.1, 0.6, 0.95, saturation=0.4, value=0.55)
    _gradient(brush, wall, shade(wall, 0.9), 0.0, horizon)
    if brush.random.random() < 0.5:
        _tile(brush, shade(wall, brush.random.choice([0.9, 1.2])), 0.0, horizon)
    _gradient(brush, floor, shade(floor, 0.75), horizon, 1.0)
    for board in range(-2, 9):
        brush.stroke([(0.5 + (board / 6 - 0.5) * 0.9, horizon), (0.5 + (board / 6 - 0.5) * 1.9, 1.0)], shade(floor, 0.8), 0.006)
    brush.box(-0.02, horizon - 0.02, 1.02, horizon + 0.012, shade(wall, 1.5), outline=False)
    if brush.random.random() < 0.5:
        x, y = brush.random.uniform(0.05, 0.6), brush.random.uniform(0.06, 0.2)
        brush.box(x, y, x + 0.24, y + 0.22, shade(wall, 0.6))
        brush.box(x + 0.02, y + 0.02, x + 0.22, y + 0.2, brush.random.choice([(196, 226, 240), brush.paint(saturation=0.4)]))
        brush.stroke([(x + 0.12, y + 0.02), (x + 0.12, y + 0.2)], shade(wall, 0.6), 0.012)
    if brush.random.random() < 0.5:
        brush.oval((brush.random.uniform(0.3, 0.7), 0.88), (0.36, 0.09), brush.paint(saturation=0.5, value=0.65))


def _night(brush: Brush, horizon: float) -> None:
    top = hsv(brush.random.choice([0.62, 0.68, 0.75, 0.58]), brush.random.uniform(0.45, 0.8), brush.random.uniform(0.15, 0.35))
    _gradient(brush, top, shade(top, 1.3), 0.0, horizon)
    for _ in range(16):
        x, y = brush.random.random(), brush.random.uniform(0, horizon)
        brush.oval((x, y), (0.005, 0.005), (220, 220, 235), outline=False)
    ground = brush.paint(0.3, 0.6, 0.7, saturation=0.45, value=0.3)
    brush.shape(arc((brush.random.random(), horizon + 0.02), (0.6, 0.14), 180, 360, 16), shade(ground, 0.8), outline=False)
    _gradient(brush, ground, shade(ground, 0.6), horizon, 1.0)
    for _ in range(10):
        _blade(brush, brush.random.random(), brush.random.uniform(horizon + 0.05, 1.0), shade(ground, 1.2))


def _paper(brush: Brush, horizon: float) -> None:
    paper = brush.paint(saturation=0.25, value=0.85)
    _gradient(brush, paper, shade(paper, brush.random.choice([0.7, 1.4])), 0.0, 1.0)
    if brush.random.random() < 0.6:
        _tile(brush, shade(paper, brush.random.choice([0.85, 1.3])), 0.0, 1.0)


_ANIMALS = {"bird": 1.0, "cat": 1.0, "dog": 1.0}
SETTINGS: dict[str, SceneSetting] = {
    "sea": SceneSetting(
        ("at the sea", "on the water", "by the beach"),
        {"boat": 4.0, "fish": 4.0, "bird": 2.0, "sun": 2.0, "cloud": 2.0, "umbrella": 1.0, "ball": 0.7, "kite": 0.7, "moon": 0.4},
        _sea,
        (0.3, 0.5),
    ),
    "meadow": SceneSetting(
        ("in the garden", "on the grass", "in the park", "in the country"),
        {**_ANIMALS, "tree": 3.0, "flower": 3.0, "mushroom": 2.0, "sun": 2.0, "cloud": 2.0, "kite": 1.3, "ball": 1.2, "balloon": 1.0}
        | {"house": 1.0, "bicycle": 0.8, "umbrella": 0.4, "chair": 0.3, "table": 0.3},
        _meadow,
        (0.35, 0.6),
    ),
    "street": SceneSetting(
        ("in the street", "in the city", "on the road"),
        {**_ANIMALS, "car": 4.0, "bicycle": 2.5, "house": 2.5, "tree": 1.5, "lamp": 1.5, "umbrella": 1.5, "cloud": 1.2, "sun": 0.8}
        | {"clock": 0.6, "balloon": 0.6, "ball": 0.5},
        _street,
        (0.4, 0.58),
    ),
    "room": SceneSetting(
        ("in a room", "at home", "in the kitchen"),
        {"cat": 1.6, "dog": 1.2, "table": 3.0, "chair": 3.0, "cup": 3.0, "lamp": 2.4, "clock": 2.4, "ball": 0.8, "flower": 0.9}
        | {"umbrella": 0.5, "balloon": 0.6, "fish": 0.4, "bird": 0.3},
        _room,
        (0.52, 0.68),
    ),
    "night": SceneSetting(
        ("at night", "in the dark", "in the evening"),
        {"moon": 3.5, "star": 4.5, "house": 2.0, "tree": 2.0, "lamp": 1.3, "cloud": 1.2, "cat": 1.2, "mushroom": 0.7, "car": 0.6},
        _night,
        (0.5, 0.7),
    ),
    "paper": SceneSetting(("on paper", "on a plain ground"), {}, _paper, (0.5, 0.5)),
}
SETTING_SHARES: dict[str, float] = {"sea": 0.17, "meadow": 0.2, "street": 0.17, "room": 0.18, "night": 0.13, "paper": 0.15}
