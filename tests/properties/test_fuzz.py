"""Hostile bytes to everything that reads files or requests: an answer or a TagLensError, never another exception.

``TAGLENS_FUZZ=100000`` (``make fuzz``) tries that many cases in all; what it finds becomes a row of tests/corpus or of FOUND below.
"""

import io
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from taglens.datasets.coco import coco_boxes, read_coco_file
from taglens.datasets.pictures import open_picture
from taglens.datasets.source import examine_data
from taglens.datasets.voc import read_voc
from taglens.errors import TagLensError
from taglens.labels.files.options import TableOptions
from taglens.labels.files.tables import examine_table, read_table
from taglens.review.journal import read_journal

TARGETS = 13
CASES = int(os.environ.get("TAGLENS_FUZZ", "0")) // TARGETS
FUZZ = settings(max_examples=CASES or 60, deadline=None, suppress_health_check=list(HealthCheck), database=None)

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=8) | st.just("a.jpg")
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6
)


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def mutated(base: bytes):
    """Bytes of a good file, some of them changed, cut or put in."""

    def apply(changes):
        content = bytearray(base)
        for where, what, piece in changes:
            at = where % (len(content) + 1)
            if what == "set" and at < len(content):
                content[at] = piece[0] if piece else 0
            elif what == "cut":
                del content[at:]
            elif what == "insert":
                content[at:at] = piece
            else:
                del content[at : at + len(piece)]
        return bytes(content)

    change = st.tuples(st.integers(0, 2**20), st.sampled_from(["set", "set", "insert", "delete", "cut"]), st.binary(max_size=4))
    return st.lists(change, min_size=1, max_size=6).map(apply)


def refused_or_read(read):
    """Either it is read or it is refused with words."""
    try:
        return read()
    except TagLensError as error:
        if not str(error):
            raise AssertionError("refused without a word") from error
        return None


HEADERS = ["image", "split", "tags", "dog", "cat", "dog:probability", "dog:source", "", " dog", "image ", "a\nb", "dog:"]
HEADERS += ["file_name", "Split", "is_valid", "fold", "id", "x", "y", "class", "label", "value", "confidence", "Unnamed: 0", "labels"]
CELLS = [
    "",
    "0",
    "1",
    "2",
    "-1",
    "1.0",
    "nan",
    "a.jpg",
    "../a.jpg",
    "/etc/passwd",
    "dog|!cat",
    "!",
    "|",
    "predicted|r|t",
    "given",
    "\x00",
    '"',
    "é",
    "train",
    "True",
    "0.7",
    "Total",
    "['dog', 'cat']",
    '["dog"]',
    "#dog #cat",
    "dog;cat",
    "a:|b",
    "\\|",
]
options = st.builds(
    TableOptions,
    image_column=st.sampled_from([None, None, "dog", "nothing"]),
    split_column=st.sampled_from([None, None, "cat"]),
    tags_column=st.sampled_from([None, None, "tags", "dog"]),
    tag_separator=st.sampled_from([None, None, "space", "|", ";", "", "::"]),
    ignore=st.sampled_from([(), (), ("id",), ("x", "y")]),
    class_columns=st.sampled_from([(), (), ("id", "x", "y")]),
    long=st.booleans(),
)
grids = st.lists(st.lists(st.sampled_from([*HEADERS, *CELLS]) | st.text(max_size=5), min_size=1, max_size=5), max_size=5)
separated = st.tuples(grids, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n", "\r"])).map(
    lambda parts: parts[2].join(parts[1].join(row) for row in parts[0]).encode("utf-8", "surrogatepass")
)
GOOD_CSV = b"image,split,dog,cat,dog:probability,dog:source\na.jpg,train,1,,0.5,predicted|r|2026-01-01T00:00:00Z\nb.jpg,test,0,1,,\n"


@FUZZ
@given(content=separated | mutated(GOOD_CSV) | st.binary(max_size=60))
@example(content=b"\xef\xbb\xbfimage,dog\na.jpg,1")
@example(content=b'image,dog\n"a.jpg')
@example(content=b",\n")
def test_csv(place, content):
    path = place / "t.csv"
    path.write_bytes(content)
    reading = examine_table(path)
    table = refused_or_read(lambda: read_table(path))
    assert (table is not None) or reading.problems
    if table is not None:
        table.write(place / "again.csv", force=True)
        assert read_table(place / "again.csv") == table, "what can be read can be written and read again"


