"""Drawn things of a room: umbrella, lamp, chair, table, cup, clock."""

import math

from taglens.datasets.scenes.brush import INK, Brush, Colour, arc, patterned, shade


def _wood(brush: Brush) -> Colour:
    return brush.paint(0.07, 0.09, 0.05, 0.0, 0.55, 0.35, saturation=0.5, value=0.55)


def umbrella(brush: Brush) -> None:
    """Draw an open umbrella with a hooked handle."""
    first, second = brush.paint(), brush.paint()
    brush.stroke([(0.5, 0.0), (0.5, 0.9), *arc((0.58, 0.9), (0.08, 0.09), 180, 0, 6)], (84, 64, 50), 0.045)
    brush.shape(arc((0.5, 0.5), (0.5, 0.45), 180, 360, 20), first)
    for left, right in ((0.0, 0.25), (0.5, 0.75)):
        top = [(0.5 + (left - 0.5) * 0.2, 0.06), (0.5 + (right - 0.5) * 0.2, 0.06)]
        brush.shape(
            [(left, 0.5), ((left + top[0][0]) / 2 - 0.06, 0.18), *top, ((right + top[1][0]) / 2, 0.2), (right, 0.5)], second, outline=False
        )
    for start in (0.0, 0.25, 0.5, 0.75):
        brush.stroke(arc((start + 0.125, 0.5), (0.125, 0.06), 180, 360, 6), shade(first, 0.5), 0.03)


def lamp(brush: Brush) -> None:
    """Draw a standing lamp with a shade, or a lantern on a post."""
    metal, light = brush.paint(0.1, 0.6, saturation=0.3, value=0.4), brush.paint(0.13, 0.1, 0.95, 0.5, saturation=0.5, value=0.95)
    brush.box(0.46, 0.3, 0.54, 0.94, metal)
    brush.shape([(0.24, 1.0), (0.36, 0.92), (0.64, 0.92), (0.76, 1.0)], metal)
    if brush.random.random() < 0.65:
        patterned(brush, [(0.3, 0.0), (0.7, 0.0), (0.98, 0.36), (0.02, 0.36)], light, share=0.3)
        return
    brush.shape([(0.3, 0.1), (0.7, 0.1), (0.62, 0.34), (0.38, 0.34)], light)
    brush.shape([(0.2, 0.1), (0.5, 0.0), (0.8, 0.1)], metal)


def chair(brush: Brush) -> None:
    """Draw a chair from its side: a back with slats or a cushion, a seat, legs."""
    wood = _wood(brush)
    for leg, top in ((0.1, 0.0), (0.24, 0.56), (0.66, 0.56), (0.8, 0.56)):
        brush.box(leg, top, leg + 0.1, 1.0 if leg in (0.1, 0.8) else 0.9, wood if leg in (0.1, 0.8) else shade(wood, 0.7))
    if brush.random.random() < 0.5:
        for slat in (0.06, 0.2, 0.34):
            brush.box(0.18, slat, 0.42, slat + 0.07, shade(wood, 0.85))
    else:
        patterned(brush, [(0.16, 0.02), (0.4, 0.06), (0.4, 0.48), (0.16, 0.5)], brush.paint())
    brush.shape([(0.08, 0.5), (0.86, 0.5), (0.94, 0.62), (0.08, 0.62)], brush.random.choice([wood, brush.paint()]))


def table(brush: Brush) -> None:
    """Draw a table with legs, sometimes under a cloth."""
    wood = _wood(brush)
    legs = brush.random.choice([(0.06, 0.22, 0.7, 0.86), (0.08, 0.84), (0.45,)])
    for leg in legs:
        brush.box(leg, 0.25, leg + 0.09, 1.0 if leg in (legs[0], legs[-1]) else 0.88, shade(wood, 0.8))
    if len(legs) == 1:
        brush.shape([(0.24, 1.0), (0.34, 0.92), (0.66, 0.92), (0.76, 1.0)], shade(wood, 0.8))
    brush.shape([(0.1, 0.06), (0.9, 0.06), (1.0, 0.22), (0.0, 0.22)], shade(wood, 1.2))
    if brush.random.random() < 0.35:
        patterned(brush, [(0.0, 0.22), (1.0, 0.22), (0.97, 0.46), (0.03, 0.46)], brush.paint(), share=0.8)
    else:
        brush.box(0.0, 0.2, 1.0, 0.31, wood)


def cup(brush: Brush) -> None:
    """Draw a cup with a handle, often steaming."""
    colour = brush.paint(saturation=0.55)
    brush.ring((0.76, 0.6), (0.17, 0.17), shade(colour, 0.75), 0.08)
    patterned(brush, [(0.08, 0.34), (0.78, 0.34), (0.7, 0.94), (0.62, 1.0), (0.24, 1.0), (0.16, 0.94)], colour, share=0.6)
    brush.oval((0.43, 0.34), (0.35, 0.08), brush.paint(0.06, 0.1, value=0.4))
    if brush.random.random() < 0.6:
        for x in (0.32, 0.52):
            brush.stroke([(x, 0.24), (x + 0.06, 0.16), (x - 0.02, 0.08), (x + 0.04, 0.0)], (200, 200, 206), 0.035)


def clock(brush: Brush) -> None:
    """Draw a round or square clock with hour marks and two hands."""
    rim, face = brush.paint(value=0.55), brush.random.choice([(248, 246, 236), brush.paint(saturation=0.25, value=0.95)])
    if brush.random.random() < 0.7:
        brush.oval((0.5, 0.5), (0.5, 0.5), rim)
        brush.oval((0.5, 0.5), (0.41, 0.41), face)
    else:
        brush.box(0.0, 0.0, 1.0, 1.0, rim)
        brush.box(0.09, 0.09, 0.91, 0.91, face)
    for hour in range(12):
        across, down = math.cos(math.tau * hour / 12), math.sin(math.tau * hour / 12)
        brush.stroke([(0.5 + 0.31 * across, 0.5 + 0.31 * down), (0.5 + 0.37 * across, 0.5 + 0.37 * down)], INK, 0.035)
    for length, width in ((0.19, 0.06), (0.29, 0.045)):
        angle = brush.random.uniform(0, math.tau)
        brush.stroke([(0.5, 0.5), (0.5 + length * math.cos(angle), 0.5 + length * math.sin(angle))], INK, width)
    brush.oval((0.5, 0.5), (0.04, 0.04), INK, outline=False)
