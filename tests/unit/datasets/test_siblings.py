"""Small inputs of other tools and languages: read as their author meant them, or refused; never another table in silence."""

import json
from pathlib import Path

import pytest

from taglens.datasets.source import examine_data
from taglens.errors import TagLensError


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


READ: dict[str, tuple[str, str, tuple[str, ...], list[list[int]]]] = {
    # kind: (file, content, classes, labels)
    "French Excel": ("t.csv", lines("image;chien;chat", "a.jpg;VRAI;FAUX", "b.jpg;FAUX;VRAI"), ("chien", "chat"), [[1, 0], [0, 1]]),
    "Russian Excel": ("t.csv", lines("файл;собака", "a.jpg;ИСТИНА", "b.jpg;ЛОЖЬ", "c.jpg;"), ("собака",), [[1], [0], [-1]]),
    "Russian words": ("t.csv", lines("image;кошка", "a.jpg;да", "b.jpg;нет"), ("кошка",), [[1], [0]]),
    "Polish Excel": ("t.csv", lines("plik;pies", "a.jpg;PRAWDA", "b.jpg;FAŁSZ", "c.jpg;tak"), ("pies",), [[1], [0], [1]]),
    "Swedish Excel": ("t.csv", lines("image;hund", "a.jpg;SANT", "b.jpg;FALSKT"), ("hund",), [[1], [0]]),
    "Turkish Excel": ("t.csv", lines("image;köpek", "a.jpg;DOĞRU", "b.jpg;YANLIŞ"), ("köpek",), [[1], [0]]),
    "Chinese": ("t.csv", lines("图片,狗", "a.jpg,是", "b.jpg,否"), ("狗",), [[1], [0]]),
    "Japanese": ("t.csv", lines("画像,犬", "a.jpg,はい", "b.jpg,いいえ"), ("犬",), [[1], [0]]),
    "German header": ("t.csv", lines("Bild;Hund;Katze", "a.jpg;1;0"), ("Hund", "Katze"), [[1, 0]]),
    "French header": ("t.csv", lines("fichier;chien", "a.jpg;1"), ("chien",), [[1]]),
    "addresses of the web": ("t.csv", lines("url,tags", "https://x.org/a.jpg,dog|cat", "https://x.org/b.jpg,cat"), ("dog", "cat"),
                             [[1, 1], [-1, 1]]),
    "an index without a name": ("t.csv", lines(",image,dog", "0,a.jpg,1", "1,b.jpg,0"), ("dog",), [[1], [0]]),
    "Roboflow's multi-class CSV": ("_classes.csv", lines("filename, dog, cat", "a.jpg, 1, 0", "b.jpg, 0, 1"), ("dog", "cat"),
                                   [[1, 0], [0, 1]]),
    "names to lists": ("t.json", json.dumps({"a.jpg": ["dog", "cat"], "b.jpg": ["cat"]}), ("dog", "cat"), [[1, 1], [-1, 1]]),
    "Label Studio's JSON_MIN": ("t.json", json.dumps([{"id": 1, "image": "/data/upload/1/8f2d1c3a-a.jpg", "choice": "dog", "annotator": 1},
                                                     {"id": 2, "image": "b.jpg", "choice": {"choices": ["dog", "cat"]}, "annotator": 1}]),
                                ("dog", "cat"), [[1, -1], [1, 1]]),
    "Label Studio's CSV": ("t.csv", lines("annotation_id,annotator,choice,created_at,id,image,lead_time", "1,1,dog,2026-01-01,1,a.jpg,3.2",
                                          '2,1,"{""choices"":[""dog"",""cat""]}",2026-01-01,2,b.jpg,2.2'), ("dog", "cat"),
                           [[1, -1], [1, 1]]),
    "long, by annotator": ("t.csv", lines("image,annotator,label", "a.jpg,ann,dog", "a.jpg,bob,cat", "b.jpg,ann,dog"), ("dog", "cat"),
                           [[1, 1], [1, -1]]),
    "long, with confidence": ("t.csv", lines("image,label,confidence", "a.jpg,dog,1", "a.jpg,cat,0"), ("dog", "cat"), [[1, 0]]),
    "tabs in a .csv": ("t.csv", "image\tdog\na.jpg\t1\n", ("dog",), [[1]]),
    "semicolons and blanks": ("t.csv", lines("image,tags", "a.jpg,dog; cat", "b.jpg,cat; sea lion"), ("dog", "cat", "sea lion"),
                              [[1, 1, -1], [-1, 1, 1]]),
    "hash signs": ("t.csv", lines("image,tags", "a.jpg,#dog #cat", "b.jpg,#cat"), ("dog", "cat"), [[1, 1], [-1, 1]]),
    "line breaks in cells": ("t.csv", 'image,tags\na.jpg,"dog\ncat"\nb.jpg,cat\n', ("dog", "cat"), [[1, 1], [-1, 1]]),
    "JSON in cells": ("t.csv", lines("image,labels", 'a.jpg,"[""dog"", ""cat""]"', "b.jpg,[]"), ("dog", "cat"), [[1, 1], [-1, -1]]),
}  # fmt: skip