def read_again(place, path, chosen):
    """Whatever was read can be written and read again, with the classes named as such."""
    reading = examine_table(path, None, chosen)
    table = refused_or_read(lambda: read_table(path, None, chosen))
    assert (table is not None) or reading.problems
    if table is not None and table.classes != ("tags",):
        table.write(place / "again.csv", force=True)
        assert read_table(place / "again.csv", None, TableOptions(class_columns=table.classes)) == table
        table.write(place / "again.parquet", force=True)
        assert read_table(place / "again.parquet") == table


@FUZZ
@given(content=separated | mutated(GOOD_CSV), chosen=options, name=st.sampled_from(["t.csv", "t.tsv", "t.txt"]))
@example(content=GOOD_CSV, chosen=TableOptions(image_column="dog", tags_column="dog"), name="t.csv")
@example(content=b"image,tags\nimage,Split", chosen=TableOptions(), name="t.csv")
@example(content=b",\nimage", chosen=TableOptions(), name="t.csv")
def test_text_with_options(place, content, chosen, name):
    path = place / name
    path.write_bytes(content)
    read_again(place, path, chosen)


ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1", "cp1251", "shift_jis", "gb18030", "mac_roman"]
in_encodings = st.tuples(separated, st.sampled_from(ENCODINGS)).map(
    lambda parts: parts[0].decode("utf-8", "replace").encode(parts[1], "replace")
)


@FUZZ
@given(
    content=in_encodings | in_encodings.flatmap(mutated) | st.binary(max_size=60),
    asked=st.sampled_from([None, None, *ENCODINGS, "utf-7", "hex", "unicode_escape"]) | st.text(max_size=4),
    name=st.sampled_from(["t.csv", "t.txt", "t.json", "t.jsonl"]),
)
@example(content=b"\xff\xfe\x00", asked=None, name="t.csv")
def test_text_in_other_encodings(place, content, asked, name):
    path = place / name
    path.write_bytes(content)
    read_again(place, path, TableOptions(encoding=asked))


cells = st.none() | st.booleans() | st.integers(-2, 3) | st.sampled_from(["a.jpg", "b.jpg", "dog|cat", "ja", "=1+0", "0.7"]) | st.floats()


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


GOOD_EXCEL = workbook([["image", "split", "dog"], ["a.jpg", "train", 1], ["b.jpg", "test", None]])


@FUZZ
@given(
    content=st.lists(st.lists(st.sampled_from(["image", "dog", "tags", "id"]) | cells, max_size=4), max_size=4).map(workbook)
    | mutated(GOOD_EXCEL),
    chosen=options,
)
def test_excel(place, content, chosen):
    path = place / "t.xlsx"
    path.write_bytes(content)
    read_again(place, path, chosen)


flat = st.dictionaries(st.sampled_from(HEADERS), scalars | st.lists(scalars, max_size=2), max_size=4)


@FUZZ
@given(
    content=st.lists(flat, max_size=3) | st.dictionaries(st.sampled_from([*HEADERS, "a.jpg", "columns", "data"]), values), chosen=options
)
@example(content={"columns": ["image"], "data": [["a.jpg"], 3]}, chosen=TableOptions())
def test_json_columns_and_lines(place, content, chosen):
    (place / "flat.json").write_text(json.dumps(content), "utf-8")
    read_again(place, place / "flat.json", chosen)
    (place / "flat.jsonl").write_text("\n".join(map(json.dumps, content)), "utf-8")
    read_again(place, place / "flat.jsonl", chosen)


results = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["choices", "taxonomy", "rectanglelabels", 3]),
        "from_name": st.sampled_from(["present", "absent", "has_dog", "x"]) | values,
        "to_name": st.sampled_from(["image", "other"]) | values,
        "id": values,
        "value": st.fixed_dictionaries(
            {},
            optional={
                "choices": st.lists(st.sampled_from(["dog", "Yes", "No", "Maybe"]), max_size=3) | values,
                "taxonomy": st.lists(st.lists(st.sampled_from(["a", "b"]), max_size=2), max_size=2) | values,
                "x": values,
            },
        )
        | values,
    },
)
annotations = st.fixed_dictionaries(
    {"result": st.lists(results | values, max_size=3)}, optional={"ground_truth": values, "updated_at": values, "completed_by": values}
)
studio = st.fixed_dictionaries(
    {
        "data": st.dictionaries(
            st.sampled_from(["image", "other", "taglens_split", "taglens_labels"]), st.sampled_from(["a.jpg", "b.png"]) | values, max_size=3
        )
    },
    optional={"annotations": st.lists(annotations, max_size=2), "predictions": values, "drafts": values},
)


