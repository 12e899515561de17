"""Filling the unknown cells of a table: which can be filled, what is guaranteed of them, and the reason where nothing is.

It trains and scores through ``taglens.runs``; the guarantees themselves know nothing but scores and labels.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.completion.assumption import Assumption, find_assumption
    from taglens.completion.calibration import Calibration
    from taglens.completion.checks import Suspect, Suspects, find_suspects
    from taglens.completion.complete import Completion, complete_table
    from taglens.completion.config import CompleteConfig, Targets
    from taglens.completion.filling import Filling, fill
    from taglens.completion.report import write_completion
    from taglens.completion.statement import statement_json

__all__ = [
    "Assumption",
    "Calibration",
    "CompleteConfig",
    "Completion",
    "Filling",
    "Suspect",
    "Suspects",
    "Targets",
    "complete_table",
    "fill",
    "find_assumption",
    "find_suspects",
    "statement_json",
    "write_completion",
]

__getattr__, __dir__ = lazy_face(
    "taglens.completion",
    {
        **dict.fromkeys(("Assumption", "find_assumption"), "taglens.completion.assumption"),
        "Calibration": "taglens.completion.calibration",
        **dict.fromkeys(("Suspect", "Suspects", "find_suspects"), "taglens.completion.checks"),
        **dict.fromkeys(("Completion", "complete_table"), "taglens.completion.complete"),
        **dict.fromkeys(("CompleteConfig", "Targets"), "taglens.completion.config"),
        **dict.fromkeys(("Filling", "fill"), "taglens.completion.filling"),
        "write_completion": "taglens.completion.report",
        "statement_json": "taglens.completion.statement",
    },
)
