"""Bad label tables: a name, the file's name, its content."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet


def _parquet(**columns: object) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


TABLES: dict[str, tuple[str, bytes]] = {
    "empty": ("empty.csv", b""),
    "header alone": ("header.csv", b"image,dog\n"),
    "no image column": ("noimage.csv", b"picture,dog\na.jpg,1\n"),
    "image column alone": ("alone.csv", b"image\na.jpg\n"),
    "a class twice": ("twice.csv", b"image,dog,dog\na.jpg,1,0\n"),
    "a class without a name": ("blank.csv", b"image,dog,\na.jpg,1,0\n"),
    "a cell with a word": ("word.csv", b"image,dog,cat\na.jpg,1,0\nb.jpg,maybe,0\n"),
    "a cell with a half": ("half.csv", b"image,dog\na.jpg,0.5\n"),
    "a cell with a two": ("two.csv", b"image,dog\na.jpg,2\n"),
    "a cell too many": ("more.csv", b"image,dog\na.jpg,1,0\n"),
    "a cell too few": ("fewer.csv", b"image,dog,cat\na.jpg,1\n"),
    "an image twice": ("again.csv", b"image,dog\na.jpg,1\na.jpg,0\n"),
    "an image without a name": ("noname.csv", b"image,dog\n,1\n"),
    "no UTF-8": ("latin.csv", "image,dog\nbär.jpg,1\n".encode("latin-1")),
    "UTF-16 without a mark": ("wide.csv", "image,dog\na.jpg,1\n".encode("utf-16-le")),
    "zero bytes": ("zeros.csv", b"image,dog\na\x00.jpg,1\n"),
    "semicolons": ("semicolon.csv", b"name;dog;cat\na.jpg;1;0\n"),
    "an open quote": ("quote.csv", b'image,dog\n"a.jpg,1\n'),
    "a tag both seen and absent": ("both.csv", b"image,tags\na.jpg,dog|!dog\n"),
    "tags beside classes": ("mixed.csv", b"image,tags,dog\na.jpg,cat,1\n"),
    "probability out of range": ("probability.csv", b"image,dog,dog:probability\na.jpg,1,1.5\n"),
    "probability of no class": ("stray.csv", b"image,dog,cat:probability\na.jpg,1,0.5\n"),
    "a source that is none": ("source.csv", b"image,dog,dog:source\na.jpg,1,guessed\n"),
    "JSON cut short": ("cut.json", b'[{"image": "a.jpg", "dog": 1'),
    "JSON of a number": ("number.json", b"3"),
    "JSON without image": ("noimage.json", b'[{"dog": 1}]'),
    "JSON with a word": ("word.json", b'[{"image": "a.jpg", "dog": "maybe"}]'),
    "JSON with a name twice": ("twice.json", b'[{"image": "a.jpg", "dog": 1, "dog": 0}]'),
    "JSON nested without end": ("deep.json", b"[" * 100_000),
    "Parquet that is text": ("text.parquet", b"image,dog\n"),
    "Parquet cut short": ("cut.parquet", _parquet(image=["a.jpg"], dog=[1])[:-20]),
    "Parquet without image": ("noimage.parquet", _parquet(dog=[1])),
    "Parquet with a two": ("two.parquet", _parquet(image=["a.jpg"], dog=[2])),
    "Parquet with text": ("word.parquet", _parquet(image=["a.jpg"], dog=["maybe"])),
    "Parquet with fractions": ("half.parquet", _parquet(image=["a.jpg"], dog=np.array([0.5]))),
    "a damaged workbook": ("table.xlsx", b"PK\x03\x04"),
    "an old spreadsheet": ("table.xls", b"\xd0\xcf\x11\xe0"),
    "a number of rows beside classes": ("number.csv", b"image,id,dog\na.jpg,1,1\n"),
    "boxes beside classes": ("boxes.csv", b"image,x,y,dog\na.jpg,0,1,1\n"),
    "a column of words": ("words.csv", b"image,dog,weather\na.jpg,1,sunny\nb.jpg,0,rainy\n"),
    "totals in the last row": ("totals.csv", b"image,dog\na.jpg,1\nTotal,1\n"),
    "a face among tags": ("face.csv", b"image,tags\na.jpg,solo|:|\n"),
    "blanks between tags": ("blanks.csv", b"image,tags\na.jpg,dog cat\nb.jpg,cat tree\n"),
    "two signs between tags": ("signs.csv", b'image,tags\na.jpg,"dog|cat, tree"\n'),
    "a class of 0 and 1": ("binary.csv", b"image,label\na.jpg,0\nb.jpg,1\n"),
    "no header": ("bare.csv", b"a.jpg,1,0\nb.jpg,0,1\n"),
    "COCO without annotations": (
        "tags.json",
        b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": [{"id": 1, "name": "dog"}]}',
    ),
    "results of a detector": ("results.json", b'[{"image_id": 1, "category_id": 1, "score": 0.9}]'),
    "JSON lines with a bad line": ("lines.jsonl", b'{"image": "a.jpg", "labels": ["dog"]}\n{\n'),
    "no suffix": ("labels", b"image,dog\n"),
}
