"""Running the review's web server until somebody stops it."""

import socket
from collections.abc import Callable

import uvicorn

from taglens.errors import TagLensError
from taglens.serve.guard import allowed_hosts, new_token
from taglens.serve.review_app import review_app
from taglens.serve.review_pictures import ReviewPictures
from taglens.serve.review_session import ReviewSession

SHUTDOWN_SECONDS = 3


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at ``host``; port 0 takes a free one.

    Raises:
        TagLensError: the address is taken or not ours.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise TagLensError(f"cannot listen at {host}, port {port}: {reason}; choose another --port (0: any free one)") from error


def address(listening: socket.socket) -> str:
    """Return the URL of the page."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def serve_review(
    session: ReviewSession, pictures: ReviewPictures, listening: socket.socket, host: str, ready: Callable[[str], None]
) -> None:
    """Serve the page until Ctrl-C or a termination signal; running requests are finished first.

    Args:
        session: the review.
        pictures: its pictures.
        listening: where to serve.
        host: the name that was asked for; browsers may use it.
        ready: gets the address as soon as connections are accepted.
    """
    app = review_app(session, pictures, token=new_token(), hosts=allowed_hosts(host))
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS, server_header=False)
    ready(address(listening))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in good order and hands the signal on
    finally:
        listening.close()