@FUZZ
@given(content=st.lists(studio, min_size=1, max_size=3), chosen=options)
def test_label_studio(place, content, chosen):
    path = place / "studio.json"
    path.write_text(json.dumps(content), "utf-8")
    read_again(place, path, chosen)


records = st.fixed_dictionaries(
    {},
    optional={
        "image": values,
        "split": values,
        "labels": st.dictionaries(st.sampled_from(["dog", "cat", "", "image"]), values, max_size=3) | values,
        "probabilities": values,
        "sources": st.dictionaries(st.just("dog"), values) | values,
        "data": st.fixed_dictionaries(
            {}, optional={name: values for name in ("image", "taglens_image", "taglens_classes", "taglens_known", "taglens_labels")}
        ),
        "annotations": st.lists(
            st.fixed_dictionaries({}, optional={"result": st.lists(values, max_size=2) | values, "was_cancelled": values}) | values,
            max_size=2,
        ),
        "predictions": values,
    },
)


@FUZZ
@given(content=st.lists(records, max_size=3) | values)
@example(content=[{"data": {"image": "a.jpg"}}, {"data": 3}])
@example(content=[{"data": {"image": "a.jpg", "taglens_classes": [[]]}}])
@example(content=[{"image": "a.jpg", "labels": {"dog": []}}])
@example(content=[{"image": "a.jpg", "labels": {"dog": 1}, "sources": 3}])
def test_json_tables_and_label_studio(place, content):
    path = place / "t.json"
    path.write_text(json.dumps(content), "utf-8")
    refused_or_read(lambda: examine_data(path, "all"))


columns = st.dictionaries(
    st.sampled_from(HEADERS),
    st.sampled_from(
        [
            pa.array(["a.jpg", None]),
            pa.array([1, 0]),
            pa.array([1, None]),
            pa.array([2, -1]),
            pa.array([0.5, float("nan")]),
            pa.array([True, None]),
            pa.array(["1", ""]),
            pa.array([b"a", b"\xff"]),
            pa.array([[1], []]),
            pa.array([{"a": 1}, None]),
            pa.nulls(2),
            pa.array(["a", "b"]).dictionary_encode(),
            pa.array(["1", None]).dictionary_encode(),
            pa.array([["dog"], ["dog", None]]),
            pa.array([{"bytes": b"x", "path": "a.jpg"}, {"bytes": None, "path": "b.jpg"}]),
            pa.array([{"bytes": b"x", "path": None}, None]),
            pa.array([2**62, -(2**62)]),
            pa.array([0, 1], pa.timestamp("ms")),
        ]
    ),
    max_size=4,
)


def parquet_bytes(table):
    file = io.BytesIO()
    parquet.write_table(pa.table(table), file)
    return file.getvalue()


GOOD_PARQUET = parquet_bytes({"image": ["a.jpg", "b.jpg"], "dog": pa.array([1, None], pa.int8())})


@FUZZ
@given(content=columns.map(parquet_bytes) | mutated(GOOD_PARQUET))
@example(content=parquet_bytes({"image": ["a.jpg", "b.jpg"], "dog": [1, 0], "dog:probability": [1, 7]}))
@example(content=parquet_bytes({"image": ["a.jpg", "b.jpg"], "dog": [1, 0], "dog:probability": [[1], []]}))
@example(content=GOOD_PARQUET.replace(b"dog", b"d\x80g"))
@example(content=GOOD_PARQUET.replace(b"a.jpg", b"\x80.jpg"))
def test_parquet(place, content):
    path = place / "t.parquet"
    path.write_bytes(content)
    refused_or_read(lambda: examine_data(path, "all"))


names = st.sampled_from(["a.jpg", "b.jpg", "../a.jpg", ""]) | values
identities = st.integers(0, 2) | values
marks = st.fixed_dictionaries({}, optional={"state": st.integers(0, 1) | values, "source": values, "probability": values}) | values
coco = st.fixed_dictionaries(
    {
        "images": st.lists(
            st.fixed_dictionaries(
                {"id": identities, "file_name": names},
                optional={
                    "neg_category_ids": st.lists(identities) | values,
                    "taglens_split": values,
                    "taglens_labels": st.dictionaries(st.sampled_from(["a.jpg", "b.jpg"]), marks) | values,
                },
            ),
            max_size=3,
        ),
        "annotations": st.lists(
            st.fixed_dictionaries({"image_id": identities, "category_id": identities}, optional={"bbox": values, "iscrowd": values}),
            max_size=3,
        ),
        "categories": st.lists(st.fixed_dictionaries({"id": identities, "name": names}, optional={"supercategory": names}), max_size=3),
    }
)


