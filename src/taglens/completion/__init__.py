"""Filling the unknown cells of a table, each class with a guarantee for the cells that were filled, or with the reason why not.

It trains and scores through ``taglens.runs``; the guarantee itself must know nothing but scores and labels.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.completion.calibration import Calibration
    from taglens.completion.checks import Suspect, doubtful_classes, find_suspects
    from taglens.completion.complete import CompleteConfig, Completion, complete_table
    from taglens.completion.filling import Filling, Targets, fill
    from taglens.completion.guarantee import Guarantee, find_guarantee
    from taglens.completion.report import write_completion
    from taglens.completion.statement import statement_json

__all__ = [
    "Calibration",
    "CompleteConfig",
    "Completion",
    "Filling",
    "Guarantee",
    "Suspect",
    "Targets",
    "complete_table",
    "doubtful_classes",
    "fill",
    "find_guarantee",
    "find_suspects",
    "statement_json",
    "write_completion",
]

__getattr__, __dir__ = lazy_face(
    "taglens.completion",
    {
        "Calibration": "taglens.completion.calibration",
        **dict.fromkeys(("Suspect", "doubtful_classes", "find_suspects"), "taglens.completion.checks"),
        **dict.fromkeys(("CompleteConfig", "Completion", "complete_table"), "taglens.completion.complete"),
        **dict.fromkeys(("Filling", "Targets", "fill"), "taglens.completion.filling"),
        **dict.fromkeys(("Guarantee", "find_guarantee"), "taglens.completion.guarantee"),
        "write_completion": "taglens.completion.report",
        "statement_json": "taglens.completion.statement",
    },
)
