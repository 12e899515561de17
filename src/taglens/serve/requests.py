"""From a request's body to named pictures: computing, so done on threads, and bounded by number and bytes before anything grows."""

import asyncio
import base64
import binascii
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from fastapi import HTTPException
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from taglens.visible import visible

HeatmapForm = Literal["none", "png", "grid"]
FIELDS = ("pictures", "heatmaps", "of", "names")
LONGEST_NAME = 255
MOST_NAMES, LONGEST_CLASS = 20, 80
OTHER_FIELDS = 64
"""Texts in a form besides the classes whose heatmaps are wanted; own names may come twice, or empty."""
LONGEST_FIELD = 4096
"""Bytes of a text in a form."""
MOST_ENTRIES = 10_000
"""Commas and brackets in JSON, besides two for each class."""
PIECE = 65_536
"""Bytes of a form that are taken apart at once."""


@dataclass(frozen=True)
class NamedPicture:
    """A picture as it was sent."""

    name: str
    content: bytes


@dataclass(frozen=True)
class PredictRequest:
    """What a request asks for."""

    pictures: Sequence[NamedPicture]
    heatmaps: HeatmapForm = "none"
    of: Sequence[str] = ()
    """Classes whose heatmaps are wanted; none: the tags."""
    names: Sequence[str] = ()
    """Further class names."""


@dataclass(frozen=True)
class HeatmapRequest:
    """One heatmap as a picture."""

    picture: NamedPicture
    name: str
    """The class."""


def read_request(body: bytes, content_type: str, *, most_pictures: int, classes: int) -> PredictRequest:
    """Read a multipart form or JSON; meant for a thread.

    Args:
        body: the whole of it.
        content_type: its header.
        most_pictures: pictures that a request may have.
        classes: that the model has; no more heatmaps can be asked for.

    Raises:
        HTTPException: 400, 415 or 422, saying what is wrong.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = _from_form(_form(body, content_type, files=most_pictures, fields=OTHER_FIELDS + classes), classes)
    elif kind == "application/json":
        found = _from_json(body, most_pictures, classes)
    else:
        raise HTTPException(415, f"expected multipart/form-data or application/json, came {visible(kind[:80]) or 'no content type'}")
    if not found.pictures:
        raise HTTPException(422, "no picture in the request; send files in the field 'pictures'")
    return found


def read_heatmap_request(body: bytes, content_type: str) -> HeatmapRequest:
    """Read the multipart form of one heatmap; meant for a thread.

    Raises:
        HTTPException: 400, 415 or 422, saying what is wrong.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise HTTPException(415, f"expected multipart/form-data, came {visible(kind[:80]) or 'no content type'}")
    form = _form(body, content_type, files=1, fields=OTHER_FIELDS)
    pictures, names = form.getlist("picture"), form.getlist("class")
    if [isinstance(entry, UploadFile) for entry in pictures] != [True] or [isinstance(entry, str) for entry in names] != [True]:
        raise HTTPException(422, "expected one file in the field 'picture', and one name in the field 'class'")
    return HeatmapRequest(_uploaded(pictures[0]), str(names[0]))


class _InMemory(MultiPartParser):
    """Starlette's parser; what is in memory already needs no temporary file."""

    spool_max_size = sys.maxsize


def _form(body: bytes, content_type: str, *, files: int, fields: int) -> FormData:
    async def parts() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(body), PIECE):
            yield body[start : start + PIECE]

    headers = Headers({"content-type": content_type})
    parser = _InMemory(headers, parts(), max_files=files, max_fields=fields, max_part_size=LONGEST_FIELD)
    try:
        return asyncio.run(parser.parse())  # a loop of this thread's own: taking a form apart is computing
    except (MultiPartException, FormParserError) as error:  # the second in older versions
        raise HTTPException(400, f"the form cannot be read: {getattr(error, 'message', error)}") from error


