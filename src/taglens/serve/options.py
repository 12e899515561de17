"""The limits of the prediction server."""

from dataclasses import dataclass

from taglens.errors import TagLensError


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
    batch: int = 16
    """Pictures encoded together, at most; 1 turns batching off."""
    wait_ms: float = 2.0
    """How long a picture waits for company while the model is idle."""

    def __post_init__(self) -> None:
        for name in ("largest_request_mb", "largest_picture_megapixels", "most_pictures", "queue", "batch"):
            if getattr(self, name) <= 0:
                raise TagLensError(f"--{name.replace('_', '-')} must be above 0, came {getattr(self, name)}")
        if self.wait_ms < 0:
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
    def bytes_at_once(self) -> int:
        """Bytes of all requests at work: four of the largest, and at least 256 million."""
        return max(256_000_000, 4 * self.largest_request)
