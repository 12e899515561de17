"""Settling labels in the browser: what to ask next, a journal that only grows, and its merge into the table.

The journal and the merge must not know a model or the web; the page gets rows and columns, never paths.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.review.app import review_app, serve_review
    from taglens.review.journal import Answer, Journal, Undo, read_journal
    from taglens.review.merge import Merge
    from taglens.review.ranking import rank
    from taglens.review.session import ReviewSession
    from taglens.review.start import ReviewConfig, export_review, open_review
    from taglens.review.state import ReviewState

__all__ = [
    "Answer",
    "Journal",
    "Merge",
    "ReviewConfig",
    "ReviewSession",
    "ReviewState",
    "Undo",
    "export_review",
    "open_review",
    "rank",
    "read_journal",
    "review_app",
    "serve_review",
]

__getattr__, __dir__ = lazy_face(
    "taglens.review",
    {
        **dict.fromkeys(("review_app", "serve_review"), "taglens.review.app"),
        **dict.fromkeys(("Answer", "Journal", "Undo", "read_journal"), "taglens.review.journal"),
        "Merge": "taglens.review.merge",
        "rank": "taglens.review.ranking",
        "ReviewSession": "taglens.review.session",
        **dict.fromkeys(("ReviewConfig", "export_review", "open_review"), "taglens.review.start"),
        "ReviewState": "taglens.review.state",
    },
)
