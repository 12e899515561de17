"""``relations.txt``: one relation a line, as people write them, read with every problem and its row.

    terrier > dog > animal        # where a terrier is, there is a dog, and an animal
    day | night | dusk = 1        # exactly one
    cat | dog <= 1                # at most one
    indoor | outdoor >= 1         # at least one

A name with one of the signs ``> | = # "`` in it is written in double quotes, a quote in it twice.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np

from taglens.encoded import read_text
from taglens.errors import TableError, TagLensError, unknown_name
from taglens.labels.inspection import Problem
from taglens.labels.states import UNKNOWN, PartialLabels
from taglens.relations.closure import close, contradiction
from taglens.relations.relation import Bound, Group, Implication, Relation, Relations, cycle

NAME = "relations.txt"
"""What such a file is called beside a table, where it is found by itself."""
LARGEST = 16 * 2**20
_EXPECTED = "expected such as: terrier > dog > animal, day | night = 1, cat | dog <= 1, indoor | outdoor >= 1"
_TOKEN = re.compile(r'\s*(?:"((?:[^"]|"")*)"|(<=|>=|[>|=])|([^\s">|=](?:(?!\s+#|[>|=]|<=).)*))')
_PLAIN = re.compile(r'[^<>|=#"]+')
_COMMENT = re.compile(r"\s*(#.*)?")


def beside(data: str) -> Path | None:
    """Return the relations that lie beside the table ``data``, or in the folder that it is; None if there are none."""
    path = Path(data)
    found = (path if path.is_dir() else path.parent) / NAME
    return found if path.exists() and found.is_file() and found != path else None


def read_relations(path: Path, classes: tuple[str, ...]) -> Relations:
    """Return the relations in the file ``path`` between ``classes``.

    Raises:
        TableError: the first thing that is wrong, with its row, and how many more there are.
    """
    relations, problems = examine_relations(path, classes)
    if relations is None:
        more = f" ({len(problems) - 1} more problems: taglens inspect TABLE --relations {path})" if len(problems) > 1 else ""
        raise TableError(problems[0].at(path) + more)
    return relations


def examine_relations(path: Path, classes: tuple[str, ...]) -> tuple[Relations | None, tuple[Problem, ...]]:
    """Read as :func:`read_relations` does, but return everything that is wrong instead of raising the first.

    Raises:
        TableError: the file cannot be read at all.
    """
    return examine_lines(_lines(path), classes)


def examine_lines(lines: Sequence[str], classes: tuple[str, ...]) -> tuple[Relations | None, tuple[Problem, ...]]:
    """Do the same with ``lines`` that are at hand."""
    implications: dict[tuple[int, int], Implication] = {}
    groups: dict[tuple[tuple[int, ...], Bound], Group] = {}
    problems = []
    places = {name: place for place, name in enumerate(classes)}
    for row, line in enumerate(lines, start=1):
        try:
            names, bound = parse_line(line)
            members = [_place(name, places) for name in names]
            if len(set(members)) != len(members):
                twice = next(name for name in names if names.count(name) > 1)
                raise TableError(f"{twice!r} comes twice in {line.strip()!r}; each class once")
        except TagLensError as error:
            problems.append(Problem(str(error), row))
            continue
        if bound is None:
            for lower, upper in pairwise(members):
                implications.setdefault((lower, upper), Implication(lower, upper, row))
        else:
            groups.setdefault((tuple(sorted(members)), bound), Group(tuple(members), bound, row))
    if circle := cycle(implications.values()):
        problems.append(_circle(circle, implications, classes))
    if problems:
        return None, tuple(sorted(problems, key=lambda problem: problem.row or 0))
    relations = Relations(classes, tuple(implications.values()), tuple(groups.values()))
    impossible = _never_present(relations)
    return (None, impossible) if impossible else (relations, ())


def written_lines(relations: Relations) -> list[str]:
    """Return the lines of a file that is read as ``relations``."""
    return [written_line(one, relations.classes) for one in relations.all]


def written_line(relation: Relation, classes: tuple[str, ...]) -> str:
    """Return the line of a file that is read as ``relation``, names with signs in quotes."""
    if isinstance(relation, Implication):
        return f"{_written(classes[relation.lower])} > {_written(classes[relation.upper])}"
    return f"{' | '.join(_written(classes[place]) for place in relation.members)} {relation.bound} 1"


def _written(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def parse_line(line: str) -> tuple[tuple[str, ...], Bound | None]:
    """Return the names of one line, and the bound of a group; no name for a blank line, no bound for implications.

    Raises:
        TableError: the line is no relation.
    """
    names: list[str] = []
    signs: list[str] = []
    at = 0
    while _COMMENT.fullmatch(line, at) is None:
        token = _TOKEN.match(line, at)
        if token is None or (token[2] is None) == (len(names) > len(signs)):
            raise TableError(f"cannot be read at {line[at:].strip()!r}: {_EXPECTED}; names with signs stand in double quotes")
        if token[2] is None:
            names.append(token[3].strip() if token[1] is None else token[1].replace('""', '"'))
        else:
            signs.append(token[2])
        at = token.end()
    if not names:
        return (), None
    if len(names) == len(signs) + 1 and set(signs) == {">"}:
        return tuple(names), None
    if len(names) == len(signs) + 1 and len(signs) > 1 and set(signs[:-1]) == {"|"} and signs[-1] in ("<=", "=", ">=") and names[-1] == "1":
        return tuple(names[:-1]), cast(Bound, signs[-1])
    raise TableError(f"{line.strip()!r} is no relation: {_EXPECTED}")


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LARGEST:
            raise TableError(f"{path}: larger than {LARGEST // 2**20} MiB; expected relations, one a line")
        return read_text(path).split("\n")
    except OSError as error:
        raise TableError(
            f"{path}: cannot be read ({error.strerror}); expected a text file of relations, one a line; {_EXPECTED}"
        ) from error


def _place(name: str, places: dict[str, int]) -> int:
    if name not in places:
        raise unknown_name("class", name, places)
    return places[name]


def _circle(circle: tuple[int, ...], implications: dict[tuple[int, int], Implication], classes: tuple[str, ...]) -> Problem:
    row = max(implications[step].row or 0 for step in pairwise(circle))
    told = " > ".join(classes[place] for place in circle)
    return Problem(f"goes round: {told}; classes that imply each other are one tag: merge them, or take one of these lines away", row)


def _never_present(relations: Relations) -> tuple[Problem, ...]:
    """Return a problem for each class that no picture can show, as a group whose members imply one another makes it."""
    size = len(relations.classes)
    alone = np.where(np.eye(size, dtype=bool), np.int8(1), np.int8(UNKNOWN))
    problems = []
    for place in close(PartialLabels(alone), relations).contradictory.tolist():
        chain = contradiction(alone[place], relations)
        row = max(map(int, re.findall(r"\(row (\d+)\)", chain)), default=None)
        problems.append(Problem(f"{relations.classes[place]!r} could never be present: {chain}; change one of these lines", row))
    return tuple(problems)
