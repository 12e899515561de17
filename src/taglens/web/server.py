"""Taking a port, and serving until told to stop: what predictions and review share."""

import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from taglens.errors import TagLensError
from taglens.web.connections import SLICE, LimitedProtocol
from taglens.web.limits import ConnectionLimits

logger = logging.getLogger(__name__)

NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's switch for what it would hand to OpenTelemetry's exporters where the environment names some; older versions ignore it."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at ``host``; port 0 takes a free one.

    Raises:
        TagLensError: the address is taken or not ours.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=1024)
        # connections inherit it; asyncio sets it only for sockets it made, and an answer in two packets would wait 40 ms between them
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        reason = error.strerror or error
        raise TagLensError(f"cannot listen at {host}, port {port}: {reason}; choose another --port (0: any free one)") from error


def address(listening: socket.socket) -> str:
    """Return the URL of the page."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def noting_hang_ups(app: ASGIApp) -> ASGIApp:
    """Return an application that notes a client that hangs up within its own request in one line; nobody is left to be answered."""

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except ClientDisconnect:
            logger.warning("a client hung up within its request: %s %s", scope.get("method"), scope.get("path"))

    return noting


def serve_until_stopped(
    app: FastAPI, listening: socket.socket, ready: Callable[[str], None], *, finish: int, limits: ConnectionLimits | None = None
) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first.

    Args:
        app: what is served.
        listening: where; it is closed in the end.
        ready: gets the address as soon as connections are accepted.
        finish: seconds that requests at work may take.
        limits: of the connections.
    """
    protocol: Any = partial(LimitedProtocol, limits=limits or ConnectionLimits())
    config = uvicorn.Config(
        noting_hang_ups(app),
        # the limits of connections are those of this protocol and this loop, whatever else is installed
        http=protocol,
        loop="asyncio",
        ws="none",
        h11_max_incomplete_event_size=SLICE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=finish,
        # without a log of its own, uvicorn's words go where all go, and what a terminal would obey in them becomes visible there
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # nobody may say in a header from where he comes
        proxy_headers=False,
    )
    ready(address(listening))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in good order and hands the signal on
    finally:
        listening.close()
