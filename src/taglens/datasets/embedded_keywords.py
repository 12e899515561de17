"""Keywords inside picture files: XMP, and the older IPTC, as Pillow finds them."""

import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageFile, IptcImagePlugin

from taglens.datasets.pictures import explained, opened
from taglens.labels.files.xmp import Keywords, read_xmp

_KEYWORDS, _CHARACTERS = (2, 25), (1, 90)
"""Records of IPTC-IIM 4.2: keywords, and the coded character set."""
_XMP_TAG = 700
"""Of TIFF."""


class Embedded(NamedTuple):
    """What a picture file says about itself."""

    packet: bytes | None
    """Its XMP packet."""
    keywords: Keywords


def embedded_keywords(path: Path) -> Embedded:
    """Return the keywords in the file at ``path``, without decoding the picture.

    Raises:
        PictureError: it cannot be opened.
        TableError: its XMP cannot be read.
    """
    with explained(str(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata: what is left of it counts
        with opened(path, str(path)) as picture:
            packet, iptc = _packet(picture), _iptc(picture)
    found = Keywords() if packet is None else read_xmp(packet, str(path))
    # where both are there, programs keep them equal, and XMP is the one that holds every sign
    return Embedded(packet, found if found.flat or not iptc else Keywords(iptc, found.paths, found.marks, found.classes, found.split))


def _packet(picture: Image.Image) -> bytes | None:
    found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp") or getattr(picture, "tag_v2", {}).get(_XMP_TAG)
    if found is None and picture.format == "PNG":
        picture.load()  # the text may stand behind the pixels
        found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(found, str):
        return found.encode("utf-8", "replace")
    return bytes(found) if isinstance(found, bytes) and found.strip(b"\0 \t\r\n") else None


def _iptc(picture: Image.Image) -> tuple[str, ...]:
    records = (IptcImagePlugin.getiptcinfo(picture) if isinstance(picture, ImageFile.ImageFile) else None) or {}
    values = records.get(_KEYWORDS, [])
    is_utf8 = records.get(_CHARACTERS) == b"\x1b%G"
    texts = (_decoded(value, is_utf8) for value in (values if isinstance(values, list) else [values]))
    return tuple(dict.fromkeys(text for text in texts if text))


def _decoded(value: bytes, is_utf8: bool) -> str:
    """Most programs write UTF-8, many without saying so; what is none is Latin-1."""
    try:
        text = value.decode("utf-8", "replace" if is_utf8 else "strict")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return " ".join(text.replace("\0", " ").split())
