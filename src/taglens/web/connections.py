"""Connections that end when nothing comes of them: limits on time, number and small change that uvicorn has none for."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from taglens.web.limits import ConnectionLimits

LOOKING = 1.0
"""Seconds between two looks at a connection."""
SLICE = 16_384
"""Bytes that are parsed before the length of a head is looked at."""
FREE_PIECES, SMALLEST_PIECE = 1000, 128
"""So many pieces of a body may be of any size; beyond them their mean must have so many bytes, or parsing costs more than sending."""


class _Pieces(h11.Connection):
    """Refuses bodies in pieces so small that taking them apart is an attack."""

    pieces = size = 0

    def next_event(self) -> Any:
        """Return what h11 found next."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.pieces = self.size = 0
        elif isinstance(event, h11.Data):
            self.pieces, self.size = self.pieces + 1, self.size + len(event.data)
            if self.pieces > FREE_PIECES and self.size < SMALLEST_PIECE * self.pieces:
                raise h11.RemoteProtocolError("a body of too many small pieces")
        return event


class LimitedProtocol(H11Protocol):
    """One connection.

    uvicorn's ``timeout_keep_alive`` ends only connections on which nothing comes after an answer, and its ``limit_concurrency`` refuses
    everybody once that many are connected, those included who have a request.
    """

    def __init__(self, *given: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*given, **options)
        self._limits = limits
        self.conn = _Pieces(h11.SERVER, self.config.h11_max_incomplete_event_size or SLICE)
        self._stage: tuple[str, object] = ("waiting", None)
        self._since = self.loop.time()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to look at the time; make room."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(LOOKING, self._look)
        if len(self.connections) > self._limits.connections:
            others = [other for other in self.connections if isinstance(other, LimitedProtocol)]
            waiting = [other for other in others if other._now()[0] not in ("working", "answering")]
            min(waiting, key=lambda other: other._since, default=self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop looking."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse in slices: the limit on a head's length holds for heads that are not yet whole."""
        for start in range(0, len(data), SLICE):
            if self.transport.is_closing():
                return
            super().data_received(data[start : start + SLICE])

    def send_400_response(self, msg: str) -> None:
        """Tell what is wrong, or hang up where an answer has begun: uvicorn would fail."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.abort()

    def _now(self) -> tuple[str, object]:
        if self.transport.is_closing():
            return "closing", None
        if self.timeout_keep_alive_task is not None and not self.conn.trailing_data[0]:
            return "idle", self.cycle  # nothing came after an answer: uvicorn's own limit
        if self.cycle is None or self.cycle.response_complete:
            return "waiting", self.cycle
        return ("answering" if self.cycle.response_started else "working"), self.cycle

    def _look(self) -> None:
        now, stage = self.loop.time(), self._now()
        if stage != self._stage:
            self._stage, self._since = stage, now
        # the time for work and bodies is limited before the application, where the client can be told
        most = {"working": None, "idle": None, "answering": self._limits.answer_s}.get(stage[0], self._limits.head_s)
        if most is not None and now - self._since > most:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(LOOKING, self._look)
