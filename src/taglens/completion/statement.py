"""What a completion guarantees, as values for JSON, for the page and for the terminal."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from taglens.completion.complete import Completion
from taglens.completion.filling import Statement

ASSUMPTION = (
    "The known labels of a class are taken as a random sample of its cells. If they were chosen otherwise (only easy pictures, only "
    "present tags), nothing is promised. Labels marked as reviewed are counted, but not taken as a random sample."
)
METHOD = (
    "Each picture is judged by a model and a calibration made without its labels (cross-fitting, Platt's sigmoid with shrinkage to all "
    "classes). Thresholds: exact hypergeometric test of the unknown cells above them, the finite-table form of Clopper and Pearson's "
    "(1934), by fixed-sequence testing (Learn then Test, Angelopoulos et al. 2021). Promises are made at a level "
    "that lets the expected share of broken ones among all that are made be at most 1 - confidence: of ten promises at confidence 0.9, one "
    "may be missed (Benjamini and Yekutieli 2005). Pooling the folds treats their known labels as independent."
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One class and one value of it, ready to be shown."""

    name: str
    value: str
    """present or absent"""
    basis: str
    """class, pooled or none"""
    unknown: int
    filled: int
    expected: float | None
    threshold: float | None
    """Lowest probability (of the value) that is filled."""
    sampled: int
    right: int
    reason: str


def lines(completion: Completion) -> list[Line]:
    """Return a line for each class and value, in the order of the classes."""
    filling = completion.filling
    unknown = completion.before.counts().unknown
    groups = [("present", filling.present), *([] if filling.absent is None else [("absent", filling.absent)])]
    names = completion.table.classes
    return [_line(name, value, int(unknown[label]), group[label]) for label, name in enumerate(names) for value, group in groups]


def _line(name: str, value: str, unknown: int, found: Statement) -> Line:
    guarantee = found.guarantee
    return Line(
        name=name,
        value=value,
        basis=found.basis,
        unknown=unknown,
        filled=found.filled,
        expected=found.expected,
        threshold=guarantee.threshold,
        sampled=guarantee.sampled,
        right=guarantee.right,
        reason=guarantee.reason,
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
    return {
        "data": config.data,
        "run": str(config.run),
        "time": completion.table.origins[-1].time,
        "pictures": len(completion.table),
        "asked": {"precision": config.targets.precision, "npv": config.targets.npv, "confidence": config.targets.confidence},
        "cells": totals(completion),
        "per_class": _per_class(completion),
        "method": METHOD,
        "assumption": ASSUMPTION,
        "folds": config.folds,
        "seed": config.seed,
        "calibration": {
            "expected_calibration_error": _number(completion.calibration_error),
            "before_calibration": _number(completion.calibration_error_before),
            "bins": [
                {"count": int(count), "probability": _number(probability), "observed": _number(observed)}
                for count, probability, observed in zip(bins.count, bins.probability, bins.observed, strict=True)
            ],
        },
        "suspected_label_errors": len(completion.suspects),
        "skipped_pictures": [{"image": str(path), "reason": reason} for path, reason in completion.skipped],
        "notes": list(completion.notes),
    }


def _per_class(completion: Completion) -> dict[str, Any]:
    counts = completion.before.counts()
    found: dict[str, Any] = {
        name: {"known_positive": int(positive), "known_negative": int(negative), "unknown": int(unknown)}
        for name, positive, negative, unknown in zip(completion.table.classes, *counts, strict=True)
    }
    asked = {"present": completion.config.targets.precision, "absent": completion.config.targets.npv}
    for line in lines(completion):
        found[line.name][line.value] = {
            "filled": line.filled,
            "expected": _number(line.expected),
            "guaranteed": None if line.basis == "none" else asked[line.value],
            "guaranteed_for": {"class": "this class", "pooled": "all pooled classes together", "none": None}[line.basis],
            "threshold": _number(line.threshold),
            "known_above_threshold": line.sampled,
            "right_above_threshold": line.right,
            "why_not": line.reason or None,
        }
    return found


def _number(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 6)
