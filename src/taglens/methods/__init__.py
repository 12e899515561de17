"""Methods behind one interface: the features of a batch in, one logit for each class out.

A method is one file with its options and its formula, found by its name in ``METHODS`` of ``registry.py``.
Knows backbones' features and text encoders; nothing of training loops, files or probabilities.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.methods.base import Candidate, Classifier, Method, MethodConfig, Scores, Setting, tunable, untuned
    from taglens.methods.registry import METHODS, build_config, method_config, stored_config

__all__ = [
    "METHODS",
    "Candidate",
    "Classifier",
    "Method",
    "MethodConfig",
    "Scores",
    "Setting",
    "build_config",
    "method_config",
    "stored_config",
    "tunable",
    "untuned",
]

__getattr__, __dir__ = lazy_face(
    "taglens.methods",
    {
        **dict.fromkeys(
            ("Candidate", "Classifier", "Method", "MethodConfig", "Scores", "Setting", "tunable", "untuned"), "taglens.methods.base"
        ),
        **dict.fromkeys(("METHODS", "build_config", "method_config", "stored_config"), "taglens.methods.registry"),
    },
)
