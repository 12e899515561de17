"""Taking a port, serving until told to stop, and the headers of every answer: what predictions and review share."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI

from taglens.errors import TagLensError

NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's switch for what it would hand to OpenTelemetry's exporters where the environment names some; older versions ignore it."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can connect."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def serve_until_stopped(app: FastAPI, listening: socket.socket, ready: Callable[[str], None], *, finish: int, **options: Any) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first.

    Args:
        app: what is served.
        listening: where; it is closed in the end.
        ready: gets the address as soon as connections are accepted.
        finish: seconds that requests at work may take.
        options: further settings of uvicorn.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=finish, **options)
    ready(address(listening))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in good order and hands the signal on
    finally:
        listening.close()
