"""The limits of the prediction server."""

from dataclasses import dataclass, fields

from taglens.errors import TagLensError
from taglens.web.limits import ConnectionLimits


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What a request may cost, and how many may run at once."""

    largest_request_mb: float = 16.0
    """Bytes of a request, in millions."""
    largest_picture_megapixels: float = 50.0
    """Pixels of a picture, in millions; more is refused before decoding."""
    most_pictures: int = 16
    """Pictures in one request."""
    queue: int = 128
    """Requests at work or waiting; more are answered 429 with Retry-After."""
    connections: int = 500
    """Clients connected at once; more push out those that have waited longest without a request."""
    head_s: float = 10.0
    """Seconds that a client may take for a request's head, from its connection or its last answer on."""
    body_s: float = 30.0
    """Seconds that a client may take for a request's body; where there is no room for another, the slowest is sent away earlier."""
    work_s: float = 120.0
    """Seconds from a whole request to its answer; then it is answered 503."""
    answer_s: float = 60.0
    """Seconds that a client may take for an answer."""
    largest_answer_mb: float = 128.0
    """Bytes of an answer, in millions; heatmaps count 4 bytes a pixel as PNG and 12 a value as grid, and are refused beyond."""
    batch: int = 16
    """Pictures encoded together, at most; 1 turns batching off."""
    wait_ms: float = 2.0
    """How long a picture waits for company while the model is idle."""
    decoders: int | None = None
    """Processes that decode pictures; none: one for each core, at most 16."""
    decode_s: float = 10.0
    """Seconds that decoding a picture may take."""
    decode_mb: float = 1500.0
    """Memory that decoding a picture may take, in millions of bytes, for each of the processes."""
    model_s: float = 60.0
    """Seconds that the model may take for a batch; then requests are answered 503, and /readyz says so."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.name != "wait_ms" and value is not None and not value > 0:
                raise TagLensError(f"--{limit.name.replace('_', '-')} must be above 0, came {value}")
        if not self.wait_ms >= 0:
            raise TagLensError(f"--wait-ms must be at least 0, came {self.wait_ms}")

    @property
    def largest_request(self) -> int:
        """Bytes of a request."""
        return int(self.largest_request_mb * 1e6)

    @property
    def largest_picture(self) -> int:
        """Pixels of a picture."""
        return int(self.largest_picture_megapixels * 1e6)

    @property
    def largest_answer(self) -> int:
        """Bytes of an answer."""
        return int(self.largest_answer_mb * 1e6)

    @property
    def bytes_at_once(self) -> int:
        """Bytes of all requests and answers at once: four of the largest requests, two of the largest answers, at least 256 million."""
        return max(256_000_000, 4 * self.largest_request, 2 * self.largest_answer)

    @property
    def connection_limits(self) -> ConnectionLimits:
        """What holds for connections."""
        return ConnectionLimits(head_s=self.head_s, answer_s=self.answer_s, connections=self.connections)
