"""Filling the templates, and the table of scores that several pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from taglens.version import VERSION
from taglens.visible import visible

SCORES = ("mAP", "mAP_interpolated", "CF1", "OF1", "CF1_thresholds", "OF1_thresholds", "CP", "CR", "OP", "OR", "CF1_top3", "OF1_top3")


@dataclass(frozen=True)
class ScoreRow:
    """One method in the comparison table."""

    name: str
    scores: Sequence[float | None]
    best: Sequence[bool]


def page(template: str, **values: Any) -> str:
    """Fill one of the templates in the folder beside this file."""
    return _environment().get_template(template).render(version=VERSION, scores=[display_name(name) for name in SCORES], **values)


def score_table(results: Mapping[str, Mapping[str, Any]]) -> list[ScoreRow]:
    """Return one row for each method with its metrics in the order of SCORES; the best of each column is marked."""
    columns = [[found.get(score) for found in results.values()] for score in SCORES]
    best = [max((value for value in column if value is not None), default=None) for column in columns]
    return [
        ScoreRow(
            name,
            [column[i] for column in columns],
            [len(results) > 1 and column[i] is not None and column[i] == top for column, top in zip(columns, best, strict=True)],
        )
        for i, name in enumerate(results)
    ]


def display_name(name: str) -> str:
    """Return a method's or metric's name as people write it.

    >>> display_name("semantic_aware"), display_name("CF1_top3"), display_name("OF1_thresholds")
    ('semantic aware', 'CF1 top 3', 'OF1 at thresholds')
    """
    return name.replace("_top3", " top 3").replace("_thresholds", " at thresholds").replace("_", " ")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("taglens.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # a name that turns the direction of text would read as another; markup is our own
        finalize=lambda value: visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["score"] = lambda value: "–" if value is None else f"{value:.1f}"
    environment.filters["signed"] = lambda value: f"{value:+.1f}".replace("-", "−")
    environment.filters["thousands"] = lambda value: f"{value:,}"
    return environment
