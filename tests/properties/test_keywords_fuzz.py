"""Hostile XMP and pictures with keywords: read, merged into, or refused with words; what is merged reads back."""

import io
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from taglens.datasets.source import read_data
from taglens.labels.files.xmp import Keywords, Mark, merged_xmp, read_xmp
from tests.properties.test_fuzz import FUZZ, mutated, place, refused_or_read  # noqa: F401  (place is a fixture)

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
PIECES = [
    "<dc:subject>", "</dc:subject>", "<rdf:Bag>", "</rdf:Bag>", "<rdf:Seq/>", "<rdf:li>", "</rdf:li>", "dog", "Animal|Dog", "|", "&amp;",
    "&x;", "<![CDATA[<a>]]>", "<!-- -->", "<?p i?>", "<lr:hierarchicalSubject>", "</lr:hierarchicalSubject>", "<taglens:labels>",
    "</taglens:labels>", "<taglens:class>dog</taglens:class>", "<taglens:state>1</taglens:state>",
    "<taglens:source>x|y|z|w</taglens:source>",
    '<rdf:li rdf:parseType="Resource">', '<rdf:li taglens:class="dog" taglens:state="0"/>', "<rdf:Description>", "</rdf:Description>",
    '<rdf:Description taglens:split="train"/>', "<taglens:split>a\nb</taglens:split>", "\ufffe", "\x01",
]  # fmt: skip
HEAD = (
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:lr="http://ns.adobe.com/lightroom/1.0/" xmlns:taglens="urn:taglens:labels:1:">'
)
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta>"
GOOD = merged_xmp(
    None, Keywords(("dog", "b"), (("a", "b"),), (Mark("dog", 1, "reviewed|me", "0.5"), Mark("cat", 0)), ("dog", "cat"), "train"), (), "x"
)
packets = st.lists(st.sampled_from(PIECES), max_size=12).map(lambda found: (HEAD + "".join(found) + TAIL).encode()) | mutated(GOOD)


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG", xmp=GOOD)
    data = stream.getvalue()
    records = b"".join(struct.pack(">BBBH", 0x1C, 2, 25, len(word)) + word for word in (b"dog", b"caf\xe9"))
    content = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records
    return data[:2] + b"\xff\xed" + struct.pack(">H", len(content) + 2) + content + data[2:]


@FUZZ
@given(content=packets)
def test_sidecars(place, content):  # noqa: F811
    folder = place / "sidecars"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    (folder / "a.png.xmp").write_bytes(content)
    refused_or_read(lambda: read_data(f"xmp:{folder}", "all"))


@FUZZ
@given(content=mutated(picture()))
def test_pictures(place, content):  # noqa: F811
    folder = place / "inside"
    folder.mkdir(exist_ok=True)
    (folder / "a.jpg").write_bytes(content)
    table = refused_or_read(lambda: read_data(f"xmp:{folder}", "all"))
    assert table is None or np.isin(table.labels.values, (-1, 0, 1)).all()


names = st.text(min_size=1, max_size=6).map(lambda text: " ".join(text.split())).filter(bool)


@FUZZ
@given(content=packets | st.none(), flat=st.lists(names, max_size=3, unique=True), removed=st.lists(names, max_size=2))
def test_what_is_merged_reads_back(content, flat, removed):
    made = refused_or_read(lambda: merged_xmp(content, Keywords(tuple(flat)), removed, "x"))
    if made is None:
        return
    found = read_xmp(made, "x")
    assert set(flat) <= set(found.flat)
    before = () if content is None else read_xmp(content, "x").flat
    assert set(before) - set(removed) <= set(found.flat), "what others wrote stays"
    assert not (set(removed) & set(found.flat)) - set(flat)