@FUZZ
@given(content=coco | values)
@example(content={"images": [{"id": [], "file_name": "a.jpg"}], "annotations": [], "categories": []})
@example(content={"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": "1", "name": "b"}]})
@example(content={"images": [{"id": 1, "file_name": 3}], "annotations": [], "categories": [{"id": 1, "name": "a"}]})
def test_coco(place, content):
    folder = place / "coco" / "annotations"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "instances_val2017.json"
    path.write_text(json.dumps(content), "utf-8")
    refused_or_read(lambda: read_coco_file(path, place))
    refused_or_read(lambda: coco_boxes(place / "coco", 2017, "val"))


lines = st.lists(
    st.sampled_from(["000001  1", "000002 -1", "000003  0", "000001", "", "a b c", "../x 1", "000001 7", "\x00"]) | st.text(max_size=6),
    max_size=4,
)


@FUZZ
@given(train=lines, dog=lines)
def test_voc(place, train, dog):
    folder = place / "VOC2007" / "ImageSets" / "Main"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.txt").write_bytes("\n".join(train).encode("utf-8", "surrogatepass"))
    (folder / "dog_train.txt").write_bytes("\n".join(dog).encode("utf-8", "surrogatepass"))
    refused_or_read(lambda: read_voc(place, 2007, "train"))


def picture_bytes(kind, mode="RGB"):
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (12, 17, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


KINDS = [
    ("JPEG", "RGB"),
    ("JPEG", "CMYK"),
    ("PNG", "RGBA"),
    ("PNG", "I;16"),
    ("PNG", "P"),
    ("GIF", "P"),
    ("BMP", "RGB"),
    ("TIFF", "F"),
    ("WEBP", "RGB"),
    ("PPM", "L"),
    ("ICO", "RGB"),
]


@FUZZ
@given(content=st.sampled_from(KINDS).flatmap(lambda kind: mutated(picture_bytes(*kind))) | st.binary(max_size=40))
def test_pictures(content):
    picture = refused_or_read(lambda: open_picture(content, max_pixels=10**6))
    if picture is not None:
        assert picture.mode == "RGB"
        assert min(picture.size) >= 1


HEADER = b'{"run":"r","run_name":"r","table":"t","names":"n","time":"","format":1}\n'
ANSWER = b'{"action":"a","tab":"t","time":"","by":"","image":"a.jpg","images":["a.jpg"],"label":"dog","reply":"yes","was":[-1]}\n'


@FUZZ
@given(content=mutated(HEADER + ANSWER + ANSWER) | values.map(lambda value: HEADER + json.dumps(value).encode() + b"\n" + ANSWER))
@example(content=HEADER + b"[" * 100_000 + b"\n" + ANSWER)
@example(content=b"[" * 100_000 + b"\n" + ANSWER)
def test_journals(place, content):
    path = place / "j.jsonl"
    path.write_bytes(content)
    journal = refused_or_read(lambda: read_journal(path))
    if journal is not None:
        refused_or_read(journal.settled)


RUN_FACTS = {
    "format": 1,
    "backbone": {"spec": "tiny", "image_size": 64, "fingerprint": "f"},
    "method": {"name": "linear_probe", "options": {}},
    "classes": ["dog", "cat"],
    "prompt_names": ["dog", "cat"],
    "thresholds": [0.5, 0.5],
}


@FUZZ
@given(
    content=mutated(json.dumps(RUN_FACTS).encode())
    | st.sampled_from(sorted(RUN_FACTS)).flatmap(lambda name: values.map(lambda value: json.dumps(RUN_FACTS | {name: value}).encode()))
)
def test_descriptions_of_runs(place, content):
    from taglens.recognizer.description import read_description

    path = place / "recognizer.json"
    path.write_bytes(content)
    facts = refused_or_read(lambda: read_description(path))
    if facts is not None:
        assert len(facts["classes"]) == len(facts["thresholds"]) == len(facts["prompt_names"]) > 0
