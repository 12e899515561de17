"""Lists of tags: every usual form is read, and a tag that cannot be told from two is refused, never split."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taglens.errors import TableError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import read_table
from taglens.labels.files.tags import parse_tags, separator_of, written_tag
from taglens.labels.table import LabelTable

DOG_CAT = [("dog", 1), ("cat", 1)]
FORMS = {
    "bars": ("dog|cat", "|"),
    "bars with spaces and one at the end": (" dog | cat |", "|"),
    "commas": ("dog, cat", ","),
    "semicolons": ("dog;cat", ";"),
    "blanks": ("dog  cat", " "),
    "a list of JSON": ('["dog", "cat"]', "|"),
    "a list of Python as text": ("['dog', 'cat']", "|"),
    "a tuple of Python": ("('dog', 'cat')", "|"),
    "a set of Python": ("{'dog', 'cat'}", "|"),
    "NumPy's text has no commas": ("['dog' 'cat']", "|"),
    "a list without quotes": ("[dog, cat]", "|"),
    "Label Studio's CSV": ('{"choices": ["dog", "cat"]}', "|"),
    "hash signs": ("#dog #cat", "|"),
    "hash signs and commas": ("#dog, #cat", "|"),
}


@pytest.mark.parametrize("name", FORMS)
def test_one_list_in_many_forms(name):
    assert parse_tags(*FORMS[name]) == DOG_CAT


EXACT = [
    ("", []),
    ("[]", []),
    ("golden retriever", [("golden retriever", 1)]),
    ("#golden retriever #dog", [("golden retriever", 1), ("dog", 1)]),
    ("dog|!cat|?tree", [("dog", 1), ("cat", 0), ("tree", -1)]),
    ('["a|b", "!?", "red, green"]', [("a|b", 1), ("!?", 1), ("red, green", 1)]),
    (r"\|_\||dog", [("|_|", 1), ("dog", 1)]),
    (r"\!?|solo", [("!?", 1), ("solo", 1)]),
    ("solo|>_<|1girl", [("solo", 1), (">_<", 1), ("1girl", 1)]),
    ("\\m/|dog", [("\\m/", 1), ("dog", 1)]),
]


@pytest.mark.parametrize(("cell", "tags"), EXACT)
def test_names_are_kept_whole(cell, tags):
    assert parse_tags(cell, "|") == tags


REFUSED = {
    "a face between bars": ("1girl|:||solo", "with nothing on one side: an empty tag, or a tag with '|' inside"),
    "a face at the end": ("solo|:|", "with nothing on one side"),
    "a face at the start": ("|_||smile", "with nothing on one side"),
    "a face alone": (":|", "with nothing on one side"),
    "a face between blanks": ("1girl :| solo", "has ':' beside '|'"),
    "a face of bars between blanks": ("solo |_| smile", "has '_' beside '|'"),
    "a name of signs": ("!?|solo", "a tag of that name, or ! before one"),
    "a sign alone": ("dog|!", "a sign ! or ? without a name"),
    "a list of lists": ("[['dog']]", "expected a list of tags such as"),
    "a list that ends early": ('["dog", "cat]', "expected a list of tags such as"),
    "code": ("[__import__('os')]", "expected a list of tags such as"),
    "a list without end": ("[" * 300_000 + "]", "at most 200,000 are read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_told_apart_is_refused(name):
    cell, words = REFUSED[name]
    with pytest.raises(TableError) as caught:
        parse_tags(cell, "|")
    assert words in str(caught.value)


@given(names=st.lists(st.text(st.sampled_from("ab |!?,;\\#[]({:_'\"/"), min_size=1, max_size=5).map(str.strip).filter(bool), min_size=1))
def test_what_is_written_is_read_back(names):
    names = list(dict.fromkeys(names))
    cell = "|".join(written_tag(name, place % 3 - 1) for place, name in enumerate(names))
    assert parse_tags(cell, "|") == [(name, place % 3 - 1) for place, name in enumerate(names)]


SEPARATORS = {
    "one tag each": (["dog", "cat"], "|"),
    "commas": (["dog, cat", "dog"], ","),
    "semicolons": (["dog;cat", "cat;tree"], ";"),
    "names of two words that come again": (["golden retriever", "golden retriever", "tabby cat"], "|"),
    "names with commas behind a backslash": (["red\\, green|blue", "blue"], "|"),
    "a line each, as Excel breaks them": (["dog\ncat", "cat"], "\n"),
    "names of Open Images": (["/m/0bt9lr", "/m/01yrx", "/m/0c9ph5"], "|"),
    "lists need none": (["['a, b']", "['c']"], "|"),
}


@pytest.mark.parametrize("name", SEPARATORS)
def test_the_sign_between_tags_is_what_the_cells_show(name):
    cells, sign = SEPARATORS[name]
    assert separator_of(cells, None, "tags") == sign


QUESTIONS = {
    "Planet: blanks, each whole list once": (["haze primary", "agriculture clear primary water", "clear primary"], "--tag-separator space"),
    "fastai: blanks, a word alone too": (["horse person", "horse person", "person", "car"], "--tag-separator space"),
    "commas, every tag once": (["red, green", "blue, dark", "x, y"], "--tag-separator ','"),
    "slashes": (["dog/cat", "cat/tree", "dog/tree"], "--tag-separator '/'"),
    "Lightroom: levels and lists": (["Animal|Dog, Place|Beach", "Place|City"], "--tag-separator '|' or --tag-separator ','"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_two_readings_are_a_question(name):
    cells, answer = QUESTIONS[name]
    with pytest.raises(TableError) as caught:
        separator_of(cells, None, "tags")
    assert answer in str(caught.value)


def test_the_answer_to_the_question(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text('image,tags\na.jpg,"Animal|Dog, Place|Beach"\nb.jpg,haze primary\n')
    assert read_table(path, None, TableOptions(tag_separator=",")).classes == ("Animal|Dog", "Place|Beach", "haze primary")
    path.write_text("image,tags\na.jpg,haze primary\nb.jpg,clear primary\n")
    assert read_table(path, None, TableOptions(tag_separator="space")).labels.values.tolist() == [[1, 1, -1], [-1, 1, 1]]
    with pytest.raises(TableError, match="--tag-separator is a sign such as ; or one of space, comma"):
        read_table(path, None, TableOptions(tag_separator="blank"))


def test_a_cell_that_says_nan_has_no_tag(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("image,tags\na.jpg,dog\nb.jpg,nan\nc.jpg,None\n")
    table = LabelTable.read(path)
    assert table.labels.values.ravel().tolist() == [1, -1, -1]
    assert [entry.number for entry in table.left_out] == [2]


def test_a_column_of_lists_under_another_name_is_said(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("image,keywords,id\na.jpg,dog|cat,7\nb.jpg,cat,9\n")
    table = LabelTable.read(path)
    assert table.labels.values.tolist() == [[1, 1], [-1, 1]]
    assert any("tags are read from column 'keywords'" in line for line in table.warnings)
    assert any("left out: column 'id'" in line for line in table.warnings)
    path.write_text("image,what,more\na.jpg,dog|cat,x\nb.jpg,cat,y\n")
    assert read_table(path, None, TableOptions(tags_column="what")).classes == ("dog", "cat")
