"""Bodies of requests, read whole before anything works on them: within bytes and seconds, and in a bounded room for all at once."""

import asyncio
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE = 1.0
"""Seconds for which an upload is never pushed out."""
DRAINED, DRAINING = 128_000_000, 5.0
"""Bytes and seconds for which a refused client may go on sending: else it sees a broken connection and not our answer."""
SHARE = "taglens.share"
"""Where a request's scope holds its :class:`Share`."""
TOO_MANY = "too many requests at once; try again in a second"


class Share:
    """What one request holds of the room."""

    def __init__(self) -> None:
        self.bytes = 0
        self.since = time.monotonic()
        self.reading: asyncio.Timeout | None = None
        """Ends the reading; None: the body is whole."""


class Room:
    """Bytes that all requests may hold together.

    Args:
        most: the bytes; a request that is alone may have more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.bytes = 0
        self._shares: dict[Share, None] = {}

    def enter(self) -> Share:
        """Return a new request's share, with nothing in it."""
        share = Share()
        self._shares[share] = None
        return share

    def leave(self, share: Share) -> None:
        """Give everything back."""
        self.bytes -= share.bytes
        share.bytes = 0
        self._shares.pop(share, None)

    def take(self, share: Share, size: int) -> bool:
        """Give a share so many bytes more; where there are none, the upload that has been sent for longest must go.

        Returns:
            False: there are none, and no upload that had its time.
        """
        while self.bytes > share.bytes and self.bytes + size > self._most:
            oldest = next((other for other in self._shares if other is not share and other.reading and other.bytes), None)
            if oldest is None or time.monotonic() - oldest.since < PATIENCE:
                return False
            assert oldest.reading is not None
            oldest.reading.reschedule(0)
            self.leave(oldest)
        share.bytes += size
        self.bytes += size
        return True


class WholeBodies:
    """Reads each request's body before the application behind it begins.

    Args:
        app: what is behind it.
        most: bytes that the body of a request for this path may have.
        seconds: that sending it may take.
        room: for all bodies at once.
    """

    def __init__(self, app: ASGIApp, *, most: Callable[[str], int], seconds: float, room: Room) -> None:
        self._app, self._most, self._seconds, self._room = app, most, seconds, room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, then hand the request on with its body in one piece; or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"]:  # older versions of Starlette hand it to the file system, which fails
            await _answer(400, "the address holds a control sign", close=True)(scope, receive, send)
            return
        share = self._room.enter()
        try:
            body = await self._read(scope, receive, share)
            if isinstance(body, JSONResponse):
                await body(scope, receive, send)
                return
            scope[SHARE] = share
            left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
            del body

            async def replay() -> Message:
                return left.pop() if left else await receive()

            await self._app(scope, replay, send)
        finally:
            self._room.leave(share)

    async def _read(self, scope: Scope, receive: Receive, share: Share) -> bytes | JSONResponse:
        most, headers = self._most(scope["path"]), dict(scope["headers"])
        large = f"a request has at most {most:,} bytes; send fewer or smaller pictures"
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length[:20]) > most:
            # who waits for our word is not asked to send
            return await _refused(receive, 413, large, more=b"expect" not in headers)
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._seconds) as share.reading:
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    part, more = message.get("body", b""), message.get("more_body", False)
                    if len(body) + len(part) > most:
                        share.reading.reschedule(None)
                        self._room.leave(share)
                        return await _refused(receive, 413, large, more=more)
                    if not self._room.take(share, len(part)):
                        share.reading.reschedule(None)
                        self._room.leave(share)
                        return await _refused(receive, 429, TOO_MANY, more=more)
                    body += part
        except TimeoutError:
            if share.bytes or not body:
                return _answer(408, f"the request was not whole after {self._seconds:g} s", close=True)
            return _answer(429, f"this upload took longest while there was no room; {TOO_MANY}", close=True)
        finally:
            share.reading = None
        return bytes(body)


async def _refused(receive: Receive, status: int, detail: str, *, more: bool) -> JSONResponse:
    """Let the client end what it is sending, for a while."""
    total = 0
    try:
        async with asyncio.timeout(DRAINING):
            while more and total < DRAINED:
                message = await receive()
                total += len(message.get("body", b""))
                more = message.get("more_body", False)
    except TimeoutError:
        pass
    return _answer(status, detail, close=more)


def _answer(status: int, detail: str, *, close: bool) -> JSONResponse:
    headers = ({"Retry-After": "1"} if status == 429 else {}) | ({"Connection": "close"} if close else {})
    return JSONResponse({"detail": detail}, status, headers)
