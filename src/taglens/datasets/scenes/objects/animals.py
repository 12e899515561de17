"""Drawn animals: fish, bird, cat, dog."""

from taglens.datasets.scenes.brush import INK, Brush, Colour, arc, patterned, shade


def _eye(brush: Brush, x: float, y: float, radius: float = 0.035) -> None:
    brush.oval((x, y), (radius, radius), (250, 250, 245), outline=False)
    brush.oval((x, y), (radius * 0.6, radius * 0.6), INK, outline=False)


def _fur(brush: Brush) -> Colour:
    return brush.paint(0.07, 0.09, 0.04, 0.6, 0.12, saturation=0.4, value=0.6)


def fish(brush: Brush) -> None:
    """Draw a body with tail, fins, an eye and often stripes."""
    colour = brush.paint()
    brush.shape([(0.24, 0.5), (0.0, 0.16), (0.08, 0.5), (0.0, 0.86)], shade(colour, 0.75))
    brush.shape([(0.42, 0.24), (0.62, 0.0), (0.72, 0.24)], shade(colour, 0.75))
    patterned(brush, arc((0.58, 0.52), (0.42, 0.34), 0, 360, 24), colour)
    brush.shape([(0.5, 0.62), (0.4, 0.92), (0.66, 0.72)], shade(colour, 0.8))
    _eye(brush, 0.84, 0.42, 0.05)
    brush.stroke(arc((0.76, 0.52), (0.06, 0.2), -60, 60, 6), shade(colour, 0.5), 0.05)


def bird(brush: Brush) -> None:
    """Draw a bird that sits or flies."""
    colour, beak = brush.paint(), brush.paint(0.1, 0.05, value=0.95)
    brush.shape([(0.26, 0.56), (0.0, 0.44), (0.02, 0.66)], shade(colour, 0.75))
    flying = brush.random.random() < 0.45
    if flying:
        brush.shape([(0.38, 0.5), (0.2, 0.0), (0.62, 0.44)], shade(colour, 0.65))
    else:
        for leg in (0.42, 0.54):
            brush.stroke([(leg, 0.76), (leg, 0.98), (leg + 0.08, 0.98)], beak, 0.045)
    brush.shape(arc((0.46, 0.58), (0.28, 0.23), 0, 360, 22), colour)
    brush.shape([(0.86, 0.34), (1.0, 0.42), (0.86, 0.46)], beak)
    brush.oval((0.74, 0.4), (0.16, 0.17), colour)
    if flying:
        brush.shape([(0.34, 0.56), (0.36, 0.06), (0.58, 0.56)], shade(colour, 0.8))
    else:
        brush.shape([(0.26, 0.5), (0.58, 0.5), (0.4, 0.74)], shade(colour, 0.7))
    _eye(brush, 0.79, 0.36)


def cat(brush: Brush) -> None:
    """Draw a sitting cat: pointed ears, whiskers, a tail in a curve."""
    colour = _fur(brush)
    brush.stroke(arc((0.76, 0.74), (0.2, 0.2), 90, -80, 10), shade(colour, 0.85), 0.1)
    patterned(brush, [*arc((0.46, 0.74), (0.3, 0.34), 180, 360, 14), (0.76, 0.98), (0.16, 0.98)], colour)
    for ear in (0.2, 0.56):
        brush.shape(
            [(ear, 0.28), (ear + 0.02, 0.0), (ear + 0.2, 0.16)] if ear < 0.4 else [(ear, 0.16), (ear + 0.16, 0.0), (ear + 0.18, 0.28)],
            colour,
        )
    brush.oval((0.46, 0.3), (0.29, 0.21), colour)
    for eye in (0.35, 0.57):
        brush.oval((eye, 0.28), (0.05, 0.045), brush.paint(0.25, 0.14, 0.5, spread=0.0, value=0.95), outline=False)
        brush.oval((eye, 0.28), (0.018, 0.04), INK, outline=False)
    brush.shape([(0.43, 0.345), (0.49, 0.345), (0.46, 0.385)], (210, 110, 120), outline=False)
    for side in (-1, 1):
        for drop in (0.34, 0.41):
            brush.stroke([(0.46 + 0.1 * side, 0.375), (0.46 + 0.38 * side, drop)], shade(colour, 0.45), 0.018)
    for paw in (0.36, 0.54):
        brush.oval((paw, 0.96), (0.09, 0.05), shade(colour, 1.3))


def dog(brush: Brush) -> None:
    """Draw a standing dog: hanging ear, muzzle, four legs, tail up."""
    colour = _fur(brush)
    dark = shade(colour, 0.65)
    brush.stroke([(0.12, 0.5), (0.02, 0.34), (0.04, 0.18)], colour, 0.1)
    for leg in (0.14, 0.28, 0.52, 0.64):
        brush.box(leg, 0.66, leg + 0.1, 1.0, dark if leg in (0.28, 0.52) else colour)
    patterned(brush, [(0.1, 0.44), (0.7, 0.4), (0.76, 0.62), (0.7, 0.76), (0.14, 0.78), (0.07, 0.6)], colour)
    brush.oval((0.75, 0.3), (0.16, 0.2), colour)
    brush.shape([(0.8, 0.26), (0.98, 0.3), (1.0, 0.42), (0.8, 0.46)], shade(colour, 1.2))
    brush.oval((0.97, 0.31), (0.035, 0.04), INK, outline=False)
    brush.shape([(0.62, 0.14), (0.74, 0.12), (0.7, 0.44), (0.6, 0.46)], dark)
    _eye(brush, 0.81, 0.24)
    if brush.random.random() < 0.5:
        brush.stroke([(0.62, 0.5), (0.8, 0.5)], brush.paint(value=0.9), 0.06)
