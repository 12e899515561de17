"""The classes of drawn objects: how each is drawn, how large it usually is and where it belongs."""

from collections.abc import Callable
from dataclasses import dataclass

import taglens.datasets.scenes.objects.animals as animals
import taglens.datasets.scenes.objects.indoors as indoors
import taglens.datasets.scenes.objects.outdoors as outdoors
import taglens.datasets.scenes.objects.vehicles as vehicles
from taglens.datasets.scenes.brush import Brush


@dataclass(frozen=True)
class ObjectKind:
    """One class of objects."""

    draw: Callable[[Brush], None]
    width: float
    """Usual width and height as shares of the scene's side."""
    height: float
    zone: str
    """Where it usually is: ``sky``, ``ground``, ``water`` or ``wall``."""
    tilt: float = 0.08
    """Largest turn, in radians."""


OBJECTS: dict[str, ObjectKind] = {
    "house": ObjectKind(outdoors.house, 0.36, 0.38, "ground", 0.03),
    "tree": ObjectKind(outdoors.tree, 0.28, 0.42, "ground"),
    "sun": ObjectKind(outdoors.sun, 0.24, 0.24, "sky", 0.5),
    "moon": ObjectKind(outdoors.moon, 0.16, 0.21, "sky", 0.6),
    "cloud": ObjectKind(outdoors.cloud, 0.32, 0.18, "sky", 0.05),
    "star": ObjectKind(outdoors.star, 0.13, 0.13, "sky", 0.6),
    "flower": ObjectKind(outdoors.flower, 0.17, 0.26, "ground", 0.2),
    "mushroom": ObjectKind(outdoors.mushroom, 0.17, 0.18, "ground", 0.15),
    "boat": ObjectKind(vehicles.boat, 0.34, 0.33, "water", 0.12),
    "car": ObjectKind(vehicles.car, 0.34, 0.19, "ground", 0.05),
    "bicycle": ObjectKind(vehicles.bicycle, 0.32, 0.21, "ground", 0.06),
    "balloon": ObjectKind(vehicles.balloon, 0.16, 0.29, "sky", 0.25),
    "kite": ObjectKind(vehicles.kite, 0.2, 0.32, "sky", 0.6),
    "ball": ObjectKind(vehicles.ball, 0.15, 0.15, "ground", 0.6),
    "fish": ObjectKind(animals.fish, 0.21, 0.15, "water", 0.25),
    "bird": ObjectKind(animals.bird, 0.18, 0.17, "sky", 0.2),
    "cat": ObjectKind(animals.cat, 0.2, 0.27, "ground"),
    "dog": ObjectKind(animals.dog, 0.27, 0.22, "ground"),
    "umbrella": ObjectKind(indoors.umbrella, 0.27, 0.28, "ground", 0.5),
    "lamp": ObjectKind(indoors.lamp, 0.17, 0.4, "ground", 0.03),
    "chair": ObjectKind(indoors.chair, 0.22, 0.32, "ground", 0.04),
    "table": ObjectKind(indoors.table, 0.4, 0.26, "ground", 0.03),
    "cup": ObjectKind(indoors.cup, 0.15, 0.16, "ground", 0.06),
    "clock": ObjectKind(indoors.clock, 0.17, 0.17, "wall", 0.15),
}
SCENE_CLASSES: tuple[str, ...] = tuple(OBJECTS)
