"""Who said what: answers of each person, how often two of them agree, and where they do not."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from taglens.outputs import csv_text, write_text
from taglens.review.journal import Answer, Cell, winner
from taglens.spreadsheets import guard

COLUMNS = ("image", "class", "answer", "by", "time", "counts")


class Person(NamedTuple):
    """What somebody answered, in cells."""

    by: str
    yes: int
    no: int
    skip: int


class Agreement(NamedTuple):
    """Cells that at least two people answered with yes or no, by each one's last answer."""

    both: int
    same: int


def people(histories: Iterable[Sequence[Answer]]) -> list[Person]:
    """Count each person's last answer to every cell; who answered most comes first.

    Args:
        histories: of each cell the answers that stand, oldest first.
    """
    counts: dict[str, Counter[str]] = {}
    for history in histories:
        for by, reply in {answer.by: answer.reply for answer in history}.items():
            counts.setdefault(by, Counter())[reply] += 1
    found = [Person(by, count["yes"], count["no"], count["skip"]) for by, count in counts.items()]
    return sorted(found, key=lambda person: (-person.yes - person.no, person.by))


def agreement(histories: Iterable[Sequence[Answer]]) -> Agreement:
    """Count the cells that two people answered, and those in which all of them say the same."""
    both = same = 0
    for history in histories:
        said = _opinions(history)
        both += len(said) > 1
        same += len(said) > 1 and len(set(said.values())) == 1
    return Agreement(both, same)


def in_conflict(history: Sequence[Answer]) -> bool:
    """Tell whether a cell waits for somebody to settle it.

    It does when the last yes or no contradicts another person's and nobody contradicted anybody before: an answer that came after
    a contradiction was given to end it.
    """
    decided = [answer for answer in history if answer.reply != "skip"]
    return len(set(_opinions(decided).values())) > 1 and len(set(_opinions(decided[:-1]).values())) == 1


def write_answers(path: Path, histories: Iterable[tuple[Cell, Sequence[Answer]]]) -> int:
    """Write one line for each answer that stands, by picture and class, and return how many there are.

    Columns: image, class, answer (yes, no, skip), by, time (ISO 8601) and counts (1 for the answer that the table takes).
    Cells that a spreadsheet would compute are guarded as in every table here.

    Raises:
        OutputError: it cannot be written.
    """
    rows: list[list[str]] = []
    for (image, label), history in sorted(histories):
        counts = winner(history)
        rows += [
            [guard(image), guard(label), answer.reply, guard(answer.by), answer.time, "1" if answer is counts else "0"]
            for answer in history
        ]
    write_text(path, csv_text(COLUMNS, rows))
    return len(rows)


def _opinions(history: Iterable[Answer]) -> dict[str, str]:
    """Return each person's last yes or no."""
    return {answer.by: answer.reply for answer in history if answer.reply != "skip"}
