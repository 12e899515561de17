"""Running the prediction server until it is told to stop."""

import signal
import socket
from collections.abc import Callable

import uvicorn

from taglens.serve.app import serve_app
from taglens.serve.app_options import ServeOptions
from taglens.serve.engine import Engine
from taglens.serve.listening import address

SHUTDOWN_SECONDS = 30


def serve_predictions(
    engine: Engine, listening: socket.socket, options: ServeOptions, *, key: str | None, ready: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C or a termination signal; requests at work are answered first, for at most 30 seconds.

    ``ready`` gets the address once connections are accepted.
    """
    config = uvicorn.Config(
        serve_app(engine, options, key=key),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64_000,
    )
    # uvicorn shuts down in good order and then hands the signal on; a termination is no failure
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ready(address(listening))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        listening.close()
