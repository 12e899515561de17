"""What the answers of an audit say of all cells that were filled."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile

from taglens.completion.audit.sample import Cell, Sample
from taglens.completion.guarantees.audit import Audit, audit_bound

ASSUMPTION = (
    "The answers are taken to be right, and nothing else is assumed: not how the known labels came about, nor anything of the model. "
    'An answer "can\'t tell" counts as wrong. The bound is of the table as it was filled, before any answer was put into it.'
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The answers up to the first question without one, and their bound."""

    sample: Sample
    audit: Audit
    """Its ``precision`` is the bound of the answered beginning; its ``strict`` counts every question without an answer as wrong."""
    later: int
    """Answers behind a question without one; not used."""

    @property
    def answered(self) -> int:
        """Return how many questions were answered before the first that was not."""
        return self.audit.right + self.audit.wrong + self.audit.unsure

    @property
    def complete(self) -> bool:
        """Tell whether the whole sample was answered."""
        return self.audit.unanswered == 0

    @property
    def reached(self) -> bool:
        """Tell whether the asked precision is shown, whatever made somebody stop."""
        return self.audit.strict >= self.sample.asked.precision

    @property
    def right_at_least(self) -> int:
        """Return the number of right cells that ``audit.precision`` says."""
        return round(self.audit.precision * self.sample.filled)


def judge(sample: Sample, replies: Mapping[Cell, str]) -> Result:
    """Return the bound from the answers.

    A beginning of a random order is itself a simple random sample, so that an audit can be judged before its end; but whoever
    stops because of what the answers were has chosen where it ends. ``strict`` holds for them, too: it is never above the bound that the
    whole sample will give.

    Args:
        sample: what was drawn.
        replies: yes, no or skip of each answered cell.
    """
    agreeing = "yes" if sample.asked.value == "present" else "no"
    beginning = [replies[cell] for cell in takewhile(replies.__contains__, sample.cells)]
    right, unsure = beginning.count(agreeing), beginning.count("skip")
    audit = audit_bound(
        filled=sample.filled,
        right=right,
        wrong=len(beginning) - right - unsure,
        unsure=unsure,
        unanswered=len(sample.cells) - len(beginning),
        confidence=sample.asked.confidence,
    )
    return Result(sample=sample, audit=audit, later=sum(cell in replies for cell in sample.cells) - len(beginning))


def statement(result: Result) -> str:
    """Return the bound in a sentence, with what it rests on."""
    sample, audit = result.sample, result.audit
    if not result.answered:
        return f"none of the {len(sample.cells):,} questions is answered: nothing can be said yet"
    many = f"of the {sample.filled:,} cells filled as {sample.asked.value} at least"
    sure = f"are right ({100 * sample.asked.confidence:.4g} % confidence), whatever way the labels came about"
    agreed = f"{audit.right:,} of {result.answered:,} answers agreed{_unsure(audit.unsure)}"
    if result.complete:
        return f"{many} {floored(audit.precision)} {sure}: {agreed}"
    return (
        f"unfinished: {result.answered:,} of {len(sample.cells):,} questions answered. {many} {floored(audit.strict)} {sure} and of your "
        f"stopping here: every open question counts as wrong. The answered beginning of a random order is a random sample, too: by it at "
        f"least {floored(audit.precision)} are right, if it was not the answers that made you stop: {agreed}"
    )


def verdict(result: Result) -> str:
    """Return whether what was asked is shown, in a sentence."""
    asked = f"the asked {100 * result.sample.asked.precision:.4g} %"
    if result.reached:
        return f"{asked} are shown"
    return f"{asked} are not shown" if result.complete else f"{asked} are not shown yet"


def floored(share: float) -> str:
    """Return a lower bound as percent, never rounded up.

    >>> floored(0.94199), floored(1.0)
    ('94.1 %', '100.0 %')
    """
    return f"{int(share * 1000 + 1e-9) / 10:.1f} %"


def _unsure(count: int) -> str:
    if not count:
        return ""
    return f", {count:,} could not be told and {'counts' if count == 1 else 'count'} as wrong"