def _from_form(form: FormData, classes: int) -> PredictRequest:
    unknown = next((name for name in form if name not in FIELDS), None)
    if unknown is not None:
        raise HTTPException(422, f"unknown field {unknown[:80]!r}; expected {', '.join(FIELDS)}")
    pictures = [_uploaded(entry) for entry in form.getlist("pictures")]
    texts = {name: [str(value) for value in form.getlist(name) if value] for name in FIELDS[1:]}
    return _request(pictures, (texts["heatmaps"] or ["none"])[-1], texts["of"], texts["names"], classes)


def _uploaded(entry: UploadFile | str) -> NamedPicture:
    if not isinstance(entry, UploadFile):
        raise HTTPException(422, "the field 'pictures' must hold files, came text")
    return NamedPicture(_safe_name(entry.filename), entry.file.read())


def _from_json(body: bytes, most_pictures: int, classes: int) -> PredictRequest:
    # a parser turns "[],[],..." into forty times as much memory; pictures in base64 have none of these signs
    if sum(map(body.count, (b",", b"[", b"{"))) > MOST_ENTRIES + 2 * classes:
        raise HTTPException(422, "too many lists and entries in this JSON")
    try:
        facts = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"not JSON ({error})") from error
    entries = facts.get("pictures") if isinstance(facts, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise HTTPException(422, 'expected {"pictures": [{"name": "a.jpg", "data": BASE64}, ...]}')
    unknown = next((name for name in facts if name not in FIELDS), None)
    if unknown is not None:
        raise HTTPException(422, f"unknown entry {unknown[:80]!r}; expected {', '.join(FIELDS)}")
    if len(entries) > most_pictures:
        raise HTTPException(422, f"at most {most_pictures} pictures in a request, came {len(entries)}")
    pictures = [_json_picture(entry, number) for number, entry in enumerate(entries, 1)]
    return _request(pictures, facts.get("heatmaps", "none"), facts.get("of", []), facts.get("names", []), classes)


def _json_picture(entry: dict[str, Any], number: int) -> NamedPicture:
    name = _safe_name(entry.get("name", f"picture {number}"))
    if "url" in entry:
        raise HTTPException(422, "pictures are not fetched by address here; send their bytes as 'data'")
    try:
        return NamedPicture(name, base64.b64decode(entry["data"], validate=True))
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise HTTPException(422, f"{name}: expected the picture's bytes in base64 as 'data' ({error})") from error


def _request(pictures: list[NamedPicture], heatmaps: Any, of: Any, names: Any, classes: int) -> PredictRequest:
    if heatmaps not in get_args(HeatmapForm):
        raise HTTPException(422, f"heatmaps must be one of {', '.join(get_args(HeatmapForm))}, came {str(heatmaps)[:80]!r}")
    for listed, most in ((of, classes), (names, OTHER_FIELDS)):
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise HTTPException(422, "'of' and 'names' must be lists of class names")
        if len(listed) > most or any(len(name) > LONGEST_FIELD for name in listed):
            raise HTTPException(422, f"at most {most} names in {'of' if listed is of else 'names'!r}, of at most {LONGEST_FIELD} signs")
    return PredictRequest(pictures, heatmaps, list(dict.fromkeys(of)), _clean_names(names))


def _clean_names(names: list[str]) -> list[str]:
    clean = list(dict.fromkeys(" ".join(name.split()) for name in names))
    if len(clean) > MOST_NAMES:
        raise HTTPException(422, f"at most {MOST_NAMES} own class names, came {len(clean)}")
    bad = next((name for name in clean if not 0 < len(name) <= LONGEST_CLASS), None)
    if bad is not None:
        raise HTTPException(422, f"an own class name has 1 to {LONGEST_CLASS} signs, came {len(bad)}")
    if any(visible(name) != name for name in clean):
        raise HTTPException(422, "an own class name must not hold control signs, halves of signs, or signs that nobody sees")
    return clean


def _safe_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise HTTPException(422, "a picture needs a file name")
    if "/" in name or "\\" in name or name in (".", "..") or not name.isprintable():
        raise HTTPException(400, "a file name must not hold a path or control signs; send the name alone")
    if len(name) > LONGEST_NAME:
        raise HTTPException(400, f"a file name has at most {LONGEST_NAME} signs, came {len(name)}")
    return name
