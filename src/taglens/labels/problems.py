"""What is wrong with a table: each problem with its row, and the error made of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from taglens.errors import TableError

MOST_PROBLEMS = 10_000
"""More are counted, not listed: a table of the wrong kind has millions of wrong cells."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a table (``error``) or worth a look (``warning``)."""

    message: str
    """What was expected, what came, what to do."""
    row: int | None = None
    """Line of the file, the header being 1 (Parquet and JSON: record, the first being 1); None for the whole table."""
    column: str | None = None
    """Class or column."""
    level: str = "error"
    """error or warning."""

    def at(self, source: Path | str) -> str:
        """Return the message with the place before it."""
        places = [str(source)]
        if self.row is not None:
            places.append(f"row {self.row}")
        if self.column is not None:
            places.append(f"column {self.column!r}")
        return f"{', '.join(places)}: {self.message}"


def raise_first(problems: Iterable[Problem], source: Path) -> None:
    """Raise TableError for the first problem of level error, saying how many more there are."""
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        more = len(errors) - 1
        rest = f" ({more} more problem{'s' if more > 1 else ''}: taglens inspect {source})" if more else ""
        raise TableError(errors[0].at(source) + rest)
