"""What the prediction server and the review share: taking a port, serving until told to stop, the headers of every answer.

It must not know what is served.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.web.server import HEADERS, NO_TELEMETRY, address, is_loopback, listen, serve_until_stopped

__all__ = ["HEADERS", "NO_TELEMETRY", "address", "is_loopback", "listen", "serve_until_stopped"]

__getattr__, __dir__ = lazy_face(
    "taglens.web",
    {
        **dict.fromkeys(("HEADERS", "NO_TELEMETRY", "address", "is_loopback", "listen", "serve_until_stopped"), "taglens.web.server"),
    },
)
