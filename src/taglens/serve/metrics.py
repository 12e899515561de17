"""What the server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64)


class ServerMetrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("taglens_requests", "Answered requests", ["route", "status"], registry=self._registry)
        self.seconds = Histogram("taglens_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=self._registry)
        self.pictures = Counter("taglens_pictures", "Pictures predicted", registry=self._registry)
        self.refused = Counter("taglens_refused", "Requests answered 429: too many at once", registry=self._registry)
        self.batch = Histogram("taglens_batch_pictures", "Pictures encoded together", buckets=SIZES, registry=self._registry)
        self.working = Gauge("taglens_requests_working", "Requests at work or waiting", registry=self._registry)

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        return generate_latest(self._registry)
