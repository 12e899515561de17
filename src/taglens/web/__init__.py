"""What the prediction server and the review share: taking a port, limits on connections and bodies, who may call, every answer's headers.

It must not know what is served.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.web.headers import HEADERS
    from taglens.web.hosts import allowed_hosts, is_loopback
    from taglens.web.limits import ConnectionLimits
    from taglens.web.server import NO_TELEMETRY, address, listen, serve_until_stopped

__all__ = ["HEADERS", "NO_TELEMETRY", "ConnectionLimits", "address", "allowed_hosts", "is_loopback", "listen", "serve_until_stopped"]

__getattr__, __dir__ = lazy_face(
    "taglens.web",
    {
        "HEADERS": "taglens.web.headers",
        **dict.fromkeys(("allowed_hosts", "is_loopback"), "taglens.web.hosts"),
        "ConnectionLimits": "taglens.web.limits",
        **dict.fromkeys(("NO_TELEMETRY", "address", "listen", "serve_until_stopped"), "taglens.web.server"),
    },
)
