"""``relations.txt``: what a line may be, and every problem with its row."""

from pathlib import Path

import pytest

from taglens.errors import TableError
from taglens.relations.file import beside, examine_relations, parse_line, read_relations
from taglens.relations.relation import Group, Implication

CLASSES = ("terrier", "dog", "animal", "day", "night", "dusk", 'a "b" > c')

LINES = [
    ("terrier > dog > animal", ("terrier", "dog", "animal"), None, "a chain implies upwards"),
    ("day | night | dusk = 1", ("day", "night", "dusk"), "=", "exactly one"),
    ("day|night<=1", ("day", "night"), "<=", "blanks are no part of a relation"),
    ("day | night >= 1  # outdoors", ("day", "night"), ">=", "a remark ends a line"),
    ("c# | f# <= 1", ("c#", "f#"), "<=", "a # within a name is part of it"),
    ('"a ""b"" > c" > dog', ('a "b" > c', "dog"), None, "a name with signs stands in quotes"),
    ("# nothing", (), None, "a remark alone"),
    ("   ", (), None, "a blank line"),
]


@pytest.mark.parametrize(("line", "names", "bound"), [row[:3] for row in LINES], ids=[row[3] for row in LINES])
def test_a_line(line: str, names: tuple[str, ...], bound: str | None) -> None:
    assert parse_line(line) == (names, bound)


WRONG = [
    ("dog >", "is no relation", "nothing is implied"),
    ("> dog", "cannot be read", "nothing implies"),
    ("dog", "is no relation", "a name alone"),
    ("day | night = 2", "is no relation", "groups have one of their members, not two"),
    ("day | night", "is no relation", "a group without its bound"),
    ("dog > animal = 1", "is no relation", "two kinds in one line"),
    ("day <= 1", "is no relation", "a group of one"),
    ("dog > anmial", "unknown class 'anmial'", "a class that the table has not"),
    ("dog > dog", "comes twice", "a class that implies itself"),
]


@pytest.mark.parametrize(("line", "message"), [row[:2] for row in WRONG], ids=[row[2] for row in WRONG])
def test_a_wrong_line_is_told_with_its_row(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "relations.txt"
    path.write_text(f"terrier > dog\n{line}\n")
    relations, problems = examine_relations(path, CLASSES)
    assert relations is None
    assert [problem.row for problem in problems] == [2]
    assert message in problems[0].message
    with pytest.raises(TableError, match=r"relations\.txt, row 2: "):
        read_relations(path, CLASSES)


def test_relations_know_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "relations.txt"
    path.write_text("\ufeff# kinds\nterrier > dog > animal\n\nday | night = 1\n", encoding="utf-8")
    relations = read_relations(path, CLASSES)
    assert relations.implications == (Implication(0, 1, 2), Implication(1, 2, 2))
    assert relations.groups == (Group((3, 4), "=", 4),)


def test_implications_that_go_round(tmp_path: Path) -> None:
    path = tmp_path / "relations.txt"
    path.write_text("terrier > dog\ndog > animal\nanimal > terrier\n")
    relations, (problem,) = examine_relations(path, CLASSES)
    assert relations is None
    assert problem.row == 3
    assert "goes round" in problem.message


def test_a_group_whose_members_imply_one_another_can_never_be(tmp_path: Path) -> None:
    path = tmp_path / "relations.txt"
    path.write_text("terrier > dog\nterrier | dog <= 1\n")
    relations, (problem,) = examine_relations(path, CLASSES)
    assert relations is None
    assert problem.row == 2
    assert "'terrier' could never be present" in problem.message


@pytest.mark.parametrize(("content", "reason"), [(b"a \xff b", "row 1: not UTF-8 text; it looks like"), (None, "No such file")])
def test_a_file_that_cannot_be_read(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "relations.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=reason):
        read_relations(path, CLASSES)


def test_the_file_beside_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.csv").write_text("image,dog\n")
    assert beside(str(tmp_path / "labels.csv")) is None
    (tmp_path / "relations.txt").write_text("")
    assert beside(str(tmp_path / "labels.csv")) == tmp_path / "relations.txt"
    assert beside(str(tmp_path)) == tmp_path / "relations.txt"
    assert beside("scenes:20") is None
