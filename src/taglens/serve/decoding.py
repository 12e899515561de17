"""A process that decodes pictures for the prediction server, and how the two talk: ``python -m taglens.serve.decoding``.

It gets one picture after the other on its standard input and holds nothing worth taking: no key, no model, no connection. A decoder
that hangs, grows or falls takes this process with it and nothing else. Messages are a JSON object and bytes; no objects are sent.
"""

import json
import os
import signal
import struct
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from taglens.datasets.pictures import upright_size
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError

resource: Any
try:
    import resource
except ImportError:  # Windows has no limits of this kind; the time limit holds there, too
    resource = None

_LENGTHS = struct.Struct(">II")
LONGEST_HEADER = 100_000


def write_message(target: BinaryIO, header: dict[str, Any], *contents: bytes) -> None:
    """Write a JSON object and bytes."""
    encoded = json.dumps(header).encode()
    target.write(_LENGTHS.pack(len(encoded), sum(map(len, contents))) + encoded)
    for content in contents:
        target.write(content)
    target.flush()


def read_message(source: BinaryIO, most: int) -> tuple[dict[str, Any], bytes]:
    """Read what :func:`write_message` wrote, with at most ``most`` bytes.

    Raises:
        EOFError: the other side is gone, or says what is no message.
    """
    lengths = source.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        raise EOFError
    header_length, length = _LENGTHS.unpack(lengths)
    if header_length > LONGEST_HEADER or length > most:
        raise EOFError
    header, content = source.read(header_length), source.read(length)
    if len(header) < header_length or len(content) < length:
        raise EOFError
    try:
        facts = json.loads(header)
    except ValueError as error:
        raise EOFError from error
    if not isinstance(facts, dict):
        raise EOFError
    return facts, content


def decode(content: bytes, *, name: str, transform: PictureTransform, max_pixels: int, longest: int) -> tuple[dict[str, Any], list[bytes]]:
    """Return the picture's size and what the model sees of it, 8 bits deep; if ``longest`` is not 0, a small picture of it, too.

    Raises:
        PictureError: it cannot be read.
    """
    opened = transform.open(content, max_pixels=max_pixels, name=name)
    parts = [np.asarray(transform.resized(opened)).tobytes()]
    facts: dict[str, Any] = {"size": upright_size(content, name), "small": None}
    if longest:
        opened.thumbnail((longest, longest))
        facts["small"] = opened.size
        parts.append(opened.tobytes())
    return facts, parts


def set_limits(megabytes: int) -> None:
    """Allow so many bytes beyond what is in use now; nothing is written to files, not even a core dump."""
    if resource is None:
        return
    for name, most in (("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0), ("RLIMIT_AS", _in_use() + megabytes * 1_000_000)):
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):  # what this system does not know
            continue


def _in_use() -> int:
    """Return the bytes of address space in use; where the system does not say it, a gigabyte stands for it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 1_000_000_000


def _alarm(seconds: float) -> None:
    """End this process after so many seconds, also when its parent was killed and nobody else would; 0: never mind."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def main() -> None:
    """Serve until the other side closes."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not come between the answers
    settings, _ = read_message(source, 0)
    transform = PictureTransform.from_json(settings["transform"])
    _warm_up(transform)
    set_limits(settings["megabytes"])
    write_message(target, {"ready": True})
    while True:
        try:
            asked, content = read_message(source, 2**31)
        except EOFError:
            return
        _alarm(settings["seconds"])
        try:
            facts, parts = decode(
                content, name=asked["name"], transform=transform, max_pixels=settings["max_pixels"], longest=asked["longest"]
            )
        except PictureError as error:
            facts, parts = {"error": str(error)}, []
        except MemoryError:
            facts, parts = {"error": f"{asked['name']}: not enough memory to decode it; shrink it"}, []
        _alarm(0)
        del content
        write_message(target, facts, *parts)


def _warm_up(transform: PictureTransform) -> None:
    """Decode a picture of the usual kinds: libraries load what they need before memory is limited."""
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        file = BytesIO()
        Image.new("RGB", (16, 16)).save(file, kind)
        decode(file.getvalue(), name="", transform=transform, max_pixels=1000, longest=8)


if __name__ == "__main__":
    main()
