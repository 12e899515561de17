"""What stands before the predictions, outermost first: headers, counting, the server's names, the key, whole bodies, the queue."""

import asyncio
import hmac

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taglens.serve.metrics import Counted, ServerMetrics
from taglens.serve.options import ServeOptions
from taglens.web.bodies import TOO_MANY, Room, WholeBodies
from taglens.web.headers import HEADERS, WithHeaders
from taglens.web.hosts import OnlyHosts

OPEN_PATHS = ("/healthz", "/readyz", "/", "/docs", "/openapi.json")
"""Answered without a key: what a container platform asks, and the demo page, which holds nothing; so do the files below STATIC_PATH."""
STATIC_PATH = "/static/"
UPLOADS = ("/v1/predict", "/v1/heatmap")
OTHER_BODIES = 65_536
"""Bytes of a body that no route asks for."""
POLICY = {"Content-Security-Policy": HEADERS["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data: blob:")}
"""The review's policy, and pictures that the page itself has made."""


def guard(app: FastAPI, options: ServeOptions, metrics: ServerMetrics, room: Room, *, key: str | None, hosts: list[str] | None) -> None:
    """Put key, limits, counting and headers before every request; ``hosts``, if any, are the only names the server answers to."""

    def most(path: str) -> int:
        return options.largest_request if path in UPLOADS else OTHER_BODIES

    # the last one added is the outermost; all of them see what arrived before any router takes it apart
    app.add_middleware(Queue, options=options, metrics=metrics)
    app.add_middleware(WholeBodies, most=most, seconds=options.body_s, room=room)
    if key is not None:
        app.add_middleware(NeedsKey, key=key)
    if hosts is not None:
        app.add_middleware(OnlyHosts, hosts=hosts)
    app.add_middleware(Counted, metrics=metrics)
    app.add_middleware(WithHeaders, headers=HEADERS | POLICY)


class NeedsKey:
    """Refuses whatever has no key and does not ask for one of the few open paths, before it is read or routed.

    The path is that of the request's line as the server took it apart, never one put together from the ``Host`` header.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] == "lifespan" or _is_open(scope["path"]) or self._has_key(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        told = {"WWW-Authenticate": "Bearer", "Connection": "close"}  # whatever a stranger is still sending is not read
        await JSONResponse({"detail": "expected the API key, as 'Authorization: Bearer KEY'"}, 401, told)(scope, receive, send)

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        given = given if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._key)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(STATIC_PATH)


class Queue:
    """Lets so many uploads be at work or wait, each for a limited time."""

    def __init__(self, app: ASGIApp, options: ServeOptions, metrics: ServerMetrics) -> None:
        self._app, self._options, self._working = app, options, metrics.working
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        if scope["type"] != "http" or scope["path"] not in UPLOADS:
            await self._app(scope, receive, send)
        elif self._requests >= self._options.queue:
            await JSONResponse({"detail": TOO_MANY}, 429, {"Retry-After": "1"})(scope, receive, send)
        else:
            self._requests += 1
            self._working.set(self._requests)
            try:
                await self._in_time(scope, receive, send)
            finally:
                self._requests -= 1
                self._working.set(self._requests)

    async def _in_time(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = self._options.work_s
        try:
            async with asyncio.timeout(seconds) as limit:

                async def sending(message: Message) -> None:
                    limit.reschedule(None)  # the work is done; taking the answer has a limit of its own
                    await send(message)

                await self._while_wanted(scope, receive, sending)
        except TimeoutError:
            if not limit.expired():
                raise
            detail = f"not answered within {seconds:g} s; send fewer pictures, or try again later"
            await JSONResponse({"detail": detail}, 503, {"Retry-After": "10"})(scope, receive, send)

    async def _while_wanted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the work up where its client hangs up: else those who hang up at once would keep everybody else waiting."""
        whole, answering = asyncio.Event(), False

        async def receiving() -> Message:
            message = await receive()
            if not message.get("more_body", False):
                whole.set()
            return message

        async def sending(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        async def hung_up() -> None:
            await whole.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        work, gone = asyncio.ensure_future(self._app(scope, receiving, sending)), asyncio.ensure_future(hung_up())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not answering:
                raise ClientDisconnect
            await work
        finally:
            work.cancel()
            gone.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
