"""Running the review's web server until somebody stops it."""

import socket
from collections.abc import Callable

import uvicorn

from taglens.serve.guard import allowed_hosts, new_token
from taglens.serve.listening import address
from taglens.serve.review_app import review_app
from taglens.serve.review_pictures import ReviewPictures
from taglens.serve.review_session import ReviewSession

SHUTDOWN_SECONDS = 3


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
