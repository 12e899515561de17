"""Good and bad uploads for the load test of the server, and what must be answered."""

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle

from taglens.datasets.scenes.compose import draw_scene


@dataclass(frozen=True)
class Upload:
    """One request: its form's field, the file's name and content, and the place of its picture; None if it must be refused."""

    kind: str
    field: str
    name: str
    content: bytes
    picture: int | None = None


def pictures(count: int, side: int = 320) -> list[bytes]:
    """Draw scenes as JPEG files."""
    files = [BytesIO() for _ in range(count)]
    for seed, file in enumerate(files):
        draw_scene(seed, side).picture.save(file, format="JPEG", quality=90)
    return [file.getvalue() for file in files]


def uploads(files: list[bytes], count: int, bad: int) -> list[Upload]:
    """Spread ``bad`` uploads of all kinds evenly over ``count`` requests."""
    spoilt = _bad_uploads(files[0])
    places = {round(place * count / bad) for place in range(bad)}
    return [
        next(spoilt) if place in places else Upload("good", "pictures", f"{place}.jpg", files[place % len(files)], place % len(files))
        for place in range(count)
    ]


def _bad_uploads(good: bytes) -> Iterator[Upload]:
    large = bytes(50_000_000)
    kinds: dict[str, Callable[[], tuple[str, str, bytes]]] = {
        "truncated": lambda: ("pictures", "half.jpg", good[: len(good) // 2]),
        "decompression bomb": lambda: ("pictures", "bomb.png", _bomb(12_000)),
        "text": lambda: ("pictures", "notes.txt", b"no picture at all\n" * 100),
        "50 MB": lambda: ("pictures", "large.jpg", large),
        "wrong field": lambda: ("image", "a.jpg", good),
        "path in the name": lambda: ("pictures", "../../etc/passwd", good),
    }
    for kind in cycle(kinds):
        field, name, content = kinds[kind]()
        yield Upload(kind, field, name, content)


def _bomb(side: int) -> bytes:
    """A PNG that grows from less than a megabyte to ``side`` x ``side`` pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    packed = zlib.compressobj(9)
    row = bytes(3 * side + 1)
    pixels = b"".join(packed.compress(row) for _ in range(side)) + packed.flush()
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, part) for kind, part in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
