"""From a request's body to named pictures."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from fastapi import HTTPException, Request
from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, UploadFile
from starlette.types import Message

from taglens.serve.admission import too_large
from taglens.serve.options import ServeOptions

HeatmapForm = Literal["none", "png", "grid"]
FIELDS = ("pictures", "heatmaps", "of", "names")
LONGEST_NAME = 255
MOST_NAMES, LONGEST_CLASS = 20, 80


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


async def read_request(request: Request, options: ServeOptions) -> PredictRequest:
    """Read a multipart form or JSON.

    Raises:
        HTTPException: 400, 413, 415 or 422, saying what is wrong.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    limited = Request(request.scope, _limited(request, options))
    if kind == "multipart/form-data":
        try:
            async with limited.form(max_files=options.most_pictures, max_fields=64, max_part_size=100_000) as form:
                found = await _from_form(form)
        except FormParserError as error:  # Starlette answers it itself only in later versions
            raise HTTPException(400, f"the form cannot be read: {error}") from error
    elif kind == "application/json":
        found = _from_json(await limited.body(), options)
    else:
        raise HTTPException(415, f"expected multipart/form-data or application/json, came {kind or 'no content type'}")
    if not found.pictures:
        raise HTTPException(422, "no picture in the request; send files in the field 'pictures'")
    if len(found.pictures) > options.most_pictures:
        raise HTTPException(422, f"at most {options.most_pictures} pictures in a request, came {len(found.pictures)}")
    return found


async def named_upload(file: UploadFile) -> NamedPicture:
    """Return one uploaded file.

    Raises:
        HTTPException: 400 or 422, its name cannot be used.
    """
    return NamedPicture(_safe_name(file.filename), await file.read())


def _limited(request: Request, options: ServeOptions) -> Any:
    """Count what arrives: a request that states no length is cut off at the limit."""
    total = 0

    async def receive() -> Message:
        nonlocal total
        message = await request.receive()
        total += len(message.get("body", b""))
        if total > options.largest_request:
            raise HTTPException(413, too_large(options))
        return message

    return receive


async def _from_form(form: FormData) -> PredictRequest:
    unknown = next((name for name in form if name not in FIELDS), None)
    if unknown is not None:
        raise HTTPException(422, f"unknown field {unknown[:80]!r}; expected {', '.join(FIELDS)}")
    pictures = []
    for entry in form.getlist("pictures"):
        if not isinstance(entry, UploadFile):
            raise HTTPException(422, "the field 'pictures' must hold files, came text")
        pictures.append(NamedPicture(_safe_name(entry.filename), await entry.read()))
    texts = {name: [str(value) for value in form.getlist(name) if value] for name in FIELDS[1:]}
    return _request(pictures, (texts["heatmaps"] or ["none"])[-1], texts["of"], texts["names"])


def _from_json(body: bytes, options: ServeOptions) -> PredictRequest:
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
    if len(entries) > options.most_pictures:
        raise HTTPException(422, f"at most {options.most_pictures} pictures in a request, came {len(entries)}")
    pictures = [_json_picture(entry, number) for number, entry in enumerate(entries, 1)]
    return _request(pictures, facts.get("heatmaps", "none"), facts.get("of", []), facts.get("names", []))


def _json_picture(entry: dict[str, Any], number: int) -> NamedPicture:
    name = _safe_name(entry.get("name", f"picture {number}"))
    if "url" in entry:
        raise HTTPException(422, "pictures are not fetched by address here; send their bytes as 'data'")
    try:
        return NamedPicture(name, base64.b64decode(entry["data"], validate=True))
    except (KeyError, TypeError, binascii.Error, ValueError) as error:
        raise HTTPException(422, f"{name}: expected the picture's bytes in base64 as 'data' ({error})") from error


def _request(pictures: list[NamedPicture], heatmaps: Any, of: Any, names: Any) -> PredictRequest:
    if heatmaps not in get_args(HeatmapForm):
        raise HTTPException(422, f"heatmaps must be one of {', '.join(get_args(HeatmapForm))}, came {str(heatmaps)[:80]!r}")
    for listed in (of, names):
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise HTTPException(422, "'of' and 'names' must be lists of class names")
    return PredictRequest(pictures, heatmaps, of, _clean_names(names))


def _clean_names(names: list[str]) -> list[str]:
    clean = list(dict.fromkeys(" ".join(name.split()) for name in names))
    if len(clean) > MOST_NAMES:
        raise HTTPException(422, f"at most {MOST_NAMES} own class names, came {len(clean)}")
    bad = next((name for name in clean if not 0 < len(name) <= LONGEST_CLASS), None)
    if bad is not None:
        raise HTTPException(422, f"an own class name has 1 to {LONGEST_CLASS} signs, came {len(bad)}")
    return clean


def _safe_name(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise HTTPException(422, "a picture needs a file name")
    if "/" in name or "\\" in name or name in (".", "..") or not name.isprintable():
        raise HTTPException(400, "a file name must not hold a path or control signs; send the name alone")
    if len(name) > LONGEST_NAME:
        raise HTTPException(400, f"a file name has at most {LONGEST_NAME} signs, came {len(name)}")
    return name
