"""Methods behind one interface; a new one is one file and one line in ``METHODS``."""

from collections.abc import Callable

from taglens.errors import unknown_name
from taglens.methods.base import Classifier, Method, MethodConfig, Scores, Setting
from taglens.methods.coop import CoOp
from taglens.methods.dualcoop import DualCoOp
from taglens.methods.linear_probe import LinearProbe
from taglens.methods.positive_coop import PositiveCoOp
from taglens.methods.semantic_aware import SemanticAware
from taglens.methods.zero_shot import ZeroShot

METHODS: dict[str, type[MethodConfig]] = {
    "zero_shot": ZeroShot,
    "linear_probe": LinearProbe,
    "coop": CoOp,
    "dualcoop": DualCoOp,
    "positive_coop": PositiveCoOp,
    "semantic_aware": SemanticAware,
}


def method_config(name: str) -> Callable[..., MethodConfig]:
    """Return the configuration class of the method called ``name``.

    Raises:
        TagLensError: no such method.
    """
    if name not in METHODS:
        raise unknown_name("method", name, METHODS)
    return METHODS[name]


__all__ = ["METHODS", "Classifier", "Method", "MethodConfig", "Scores", "Setting", "method_config"]
