"""What stands before the predictions: key, size and number of requests, counting them, and the headers of every answer."""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from taglens.serve.options import ServeOptions
from taglens.web.server import HEADERS

OPEN_PATHS = ("/healthz", "/readyz")
"""Answered without a key: what a container platform asks. The demo page's own files are open, too; they hold nothing."""
MOST_DRAINED = 128_000_000
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)

Proceed = Callable[[Request], Awaitable[Response]]


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


class Admission:
    """How much is at work: requests and their bytes."""

    def __init__(self, options: ServeOptions) -> None:
        self._options, self.requests, self.bytes = options, 0, 0

    def enter(self, size: int) -> bool:
        """Count a request of that many bytes in; False if there are too many at work."""
        if self.requests >= self._options.queue or (self.requests and self.bytes + size > self._options.bytes_at_once):
            return False
        self.requests += 1
        self.bytes += size
        return True

    def leave(self, size: int) -> None:
        """Count it out."""
        self.requests -= 1
        self.bytes -= size


def guard(app: FastAPI, options: ServeOptions, metrics: ServerMetrics, key: str | None) -> None:
    """Put key, limits, counting and headers before every request."""
    admission = Admission(options)

    @app.middleware("http")
    async def checked(request: Request, proceed: Proceed) -> Response:
        start = time.perf_counter()
        response = _refusal(request, key) or await _admitted(request, proceed, options, admission, metrics)
        response.headers.update(HEADERS | {"Content-Security-Policy": _policy(HEADERS)})
        route = getattr(request.scope.get("route"), "path", "other")
        metrics.requests.labels(route, str(response.status_code)).inc()
        metrics.seconds.labels(route).observe(time.perf_counter() - start)
        return response


def too_large(options: ServeOptions) -> str:
    """Say how large a request may be."""
    return f"a request has at most {options.largest_request:,} bytes; send fewer or smaller pictures"


def _policy(headers: Mapping[str, str]) -> str:
    """The review's policy, and pictures that the page itself has made."""
    return headers["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self' data: blob:")


def _refusal(request: Request, key: str | None) -> Response | None:
    path = request.url.path
    if key is None or path in OPEN_PATHS or not path.startswith(("/v1/", "/metrics")):
        return None
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    given = given if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
    if hmac.compare_digest(given.encode(), key.encode()):
        return None
    return JSONResponse({"detail": "expected the API key, as 'Authorization: Bearer KEY'"}, 401, {"WWW-Authenticate": "Bearer"})


async def _admitted(request: Request, proceed: Proceed, options: ServeOptions, admission: Admission, metrics: ServerMetrics) -> Response:
    if request.method != "POST":
        return await proceed(request)
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdigit() else options.largest_request
    if size > options.largest_request:
        await _drain(request)
        return JSONResponse({"detail": too_large(options)}, 413)
    if not admission.enter(size):
        metrics.refused.inc()
        await _drain(request)
        return JSONResponse({"detail": "too many requests at once; try again in a second"}, 429, {"Retry-After": "1"})
    metrics.working.set(admission.requests)
    try:
        return await proceed(request)
    finally:
        admission.leave(size)
        metrics.working.set(admission.requests)


async def _drain(request: Request) -> None:
    """Read what the client is still sending, else it sees a broken connection and not our answer."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > MOST_DRAINED:
            return