REFUSED = {
    "Kaggle's ids": ("t.csv", lines("Id,Target", "a.png,16 0", "b.png,7 1 2"), "--image-column"),
    "people": ("t.csv", lines("image,age,gender,dog", "a.jpg,30,M,1", "b.jpg,40,F,0"), "'age' (a date or a person): by the name no class"),
    "sizes": ("t.csv", lines("image,width,height,dog", "a.jpg,640,480,1"), "--ignore width height"),
    "a date": ("t.csv", lines("image,date,dog", "a.jpg,2026-01-01,1"), "--ignore date"),
    "a German sum": ("t.csv", lines("image,dog", "a.jpg,1", "b.jpg,1", "Summe,2"), "'Summe' looks like a row of totals"),
    "boxes of YOLO": ("t.txt", lines("0 0.5 0.5 0.1 0.1", "1 0.2 0.2 0.1 0.1"), "no column 'image'"),
    "scores": ("t.csv", lines("image,dog", "a.jpg,0.91", "b.jpg,0.11"), "neither 1 (present), 0 (absent) nor blank"),
    "minus one": ("t.csv", lines("image,dog,cat", "a.jpg,1,-1", "b.jpg,-1,1"), "projects mean different things by -1"),
    "per cent": ("t.csv", lines("image,dog", "a.jpg,100%", "b.jpg,0%"), "neither 1 (present), 0 (absent) nor blank"),
    "crosses": ("t.csv", lines("image,犬", "a.jpg,○", "b.jpg,×"), "neither 1 (present), 0 (absent) nor blank"),
    "a split of another name": ("t.csv", lines("image,Aufteilung,Hund", "a.jpg,train,1", "b.jpg,test,0"), "--split-column Aufteilung"),
    "bars as columns": ("t.csv", lines("image|dog|cat", "a.jpg|1|0"), "no column 'image'"),
    "a comment above": ("t.csv", lines("# exported 2026", "image,dog", "a.jpg,1"), "no column 'image', came '# exported 2026'"),
    "a title above": ("t.csv", lines("My labels,,", "image,dog,cat", "a.jpg,1,0"), "no column 'image', came 'My labels'"),
    "AutoML without a header": ("t.csv", lines("gs://b/a.jpg,dog,cat", "gs://b/b.jpg,cat"), "no header: the first row names the picture"),
    "lists of CelebA": ("t.txt", lines("2", "Smiling Young", "000001.jpg  1 -1", "000002.jpg -1 1"), "no column 'image'"),
    "results of a detector": ("t.json", json.dumps([{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4]}]), "results of a detector"),
    "Datumaro": ("t.json", json.dumps({"info": {}, "categories": {}, "items": []}), "expected a list 'images'"),
    "VIA": ("t.json", json.dumps({"a.jpg12": {"filename": "a.jpg", "size": 12, "regions": [], "file_attributes": {"dog": "yes"}}}),
            "expected 1 (present), 0 (absent) or null"),
    "LabelMe": ("t.json", json.dumps({"version": "5.0", "flags": {"dog": True}, "shapes": [], "imagePath": "a.jpg"}), "expected a list of"),
    "FiftyOne's own JSON": ("t.json", json.dumps({"samples": [{"filepath": "a.jpg", "tags": ["train"]}]}), "expected a list of"),
    "Vertex AI": ("t.jsonl", '{"imageGcsUri": "gs://b/a.jpg", "classificationAnnotations": [{"displayName": "dog"}]}\n', 'expected {'),
    "braces": ("t.csv", lines("image,tags", 'a.jpg,"{dog,cat}"', "b.jpg,{cat}"), "column 'tags' has ','"),
}  # fmt: skip


@pytest.mark.parametrize("kind", READ)
def test_read_as_meant(tmp_path: Path, kind: str) -> None:
    name, content, classes, labels = READ[kind]
    (tmp_path / name).write_text(content, "utf-8")
    reading = examine_data(tmp_path / name, "all")
    assert reading.table is not None, [problem.message for problem in reading.problems]
    assert reading.table.classes == classes
    assert reading.table.labels.values.tolist() == labels


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_with_words(tmp_path: Path, kind: str) -> None:
    name, content, words = REFUSED[kind]
    (tmp_path / name).write_text(content, "utf-8")
    assert words in " ".join(said_of(tmp_path / name))


def said_of(path: Path) -> list[str]:
    """Return why it is refused; nothing where it is read."""
    try:
        reading = examine_data(path, "all")
    except TagLensError as error:
        return [str(error)]
    return [problem.message for problem in reading.problems] if reading.table is None else []
