"""``--precision P`` of the commands that give tags to new pictures: the threshold that guarantees it."""

from pathlib import Path

from taglens.cli.console import say
from taglens.errors import TagLensError
from taglens.runs.tag_guarantees import TagGuarantees


def require_share(precision: float | None) -> None:
    """Refuse what is no precision that can be asked for.

    Raises:
        TagLensError: it is given, and not a share above 0 and below 1.
    """
    if precision is not None and not 0 < precision < 1:
        raise TagLensError(f"--precision is a share above 0 and below 1; came {precision:g}")


def guaranteed_threshold(model: Path, precision: float, device: str) -> float:
    """Return the probability from which on a class is a tag, and say what is guaranteed of those tags.

    Args:
        model: folder of a run, whose labels are judged once for it, or an exported file, which knows what was found before.
        precision: the share of tags that are to be right.
        device: where a run computes.

    Raises:
        TagLensError: it cannot be guaranteed, or the exported file was made before anything had been found.
    """
    found = _of_file(model) if model.is_file() else _of_run(model, device)
    tested, threshold = found.threshold_for(precision)
    say(f"tags from probability {threshold:.3f} on: at least {tested:.0%} of them are right ({found.confidence:.0%} confidence)")
    say(found.assumption)
    return threshold


def _of_run(run: Path, device: str) -> TagGuarantees:
    try:
        from taglens.completion.new_tags import tag_guarantees
    except ImportError as error:
        raise TagLensError(f"--precision needs {error.name}: pip install 'taglens[complete]'") from error
    from taglens.completion.config import CompleteConfig

    return tag_guarantees(CompleteConfig(run=run, device=device), say=say)


def _of_file(file: Path) -> TagGuarantees:
    from taglens.runtime.predictor import OnnxPredictor

    facts = OnnxPredictor.load(file).description.guarantees
    if facts is None:
        raise TagLensError(
            f"{file} was exported before anything was guaranteed of its tags; "
            "run `taglens predict RUN IMAGES... --precision P` once on the run that it came from, and export it again"
        )
    return TagGuarantees.from_json(dict(facts), f"{file}: guarantees", "export the run again")
