"""Drawn things of sky and ground: house, tree, sun, moon, cloud, star, flower, mushroom."""

import math

from taglens.datasets.scenes.brush import Brush, arc, hsv, patterned, shade


def house(brush: Brush) -> None:
    """Draw walls, a roof, a door, windows and often a chimney."""
    wall, roof = brush.paint(saturation=0.4, value=0.85), brush.paint(0.02, 0.06, 0.6, 0.95, 0.35, saturation=0.65, value=0.6)
    ridge = brush.random.choice([0.5, 0.5, 0.32])
    if brush.random.random() < 0.7:
        brush.box(0.7, 0.08, 0.82, 0.4, shade(roof, 0.7))
    patterned(brush, [(0.08, 0.42), (0.92, 0.42), (0.92, 1.0), (0.08, 1.0)], wall)
    patterned(brush, [(0.0, 0.44), (ridge, 0.02), (1 - ridge, 0.02) if ridge < 0.5 else (0.5, 0.02), (1.0, 0.44)], roof)
    door = brush.random.choice([0.16, 0.42, 0.66])
    brush.box(door, 0.64, door + 0.18, 1.0, brush.paint(saturation=0.6, value=0.5))
    glass = brush.random.choice([hsv(0.14, 0.5, 1.0), hsv(0.55, 0.3, 0.9), hsv(0.6, 0.4, 0.4)])
    for left in (0.16, 0.42, 0.68):
        if abs(left - door) > 0.1:
            brush.box(left, 0.54, left + 0.17, 0.74, glass)


def tree(brush: Brush) -> None:
    """Draw a trunk under a round, a tall or a fir crown."""
    leaves = brush.paint(0.3, 0.27, 0.36, 0.22, 0.09, 0.02, 0.92, saturation=0.6, value=0.6)
    brush.shape([(0.43, 0.55), (0.57, 0.55), (0.6, 1.0), (0.4, 1.0)], brush.paint(0.07, saturation=0.55, value=0.42))
    kind = brush.random.random()
    if kind < 0.4:
        for top, half in ((0.42, 0.44), (0.2, 0.35), (0.0, 0.25)):
            brush.shape([(0.5, top), (0.5 + half, top + 0.36), (0.5 - half, top + 0.36)], leaves)
        return
    if kind < 0.75:
        for x, y, radius in ((0.27, 0.45, 0.25), (0.73, 0.45, 0.25), (0.5, 0.26, 0.27), (0.5, 0.48, 0.26)):
            brush.oval((x, y), (radius, radius), leaves, outline=y != 0.48)
    else:
        patterned(brush, arc((0.5, 0.36), (0.34, 0.36), 0, 360, 24), leaves)
    if brush.random.random() < 0.4:
        fruit = brush.paint(0.0, 0.08, 0.85, value=0.95)
        for _ in range(5):
            brush.oval((brush.random.uniform(0.3, 0.7), brush.random.uniform(0.2, 0.55)), (0.04, 0.04), fruit, outline=False)


def sun(brush: Brush) -> None:
    """Draw a disc with rays."""
    colour = brush.paint(0.14, 0.1, 0.05, 0.16, 0.0, saturation=0.65, value=0.95)
    rays, width = brush.random.choice([8, 10, 12, 14]), brush.random.uniform(0.09, 0.16)
    turn, reach = brush.random.random(), brush.random.uniform(0.44, 0.5)
    for ray in range(rays):
        angle = math.tau * (ray + turn) / rays
        tip = (0.5 + reach * math.cos(angle), 0.5 + reach * math.sin(angle))
        side = (0.36 * math.cos(angle + width), 0.36 * math.sin(angle + width))
        other = (0.36 * math.cos(angle - width), 0.36 * math.sin(angle - width))
        brush.shape([(0.5 + side[0], 0.5 + side[1]), tip, (0.5 + other[0], 0.5 + other[1])], shade(colour, 0.92), outline=False)
    brush.oval((0.5, 0.5), (0.29, 0.29), colour)


def moon(brush: Brush) -> None:
    """Draw a crescent."""
    inner = brush.random.uniform(0.22, 0.34)
    outer = arc((0.45, 0.5), (0.45, 0.5), 60, 300, 18)
    edge = arc((0.675, 0.5), (inner * 1.4, 0.435), 268, 92, 16)
    brush.shape([*outer, *edge], brush.paint(0.14, 0.12, 0.6, 0.08, 0.75, saturation=0.3, value=0.92))


def cloud(brush: Brush) -> None:
    """Draw a heap of puffs on a flat base."""
    colour = brush.paint(0.6, 0.65, 0.95, 0.08, saturation=0.12, value=0.88)
    puffs = [(0.2, 0.66, 0.2), (0.8, 0.68, 0.2), (0.38, 0.42, 0.22), (0.62, 0.4, 0.25), (0.5, 0.62, 0.3)]
    for x, y, radius in puffs[: brush.random.choice([4, 5])]:
        brush.oval((x, y), (radius, radius * 1.35), colour, outline=False)
    brush.box(0.18, 0.62, 0.82, 0.93, colour, outline=False)
    brush.stroke([(0.2, 0.93), (0.8, 0.93)], shade(colour, 0.75), 0.04)


def star(brush: Brush) -> None:
    """Draw a star of four to six spikes."""
    spikes, depth = brush.random.choice([5, 5, 5, 4, 6]), brush.random.uniform(0.36, 0.5)
    points = []
    for step in range(2 * spikes):
        radius = 0.5 if step % 2 == 0 else 0.5 * depth
        angle = math.pi * step / spikes - math.pi / 2
        points.append((0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)))
    brush.shape(points, brush.paint(0.14, 0.12, 0.55, 0.95, 0.8, 0.3, saturation=0.6, value=0.95))


def flower(brush: Brush) -> None:
    """Draw a stem with a leaf and petals around a heart."""
    green = brush.paint(0.3, 0.35, saturation=0.65, value=0.55)
    brush.stroke([(0.5, 0.4), (0.48, 0.7), (0.52, 1.0)], green, 0.07)
    brush.shape([(0.5, 0.85), (0.7, 0.66), (0.86, 0.66), (0.74, 0.8)], green)
    petals, colour = brush.random.choice([5, 6, 7, 8]), brush.paint()
    for petal in range(petals):
        angle = math.tau * petal / petals
        centre = (0.5 + 0.25 * math.cos(angle), 0.3 + 0.19 * math.sin(angle))
        brush.oval(centre, (0.16, 0.115), colour)
    brush.oval((0.5, 0.3), (0.14, 0.1), brush.paint(0.13, 0.08, 0.0, value=0.95))


def mushroom(brush: Brush) -> None:
    """Draw a stalk under a dotted cap."""
    cap = brush.paint(0.0, 0.05, 0.08, 0.12, 0.8, saturation=0.7, value=0.75)
    brush.shape([(0.37, 0.5), (0.63, 0.5), (0.68, 1.0), (0.32, 1.0)], brush.paint(0.12, saturation=0.2, value=0.9))
    brush.shape([*arc((0.5, 0.55), (0.5, 0.5), 180, 360, 16), (0.75, 0.6), (0.25, 0.6)], cap)
    if brush.random.random() < 0.8:
        dot = shade(cap, brush.random.choice([1.8, 1.9, 0.5]))
        for x, y, radius in ((0.3, 0.4, 0.08), (0.55, 0.22, 0.09), (0.72, 0.42, 0.07), (0.48, 0.46, 0.05)):
            brush.oval((x, y), (radius, radius * 0.8), dot, outline=False)
