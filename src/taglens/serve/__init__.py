"""Predictions over HTTP, with a demo page: what a request may cost, what it asks for, and what it is answered.

It must not know whether a run or an exported file answers, nor anything of training, completion and review.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.serve.answers import PredictAnswer
    from taglens.serve.app import serve_app, serve_predictions
    from taglens.serve.options import ServeOptions
    from taglens.serve.requests import PredictRequest
    from taglens.serve.service import Service

__all__ = ["PredictAnswer", "PredictRequest", "ServeOptions", "Service", "serve_app", "serve_predictions"]

__getattr__, __dir__ = lazy_face(
    "taglens.serve",
    {
        "PredictAnswer": "taglens.serve.answers",
        **dict.fromkeys(("serve_app", "serve_predictions"), "taglens.serve.app"),
        "ServeOptions": "taglens.serve.options",
        "PredictRequest": "taglens.serve.requests",
        "Service": "taglens.serve.service",
    },
)
