"""Drawn things that move or are played with: boat, car, bicycle, balloon, kite, ball."""

import math

from taglens.datasets.scenes.brush import INK, Brush, Colour, Point, arc, hsv, patterned, shade

_CLOTH: Colour = (246, 242, 230)


def boat(brush: Brush) -> None:
    """Draw a hull under sails, or under a cabin with a funnel."""
    hull = brush.paint(saturation=0.6, value=0.6)
    if brush.random.random() < 0.65:
        sail = brush.random.choice([_CLOTH, brush.paint()])
        brush.box(0.47, 0.0, 0.51, 0.72, (96, 70, 50), outline=False)
        patterned(brush, [(0.54, 0.04), (0.94, 0.62), (0.54, 0.62)], sail)
        brush.shape([(0.44, 0.14), (0.44, 0.62), (0.14, 0.62)], shade(sail, 0.88))
    else:
        brush.box(0.56, 0.18, 0.68, 0.5, brush.paint(0.0, 0.6, 0.1))
        brush.box(0.26, 0.44, 0.78, 0.7, _CLOTH)
        for window in (0.36, 0.52, 0.68):
            brush.oval((window, 0.57), (0.05, 0.06), hsv(0.56, 0.4, 0.7))
    brush.shape([(0.0, 0.7), (1.0, 0.7), (0.82, 1.0), (0.16, 1.0)], hull)
    brush.stroke([(0.06, 0.78), (0.94, 0.78)], shade(hull, 1.6), 0.05)


def car(brush: Brush) -> None:
    """Draw a car from its side."""
    paint, glass = brush.paint(), brush.random.choice([hsv(0.55, 0.3, 0.9), hsv(0.6, 0.3, 0.35)])
    roof = brush.random.choice([(0.3, 0.68), (0.24, 0.78), (0.36, 0.62)])
    brush.shape([(roof[0] - 0.14, 0.42), (roof[0], 0.08), (roof[1], 0.08), (roof[1] + 0.16, 0.42)], paint)
    brush.shape([(roof[0] - 0.06, 0.4), (roof[0] + 0.03, 0.15), (0.48, 0.15), (0.48, 0.4)], glass)
    brush.shape([(0.53, 0.4), (0.53, 0.15), (roof[1] - 0.02, 0.15), (roof[1] + 0.09, 0.4)], glass)
    brush.shape([(0.0, 0.5), (0.05, 0.4), (0.9, 0.4), (1.0, 0.52), (1.0, 0.76), (0.0, 0.76)], paint)
    brush.box(0.93, 0.5, 1.0, 0.58, (255, 240, 160))
    brush.stroke([(0.02, 0.62), (0.98, 0.62)], shade(paint, 0.7), 0.04)
    for wheel in (0.23, 0.77):
        brush.oval((wheel, 0.78), (0.12, 0.22), (40, 40, 46))
        brush.oval((wheel, 0.78), (0.055, 0.1), (190, 190, 196), outline=False)


def bicycle(brush: Brush) -> None:
    """Draw two spoked wheels, a frame, a saddle and a handlebar."""
    frame, tyre = brush.paint(value=0.75), brush.random.choice([INK, (70, 70, 76), brush.paint(value=0.45)])
    for wheel in (0.21, 0.79):
        for spoke in range(4):
            across, down = 0.19 * math.cos(math.pi * spoke / 4), 0.3 * math.sin(math.pi * spoke / 4)
            brush.stroke([(wheel - across, 0.68 - down), (wheel + across, 0.68 + down)], (150, 150, 156), 0.015)
        brush.ring((wheel, 0.68), (0.2, 0.31), tyre, 0.055)
    bars: list[list[Point]] = [
        [(0.21, 0.68), (0.36, 0.3), (0.7, 0.3), (0.48, 0.7), (0.21, 0.68)],
        [(0.48, 0.7), (0.34, 0.18)],
        [(0.79, 0.68), (0.68, 0.12)],
    ]
    for bar in bars:
        brush.stroke(bar, frame, 0.075)
    brush.stroke([(0.26, 0.16), (0.42, 0.16)], INK, 0.09)
    brush.stroke([(0.6, 0.16), (0.68, 0.1), (0.78, 0.14)], INK, 0.06)


def balloon(brush: Brush) -> None:
    """Draw a balloon on a wavy string."""
    colour = brush.paint(value=0.9)
    brush.stroke([(0.5, 0.6), (0.44, 0.7), (0.56, 0.82), (0.46, 1.0)], shade(colour, 0.5), 0.04)
    brush.shape([(0.5, 0.56), (0.4, 0.64), (0.6, 0.64)], shade(colour, 0.8))
    patterned(brush, arc((0.5, 0.3), (0.44, 0.3), 0, 360, 26), colour, share=0.3)
    brush.oval((0.34, 0.18), (0.07, 0.06), shade(colour, 1.6), outline=False)


def kite(brush: Brush) -> None:
    """Draw a diamond in two colours with a bowed tail."""
    first, second = brush.paint(value=0.9), brush.paint(value=0.9)
    tail: list[Point] = [(0.5, 0.62), (0.4, 0.74), (0.58, 0.86), (0.48, 1.0)]
    brush.stroke(tail, shade(first, 0.5), 0.035)
    for x, y in tail[1:]:
        brush.shape([(x - 0.13, y - 0.045), (x, y), (x - 0.13, y + 0.045)], second, outline=False)
        brush.shape([(x + 0.13, y - 0.045), (x, y), (x + 0.13, y + 0.045)], second, outline=False)
    brush.shape([(0.5, 0.0), (0.94, 0.24), (0.5, 0.64), (0.06, 0.24)], first)
    brush.shape([(0.5, 0.0), (0.94, 0.24), (0.5, 0.24)], second)
    brush.shape([(0.5, 0.64), (0.06, 0.24), (0.5, 0.24)], second)


def ball(brush: Brush) -> None:
    """Draw a beach ball, a football or a striped ball."""
    first, second = brush.paint(value=0.9), brush.random.choice([_CLOTH, brush.paint(value=0.9)])
    kind, turn = brush.random.random(), brush.random.uniform(0, 60)
    brush.oval((0.5, 0.5), (0.48, 0.48), _CLOTH if kind >= 0.75 else first)
    if kind < 0.45:
        for slice_start in (0, 120, 240):
            brush.shape([(0.5, 0.5), *arc((0.5, 0.5), (0.48, 0.48), turn + slice_start, turn + slice_start + 60, 8)], second)
    elif kind < 0.75:
        for top in (0.28, 0.58):
            brush.shape([(0.08, top), (0.92, top), (0.92, top + 0.14), (0.08, top + 0.14)], second, outline=False)
    else:
        spots = [(0.5, 0.5), *arc((0.5, 0.5), (0.38, 0.38), turn, turn + 288, 4)]
        for x, y in spots:
            brush.shape(arc((x, y), (0.13, 0.13), turn, turn + 288, 4), INK, outline=False)
    brush.ring((0.5, 0.5), (0.48, 0.48), shade(first, 0.55), 0.03)
