"""What the prediction server counts, for Prometheus."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("taglens_requests", "Answered requests", ["route", "status"], registry=self._registry)
        self.seconds = Histogram("taglens_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=self._registry)
        self.pictures = Counter("taglens_pictures", "Pictures predicted", registry=self._registry)
        self.refused = Counter("taglens_refused", "Requests answered 429: too many at once", registry=self._registry)
        self.batch = Histogram("taglens_batch_pictures", "Pictures encoded together", buckets=BATCH_SIZES, registry=self._registry)
        self.working = Gauge("taglens_requests_working", "Requests at work or waiting", registry=self._registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)


class Counted:
    """Counts the answers of an application and the time they take; a client that hung up before its answer has the status 0."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and count its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")  # not one counter for each path that somebody tries
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)
            if status == 429:
                self._metrics.refused.inc()
