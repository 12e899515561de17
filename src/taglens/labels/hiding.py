"""Ways to hide labels, the published masks first: pure, seeded, nested (one seed, a larger amount: a superset is known).

Every setting draws a fixed random order first and then keeps a beginning of it, which is why they nest.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from taglens.errors import TagLensError, unknown_name
from taglens.labels.states import UNKNOWN, PartialLabels

SettingName = Literal["proportion", "single_positive", "positives_only", "fixed_per_class", "annotator_blocks"]
_ROWS_AT_ONCE = 65_536


def keep_known(labels: PartialLabels, proportion: float, seed: int = 0) -> PartialLabels:
    """Keep about ``proportion`` of all cells and make the others unknown.

    known(i, c) iff numpy.random.RandomState(seed).random_sample((N, C))[i, c] < proportion

    This reproduces the masks published with TaI-DPT and HCP-MLR-PL bit for bit (seed 0, rows in data set order).
    One seed nests: what is known at 10 % is known at 20 %. Nothing unknown becomes known.

    Raises:
        TagLensError: ``proportion`` is outside 0..1.
    """
    require_proportion(proportion)
    random = np.random.RandomState(seed)
    values = labels.values.copy()
    for start in range(0, len(values), _ROWS_AT_ONCE):  # the stream is the same as drawn at once, without its memory
        part = values[start : start + _ROWS_AT_ONCE]
        part[random.random_sample(part.shape) >= proportion] = UNKNOWN
    return PartialLabels(values)


def single_positive(labels: PartialLabels, amount: float = 1, seed: int = 0) -> PartialLabels:
    """Keep ``amount`` positive labels of every image (default one) and nothing else.

    An image with fewer keeps all it has; one without positives keeps nothing. Source: Cole et al., "Multi-Label Learning from
    Single Positive Labels", CVPR 2021.

    Raises:
        TagLensError: ``amount`` is not a whole number from 0.
    """
    kept = _first_of(labels.positive, _whole(amount, "positive labels of every image"), seed, axis=1)
    return _keep(labels, kept)


def positives_only(labels: PartialLabels, amount: float = 1.0, seed: int = 0) -> PartialLabels:
    """Keep the proportion ``amount`` of the positive labels and no negative one, as tags written by people do.

    Raises:
        TagLensError: ``amount`` is outside 0..1.
    """
    hidden = keep_known(labels, amount, seed)
    return _keep(labels, hidden.positive)


def fixed_per_class(labels: PartialLabels, amount: float, seed: int = 0) -> PartialLabels:
    """Keep ``amount`` positive and ``amount`` negative labels of every class; a class with fewer keeps all it has.

    Raises:
        TagLensError: ``amount`` is not a whole number from 0.
    """
    number = _whole(amount, "labels of every class")
    positive = _first_of(labels.positive, number, seed, axis=0)
    return _keep(labels, positive | _first_of(labels.negative, number, seed, axis=0))


def annotator_blocks(labels: PartialLabels, amount: float, seed: int = 0, *, annotators: int = 10) -> PartialLabels:
    """Keep about the proportion ``amount`` of all labels in blocks, as annotators leave them: each checks some classes on some images.

    The images are dealt at random to ``annotators``. Each has an own random order of the classes and checks the first round(amount x
    classes) of them on all the images dealt to them; the rounding is spread over annotators so that the share is kept.

    Raises:
        TagLensError: ``amount`` is outside 0..1, or no annotator.
    """
    require_proportion(amount)
    if annotators < 1:
        raise TagLensError(f"at least one annotator is needed, came {annotators}")
    random = np.random.RandomState(seed)
    images, classes = labels.shape
    owner = random.randint(annotators, size=images)
    rank = np.argsort(random.random_sample((annotators, classes)), axis=1).argsort(axis=1)
    spread = random.random_sample(annotators)[:, None]
    checked = rank + spread < amount * classes
    return _keep(labels, checked[owner])


SETTINGS: Mapping[str, Callable[[PartialLabels, float, int], PartialLabels]] = {
    "proportion": keep_known,
    "single_positive": single_positive,
    "positives_only": positives_only,
    "fixed_per_class": fixed_per_class,
    "annotator_blocks": annotator_blocks,
}
"""Name -> function (labels, amount, seed)."""


def hide(labels: PartialLabels, setting: str, amount: float, seed: int = 0) -> PartialLabels:
    """Hide labels by the setting of that name; ``amount`` is a proportion or a number, as the setting says.

    Raises:
        TagLensError: an unknown setting, or an amount that it cannot use.
    """
    if setting not in SETTINGS:
        raise unknown_name("label setting", setting, SETTINGS)
    return SETTINGS[setting](labels, amount, seed)


def require_proportion(proportion: float) -> None:
    """Raise TagLensError unless ``proportion`` lies in 0..1."""
    if not 0.0 <= proportion <= 1.0:
        raise TagLensError(f"the known proportion must lie between 0 and 1, came {proportion}; write 0.1 for 10 %")


def _keep(labels: PartialLabels, kept: NDArray[np.bool_]) -> PartialLabels:
    return PartialLabels(np.where(kept, labels.values, np.int8(UNKNOWN)))


def _first_of(candidates: NDArray[np.bool_], number: int, seed: int, axis: int) -> NDArray[np.bool_]:
    """Choose ``number`` of the true cells along ``axis`` at random."""
    order = np.random.RandomState(seed).random_sample(candidates.shape)
    order[~candidates] = 2.0  # behind every candidate
    rank = np.argsort(order, axis=axis, kind="stable").argsort(axis=axis, kind="stable")
    return candidates & (rank < number)


def _whole(amount: float, what: str) -> int:
    if not 0 <= amount < 2**31 or amount != int(amount):
        raise TagLensError(f"the number of {what} must be a whole number from 0, came {amount}")
    return int(amount)
