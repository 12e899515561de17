"""Who may call a server by which name: foreign names that lead here (DNS rebinding) and pages of other sites are refused."""

import ipaddress
import re
import socket
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from taglens.errors import TagLensError
from taglens.visible import visible

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_-][a-z0-9._-]{0,252})(?::(\d{1,5}))?", re.IGNORECASE | re.ASCII)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERY_ADDRESS = ("0.0.0.0", "::")
"""To listen at all addresses of a machine; among allowed hosts: any address, since only a name can be made to lead here from elsewhere."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can connect."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def allowed_hosts(host: str, named: Sequence[str] = ()) -> list[str]:
    """Return the names that a server which listens at ``host`` may be called by.

    Args:
        host: an address, or a name; at all addresses (0.0.0.0) every address is allowed, and the name of this machine.
        named: further names, without ports.

    Raises:
        TagLensError: what is named is no host.
    """
    for name in named:
        found = _HOST.fullmatch(_bracketed(name))
        if found is None or found[2]:
            raise TagLensError(f"--allowed-hosts: expected names such as tags.example.org, without http:// and port, came {name!r}")
    if host in EVERY_ADDRESS:
        own: tuple[str, ...] = (*LOOPBACK, socket.gethostname(), host)
    else:
        own = (*LOOPBACK, host) if is_loopback(host) else (host,)
    return list(dict.fromkeys(_bracketed(name.lower()) for name in (*own, *named)))


class OnlyHosts:
    """Refuses requests that call the server by a foreign name, or that pages of another site sent.

    Starlette's own middleware takes "[::1]:80" apart wrongly in older versions, knows no "any address", and no origins.

    Args:
        app: what is behind it.
        hosts: see :func:`allowed_hosts`.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._names = {_bracketed(name.lower()) for name in hosts}
        self._any_address = bool(self._names & {_bracketed(name) for name in EVERY_ADDRESS})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        refusal = self._refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"detail": refusal[1]}, refusal[0])(scope, receive, send)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or not self._allows(hosts[0]):
            called = visible(hosts[0][:80]) if hosts else ""
            return 400, f"this server is not called {called!r}; see --allowed-hosts"
        if any(origin.partition("://")[2] != hosts[0] and not self._names_origin(origin) for origin in origins):
            return 403, "requests from pages of other sites are refused"
        return None

    def _allows(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        return name in self._names or (self._any_address and _is_address(name))

    def _names_origin(self, origin: str) -> bool:
        """Whether a page's site is one of the names that are no address of this machine: a proxy may call us by another than its own."""
        found = _HOST.fullmatch(origin.partition("://")[2])
        return found is not None and found[1].lower() in self._names.difference(LOOPBACK) and not _is_address(found[1])


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
