"""Where runs look, side by side and beside CLIP: attention for each picture and class, how concentrated, how often right.

It must not know how a run was trained; it reads finished runs only.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.explain.attention import Look, Question, look, questions, some_with_classes, summary
    from taglens.explain.report import write_explanation

__all__ = ["Look", "Question", "look", "questions", "some_with_classes", "summary", "write_explanation"]

__getattr__, __dir__ = lazy_face(
    "taglens.explain",
    {
        **dict.fromkeys(("Look", "Question", "look", "questions", "some_with_classes", "summary"), "taglens.explain.attention"),
        "write_explanation": "taglens.explain.report",
    },
)
