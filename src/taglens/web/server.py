"""Taking a port, and saying where it is."""

import socket

from taglens.errors import TagLensError


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
