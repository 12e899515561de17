"""Folders of pictures whose keywords are their tags (``xmp:FOLDER``), as photo programs write them."""

import struct

import pytest
from PIL import Image

from taglens.datasets.source import read_data
from taglens.errors import TableError, TagLensError

HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:lr="http://ns.adobe.com/lightroom/1.0/" '
    'xmlns:digiKam="http://www.digikam.org/ns/1.0/">'
)


def packet(flat=(), paths=(), digikam=()):
    lists = {"dc:subject": flat, "lr:hierarchicalSubject": paths, "digiKam:TagsList": digikam}
    body = "".join(
        f"<{name}><rdf:Bag>{''.join(f'<rdf:li>{text}</rdf:li>' for text in texts)}</rdf:Bag></{name}>"
        for name, texts in lists.items()
        if texts
    )
    return f"{HEAD}{body}</rdf:Description></rdf:RDF></x:xmpmeta>".encode()


def iptc(*keywords, utf8=False):
    """An APP13 segment of Photoshop, as older programs write it."""
    records = [(1, 90, b"\x1b%G")] * utf8 + [(2, 25, keyword) for keyword in keywords]
    data = b"".join(struct.pack(">BBBH", 0x1C, record, number, len(value)) + value for record, number, value in records)
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(data)) + data + b"\0" * (len(data) % 2)
    content = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


@pytest.fixture
def folder(tmp_path):
    def make(**pictures):
        for name, given in pictures.items():
            path = tmp_path / f"{name}.jpg"
            Image.new("RGB", (8, 8)).save(path, **({"xmp": given["inside"]} if "inside" in given else {}))
            if "iptc" in given:
                data = path.read_bytes()
                path.write_bytes(data[:2] + given["iptc"] + data[2:])
            if "beside" in given:
                path.with_name(f"{name}.jpg.xmp").write_bytes(given["beside"])
        return tmp_path

    return make


READ = {
    # reason: (what the picture a has, the classes that are present)
    "inside the picture": ({"inside": packet(["dog", "at sea"])}, {"dog", "at sea"}),
    "beside it": ({"beside": packet(["dog"])}, {"dog"}),
    "the sidecar counts first": ({"inside": packet(["cat"]), "beside": packet(["dog"])}, {"dog"}),
    "a sidecar without keywords says nothing of them": ({"inside": packet(["cat"]), "beside": packet()}, {"cat"}),
    "IPTC in UTF-8": ({"iptc": iptc("Käfer".encode(), b"dog", utf8=True)}, {"Käfer", "dog"}),
    "IPTC in Latin-1, which says nothing": ({"iptc": iptc("Käfer".encode("latin-1"))}, {"Käfer"}),
    "XMP before IPTC, which is cut after 64 bytes": ({"inside": packet(["dog"]), "iptc": iptc(b"cat")}, {"dog"}),
    "Lightroom's parents are keywords where it says so": (
        {"inside": packet(["Animal", "Dog"], ["Animal|Dog"])},
        {"Animal", "Dog"},
    ),
    "digiKam's tree": ({"beside": packet(["Dog"], (), ["Animal/Dog"])}, {"Dog"}),
    "only a tree": ({"beside": packet((), ["Animal|Dog"])}, {"Dog"}),
    "one name at two places": ({"beside": packet(["Orange"], ["Fruit|Orange", "Colour|Orange"])}, {"Fruit|Orange", "Colour|Orange"}),
    "white space and repetitions": ({"inside": packet([" at \n sea ", "at sea"])}, {"at sea"}),
    "UTF-16": ({"beside": packet(["Käfer"]).decode().encode("utf-16")}, {"Käfer"}),
    "padding behind the packet": ({"inside": packet(["dog"]) + b" \n\0\0"}, {"dog"}),
}  # fmt: skip


@pytest.mark.parametrize("reason", READ)
def test_keywords_are_tags(folder, reason):
    given, present = READ[reason]
    table = read_data(f"xmp:{folder(a=given, b={})}", "all")
    assert {name for name, state in zip(table.classes, table.labels.values[0], strict=True) if state == 1} == present
    assert set(table.labels.values[1].tolist()) == {-1}, "what has no keyword was not checked"
    assert "1 of 2 pictures have no keyword: nothing was checked there" in "\n".join(table.warnings)


SAID = {
    "differing": (
        {"inside": packet(["cat", "dog"]), "beside": packet(["dog"])},
        "1 pictures' own keywords that their sidecars do not have",
    ),
    "a name that no class may have": ({"inside": packet(["dog", "image"])}, "1 keywords that no class may be called"),
    "two places": (
        {"beside": packet((), ["A|x", "B|x"])},
        "the same keyword at several places of the tree is several classes, such as 'x'",
    ),
}


@pytest.mark.parametrize("reason", SAID)
def test_what_is_left_out_is_said(folder, reason):
    given, words = SAID[reason]
    assert words in "\n".join(read_data(f"xmp:{folder(a=given)}", "all").warnings)


def test_files_that_belong_to_nobody_are_counted(folder):
    place = folder(a={"inside": packet(["dog"])})
    (place / "gone.jpg.xmp").write_bytes(packet(["cat"]))
    (place / "a.xmp").write_bytes(packet(["cat"]))
    Image.new("RGB", (8, 8)).save(place / "a.png")
    (place / "notes.txt").touch()
    (place / "broken.jpg").write_bytes(b"x")
    said = "\n".join(read_data(f"xmp:{place}", "all").warnings)
    assert "2 sidecars of no picture, or of several" in said, "a.xmp may be of a.jpg or of a.png"
    assert "passed over as no pictures by their suffix: 1 .txt" in said
    assert "1 pictures whose own keywords cannot be read" in said


REFUSED = {
    "nothing at all": ({}, "not one keyword in its 1 pictures"),
    "a sidecar that is none": ({"beside": b"<x"}, r"a\.jpg\.xmp: not readable as XMP"),
    "entities": ({"beside": b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}, "document type, which XMP never has"),
    "a packet inside that is none": ({"inside": b"<x"}, r"a\.jpg: not readable as XMP"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused_by_name(folder, reason):
    given, words = REFUSED[reason]
    with pytest.raises(TableError, match=words):
        read_data(f"xmp:{folder(a=given)}", "all")


def test_no_folder(tmp_path):
    with pytest.raises(TagLensError, match="not a folder"):
        read_data(f"xmp:{tmp_path / 'gone'}", "all")
