"""The methods by name, and their configurations; a new method is one file and one line in ``METHODS``."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from taglens.errors import TagLensError, TrainingError, unknown_name
from taglens.methods.base import MethodConfig
from taglens.methods.coop import CoOp
from taglens.methods.dualcoop import DualCoOp
from taglens.methods.linear_probe import LinearProbe
from taglens.methods.ml_decoder import MLDecoder
from taglens.methods.positive_coop import PositiveCoOp
from taglens.methods.scpnet import SCPNet
from taglens.methods.semantic_aware import SemanticAware
from taglens.methods.tip_adapter import TipAdapter
from taglens.methods.zero_shot import ZeroShot
from taglens.plugins import Registry

METHODS: Registry[type[MethodConfig]] = Registry(
    "taglens.methods",
    {
        "zero_shot": ZeroShot,
        "tip_adapter": TipAdapter,
        "linear_probe": LinearProbe,
        "coop": CoOp,
        "dualcoop": DualCoOp,
        "positive_coop": PositiveCoOp,
        "scpnet": SCPNet,
        "ml_decoder": MLDecoder,
        "semantic_aware": SemanticAware,
    },
)


def method_config(name: str) -> Callable[..., MethodConfig]:
    """Return the configuration class of the method called ``name``.

    Raises:
        TagLensError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]


def stored_config(name: str) -> Callable[..., MethodConfig]:
    """Return what makes the configuration of the method called ``name`` from a saved run's options, which may be an older version's.

    Raises:
        TagLensError: no such method.
    """
    try:
        kind = method_config(name)
    except TagLensError as error:
        raise TagLensError(f"{error}. A method from elsewhere: install its package, or name its module: --plugin MODULE") from error
    found: Callable[..., MethodConfig] = getattr(kind, "stored", kind)
    return found


def build_config(name: str, options: Mapping[str, Any]) -> MethodConfig:
    """Return the configuration of the method called ``name`` with these options.

    Raises:
        TagLensError: unknown method or option.
    """
    kind = method_config(name)
    try:
        return kind(**options)
    except TypeError as error:
        names = ", ".join(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
        raise TrainingError(f"method {name!r} does not take these options: {error}. Its options: {names or 'none'}") from error
