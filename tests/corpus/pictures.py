"""Bad pictures: a name, the file's name, its content."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def _saved(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _bomb() -> bytes:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + _chunk(b"IEND", b"")


PICTURES: dict[str, tuple[str, bytes]] = {
    "empty picture": ("empty.jpg", b""),
    "text called a picture": ("text.jpg", b"this is no picture"),
    "a page called a picture": ("page.png", b"<!DOCTYPE html><html></html>"),
    "JPEG cut short": ("cut.jpg", _saved("JPEG")[:300]),
    "JPEG of a header alone": ("header.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"),
    "PNG cut short": ("cut.png", _saved("PNG")[:200]),
    "PNG with a wrong sum": ("sum.png", _saved("PNG")[:20] + b"\xff\xff\xff\xff" + _saved("PNG")[24:]),
    "GIF cut short": ("cut.gif", _saved("GIF")[:60]),
    "WebP cut short": ("cut.webp", _saved("WEBP")[:60]),
    "BMP of impossible size": ("size.bmp", _saved("BMP")[:18] + struct.pack("<ii", 2**30, 2**30) + _saved("BMP")[26:]),
    "decompression bomb": ("bomb.png", _bomb()),
}
