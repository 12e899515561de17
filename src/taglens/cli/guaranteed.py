"""``--precision P`` of the commands that give tags to new pictures: the threshold that guarantees it."""

from pathlib import Path
from typing import TYPE_CHECKING

from taglens.cli.console import say
from taglens.errors import TagLensError
from taglens.runs.tag_guarantees import TagGuarantees

if TYPE_CHECKING:
    from taglens.runtime.predictor import OnnxPredictor


def require_share(precision: float | None) -> None:
    """Refuse what is no precision that can be asked for.

    Raises:
        TagLensError: it is given, and not a share above 0 and below 1.
    """
    if precision is not None and not 0 < precision < 1:
        raise TagLensError(f"--precision is a share above 0 and below 1; came {precision:g}")


def guaranteed_threshold(found: TagGuarantees, precision: float) -> float:
    """Return the probability from which on a class is a tag, and say what is guaranteed of those tags.

    Args:
        found: what a run or an exported file guarantees.
        precision: the share of tags that are to be right.

    Raises:
        TagLensError: it cannot be guaranteed.
    """
    tested, threshold = found.threshold_for(precision)
    say(f"tags from probability {threshold:.3f} on: at least {tested:.0%} of them are right ({found.confidence:.0%} confidence)")
    say(found.assumption)
    return threshold


def guarantees_of_run(run: Path, device: str) -> TagGuarantees:
    """Return what a run guarantees of its tags; its labels are judged once for it, on ``device``."""
    from taglens.completion.config import CompleteConfig
    from taglens.completion.new_tags import tag_guarantees

    return tag_guarantees(CompleteConfig(run=run, device=device), say=say)


def guarantees_of_file(file: Path, model: "OnnxPredictor") -> TagGuarantees:
    """Return what the exported ``file``, which was loaded as ``model``, knows of its run.

    Raises:
        TagLensError: it was exported before anything had been found.
    """
    facts = model.description.guarantees
    if facts is None:
        raise TagLensError(
            f"{file} was exported before anything was guaranteed of its tags; "
            "run `taglens predict RUN IMAGES... --precision P` once on the run that it came from, and export it again"
        )
    return TagGuarantees.from_json(dict(facts), f"{file}: guarantees", "export the run again")
