"""What a completion guarantees, as sentences and values for JSON, for the page and for the terminal."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from taglens.completion.complete import Completion
from taglens.completion.guarantees.outcome import Outcome
from taglens.labels.states import POSITIVE

WORDS = {1: "present", 0: "absent"}
METHODS = {
    "table": (
        "One ranking of all cells by calibrated probability, one exact test of the unknown cells above a threshold (Fisher's noncentral "
        "hypergeometric distribution; Clopper and Pearson's for a finite table where the odds ratio is 1), thresholds tried in a fixed "
        "sequence (Learn then Test, Angelopoulos et al. 2021)."
    ),
    "class": (
        "The exact test of each class by itself, of those classes whose scores let a guarantee be hoped for, at a level shared out so that "
        "on average at most 1 - confidence of the guarantees that are made are broken (Benjamini and Yekutieli 2005)."
    ),
    "average": "Conformal selection over all cells (Jin and Candes 2023; Benjamini and Hochberg 1995).",
    "audit": "The most cells whose probabilities let a random sample of 150 answers be expected to confirm the precision.",
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One class and one value of it, ready to be shown."""

    name: str
    value: str
    """present or absent"""
    unknown: int
    filled: int
    expected: float | None
    """Mean probability that the filled cells are right; None where none is filled."""
    threshold: float | None
    """Lowest probability (of the value) that is filled."""
    right: int
    wrong: int
    """Known cells above the threshold that have, and have not, the value."""
    bound: float | None
    """One-sided bound of the class by itself; no guarantee of all at once."""
    reason: str


def sentences(completion: Completion) -> tuple[str, ...]:
    """Return what is said of the filled cells, a sentence for each value."""
    return tuple(_sentence(value, outcome, completion) for value, outcome in completion.filling.outcomes())


def _sentence(value: int, outcome: Outcome, completion: Completion) -> str:
    word, count, share = WORDS[value], int(outcome.filled.sum()), f"{outcome.precision:.1%}"
    if not count:
        return f"Nothing is filled as {word}: {outcome.reason}."
    cells = f"the {count:,} cells filled as {word}"
    sure = f"{completion.config.targets.confidence:.0%} confidence"
    if outcome.method == "audit":
        return (
            f"Nothing is guaranteed yet of {cells}: the probabilities let more than {share} of them be expected to be right. "
            "Answer a random sample of them: taglens audit."
        )
    if outcome.method == "average":
        return f"Over many such tables at least {share} of the cells filled as {word} are right on average; of {cells} here perhaps fewer."
    survives = "" if outcome.tipping is None else f" It would hold up to an odds ratio of {outcome.tipping:.2f}."
    if outcome.method == "class":
        classes, broken = int((outcome.rows.filled > 0).sum()), 1 - completion.config.targets.confidence
        return (
            f"Of {cells}, at least {share} are right in each of {classes:,} classes by itself; on average {broken:.0%} of such guarantees "
            f"may be broken.{survives}"
        )
    return f"Of {cells} at least {share} are right ({sure}), all together; single classes may lie lower.{survives}"


def lines(completion: Completion) -> list[Line]:
    """Return a line for each class and value, in the order of the classes."""
    unknown = completion.before.counts().unknown
    return [
        _line(completion, value, outcome, label, int(unknown[label]))
        for label in range(len(completion.table.classes))
        for value, outcome in completion.filling.outcomes()
    ]


def _line(completion: Completion, value: int, outcome: Outcome, label: int, unknown: int) -> Line:
    rows, filled = outcome.rows, completion.filling.filled(value)[:, label]
    chances = completion.filling.probabilities[filled, label]
    return Line(
        name=completion.table.classes[label],
        value=WORDS[value],
        unknown=unknown,
        filled=int(filled.sum()),
        expected=float((chances if value == POSITIVE else 1 - chances).mean()) if filled.any() else None,
        threshold=_number(rows.thresholds[label]),
        right=int(rows.right[label]),
        wrong=int(rows.wrong[label]),
        bound=_number(rows.bounds[label]),
        reason=rows.reasons[label] or ("" if filled.any() else outcome.reason or "no unknown cell reaches the threshold"),
    )


def totals(completion: Completion) -> dict[str, int]:
    """Return the counts of cells: unknown before, filled as present and as absent, left blank."""
    before, after = completion.before, completion.table.labels
    present, absent = (int((before.unknown & state).sum()) for state in (after.positive, after.negative))
    unknown = int(before.unknown.sum())
    return {"unknown": unknown, "filled_present": present, "filled_absent": absent, "left_blank": unknown - present - absent}


def statement_json(completion: Completion) -> dict[str, Any]:
    """Return the content of completion.json."""
    config, bins = completion.config, completion.reliability
    targets = config.targets
    return {
        "data": completion.data,
        "run": str(config.run),
        "time": completion.table.origins[-1].time,
        "pictures": len(completion.table),
        "asked": {
            "guarantee": targets.guarantee,
            "precision": targets.precision,
            "npv": targets.npv,
            "confidence": targets.confidence,
            "robust": targets.robust,
        },
        "statement": list(sentences(completion)),
        "cells": totals(completion),
        "guarantees": {WORDS[value]: _guarantee(outcome) for value, outcome in completion.filling.outcomes()},
        "assumption": completion.assumption.words,
        "refused": completion.assumption.refused or None,
        "per_class": _per_class(completion),
        "method": f"{completion.how} {METHODS[targets.guarantee]}",
        "seed": config.seed,
        "calibration": {
            "expected_calibration_error": _number(completion.calibration_error),
            "bins": [
                {"count": int(count), "probability": _number(probability), "observed": _number(observed)}
                for count, probability, observed in zip(bins.count, bins.probability, bins.observed, strict=True)
            ],
        },
        "suspected_label_errors": len(completion.suspects.found),
        "audits": [],
        "skipped_pictures": [{"image": str(path), "reason": reason} for path, reason in completion.skipped],
        "notes": list(completion.notes),
    }


def _guarantee(outcome: Outcome) -> dict[str, Any]:
    filled = int(outcome.filled.sum())
    return {
        "filled": filled,
        "precision": outcome.precision if filled and outcome.method != "audit" else None,
        "confidence": outcome.confidence if filled else None,
        "odds_ratio": _number(outcome.odds),
        "holds_up_to_odds_ratio": _number(outcome.tipping),
        "known_right": outcome.right,
        "known_wrong": outcome.wrong,
        "why_not": outcome.reason or None,
    }


def _per_class(completion: Completion) -> dict[str, Any]:
    counts = completion.before.counts()
    found: dict[str, Any] = {
        name: {"known_positive": int(positive), "known_negative": int(negative), "unknown": int(unknown)}
        for name, positive, negative, unknown in zip(completion.table.classes, *counts, strict=True)
    }
    for line in lines(completion):
        found[line.name][line.value] = {
            "filled": line.filled,
            "expected": _number(line.expected),
            "threshold": _number(line.threshold),
            "known_right": line.right,
            "known_wrong": line.wrong,
            "bound_by_itself": _number(line.bound),
            "why_not": line.reason or None,
        }
    return found


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
