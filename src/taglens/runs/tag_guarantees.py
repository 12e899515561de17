"""What a run can guarantee of the tags that it gives to new pictures: thresholds by precision, in a file of the run's folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taglens.errors import RunError, TagLensError
from taglens.outputs import read_object, write_json
from taglens.schema import items, maybe, number, record, require, text

FILE = "guarantees.json"
_STEP = record({"precision": number(0, 1), "threshold": maybe(number(0, 1)), "reason": text(2000)}, ("precision", "threshold"))
_STATEMENT = {"confidence": number(0, 1), "assumption": text(5000), "steps": items(_STEP, 1, 1000)}
_FORM = record(_STATEMENT | {"weights": text(64)}, ("weights", *_STATEMENT))
_DAMAGED = "delete the file, it is made again"


@dataclass(frozen=True)
class TagGuarantees:
    """At each precision the lowest probability at which a class is a tag, so that at least this share of all tags is right."""

    confidence: float
    """How surely, for one precision that is chosen beforehand."""
    assumption: str
    """What known cells were taken for."""
    thresholds: dict[float, float | None]
    """By precision; None where it cannot be guaranteed."""
    reasons: dict[float, str]
    """Why it cannot, by precision."""

    def threshold_for(self, precision: float) -> tuple[float, float]:
        """Return the precision of the table that is at least the asked one, and its threshold.

        Raises:
            TagLensError: it cannot be guaranteed; what can is named.
        """
        found = [step for step in sorted(self.thresholds) if step >= precision - 1e-9]
        if not found:
            raise TagLensError(f"--precision {precision:g}: the highest that is tested is {max(self.thresholds):g}")
        threshold = self.thresholds[found[0]]
        if threshold is None:
            possible = [step for step, one in self.thresholds.items() if one is not None]
            instead = f"the highest that can be is {max(possible):g}" if possible else "nothing can be guaranteed of this run's tags"
            raise TagLensError(f"--precision {precision:g} cannot be guaranteed: {self.reasons[found[0]]}; {instead}")
        return found[0], threshold

    @classmethod
    def from_json(cls, facts: Mapping[str, Any], name: str, advice: str) -> "TagGuarantees":
        """Read what :meth:`to_json` made; ``name`` and ``advice`` are for the error.

        Raises:
            RunError: the values are others.
        """
        require(facts, record(_STATEMENT, _STATEMENT), kind=RunError, name=name, advice=advice)
        return cls(
            confidence=float(facts["confidence"]),
            assumption=facts["assumption"],
            thresholds={float(step["precision"]): step["threshold"] for step in facts["steps"]},
            reasons={float(step["precision"]): step.get("reason", "") for step in facts["steps"]},
        )

    def to_json(self) -> dict[str, Any]:
        """Return the values for a file's description."""
        return {"confidence": self.confidence, "assumption": self.assumption, "steps": self._steps()}

    def _steps(self) -> list[dict[str, Any]]:
        reasons = {precision: {"reason": reason} for precision, reason in self.reasons.items() if reason}
        return [{"precision": precision, "threshold": one} | reasons.get(precision, {}) for precision, one in self.thresholds.items()]


def write_tag_guarantees(run: Path, found: TagGuarantees) -> None:
    """Write the file, with the hash of the weights that it is about."""
    write_json(run / FILE, {"weights": weights_hash(run), **found.to_json()}, force=True)


def find_tag_guarantees(run: Path) -> TagGuarantees | None:
    """Return what the file says; None if there is none, or one about other weights.

    Raises:
        RunError: the file is damaged.
    """
    path = run / FILE
    if not path.is_file():
        return None
    facts = read_object(path, kind=RunError, damaged=_DAMAGED)
    require(facts, _FORM, kind=RunError, name=path, advice=_DAMAGED)
    weights = facts.pop("weights")
    return TagGuarantees.from_json(facts, str(path), _DAMAGED) if weights == weights_hash(run) else None


def weights_hash(run: Path) -> str:
    """Return the hash of a run's weights.

    Raises:
        RunError: there are none.
    """
    path = run / "weights.safetensors"
    try:
        with path.open("rb") as weights:
            return hashlib.file_digest(weights, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; expected the folder of a finished run") from error
