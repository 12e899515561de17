"""The page of ``taglens explain``: a grid of classes and methods for each picture, and the numbers."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from taglens.datasets.pictures import open_picture
from taglens.explain.attention import Look, summary
from taglens.inference.heatmap import overlay
from taglens.outputs import write_json, write_text
from taglens.pages.gallery import data_uri
from taglens.pages.page import page

_LONGEST = 300


def write_explanation(
    folder: Path, runs: Mapping[str, Path], looks: Sequence[Look], *, shown: int, notes: Sequence[str] = (), force: bool = False
) -> list[Path]:
    """Write explain.json with every number and explain.html with the first ``shown`` pictures; return their paths.

    Raises:
        OutputError: one of them exists and ``force`` is false.
    """
    found = summary(looks)
    entries = [
        {
            "image": str(one.path), "class": one.class_name, "method": one.method,
            "probability": one.probability, "entropy": one.entropy, "pointing": one.pointing,
        }
        for one in looks
    ]  # fmt: skip
    data = {"runs": {name: str(path) for name, path in runs.items()}, "methods": found, "looks": entries}
    write_json(folder / "explain.json", data, force=force)
    write_text(folder / "explain.html", _page(runs, looks, found, shown, notes), force=force)
    return [folder / "explain.html", folder / "explain.json"]


def _page(runs: Mapping[str, Path], looks: Sequence[Look], found: Mapping[str, Mapping[str, Any]], shown: int, notes: Sequence[str]) -> str:
    pictures = [list(group) for _, group in groupby(looks, key=lambda one: one.path)]
    return page(
        "explain.html.j2",
        names=list(runs),
        methods=list(dict.fromkeys(one.method for one in looks)),
        summary=found,
        pictures=len(pictures),
        cards=[_card(group) for group in pictures[:shown]],
        notes=notes,
    )


def _card(looks: Sequence[Look]) -> dict[str, Any]:
    picture = open_picture(looks[0].path, at_least=_LONGEST)
    picture.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    rows = [list(group) for _, group in groupby(looks, key=lambda one: one.class_name)]
    return {
        "name": looks[0].path.name,
        "picture": data_uri(picture),
        "rows": [{"class": row[0].class_name, "cells": [_cell(picture, one) for one in row]} for row in rows],
    }


def _cell(picture: Image.Image, one: Look) -> dict[str, Any]:
    if one.attention is None:
        return {"look": one, "heatmap": None}
    return {"look": one, "heatmap": data_uri(_outlined(overlay(picture, one.attention, longest=_LONGEST, box=one.seen), one))}


def _outlined(heatmap: Image.Image, one: Look) -> Image.Image:
    """Draw the boxes of the class."""
    left, top, right, bottom = one.seen
    scale = ((right - left) * heatmap.width, (bottom - top) * heatmap.height)
    draw = ImageDraw.Draw(heatmap)
    for box in one.boxes:
        corners = [
            start * size + edge * extent
            for edge, start, size, extent in zip(box, (left, top) * 2, heatmap.size * 2, scale * 2, strict=True)
        ]
        draw.rectangle(corners, outline="#ffffff", width=2)
    return heatmap
