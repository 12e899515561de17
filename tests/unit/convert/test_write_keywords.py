"""Tags as keywords of photo programs: sidecars beside the pictures, and back; what other programs wrote stays."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from taglens.cli.convert import Convert
from taglens.cli.main import main
from taglens.convert.keywords import write_keywords
from taglens.datasets.embedded_keywords import embedded_keywords
from taglens.datasets.source import read_data
from taglens.errors import OutputError, PictureError, TableError, TagLensError
from taglens.labels.files.xmp import read_xmp
from taglens.labels.origins import Origin
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
FOREIGN = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">
 <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/" xmp:Rating="4">
  <!-- by hand --><crs:Exposure2012>+0.35</crs:Exposure2012>
  <dc:title><rdf:Alt><rdf:li xml:lang="x-default">At sea</rdf:li></rdf:Alt></dc:title>
  <dc:subject><rdf:Seq><rdf:li>holiday</rdf:li><rdf:li>Dog</rdf:li></rdf:Seq></dc:subject>
  <digiKam:TagsList><rdf:Seq><rdf:li>Animal/Dog</rdf:li><rdf:li>holiday</rdf:li></rdf:Seq></digiKam:TagsList>
 </rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.png", "c.jpg"):
        Image.new("RGB", (8, 8)).save(folder / name)
    return LabelTable(
        images=("a.jpg", "b.png", "c.jpg"),
        classes=("zebra", "Animal|Dog", "R&B <live>", "never seen"),
        labels=PartialLabels(np.array([[1, 0, -1, -1], [-1, 1, 1, -1], [-1, -1, -1, -1]], np.int8)),
        splits=("train", "test", "test"),
        root=folder,
        origins=(Origin("given"), Origin("predicted", "runs/a", "2026-11-21T11:00:00Z"), Origin("reviewed", "me")),
        origin_index=np.array([[1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], np.int16),
        probabilities=np.array([[0.9, np.nan, np.nan, np.nan], [np.nan, np.nan, 0.75, np.nan], [np.nan] * 4], np.float32),
    )


def _keywords(path):
    return read_xmp(path.read_bytes(), str(path))


def test_there_and_back_nothing_is_lost(table):
    done = write_keywords(table)
    assert (done.made, done.merged, done.same) == (3, 0, 0)
    back = read_data(f"xmp:{table.root}", "all")
    assert back == table, "classes in their order, states, splits, sources and probabilities of known labels"
    assert write_keywords(table).same == 3, "what says everything already is left as it is"


def test_photo_programs_see_what_is_present(table):
    write_keywords(table)
    found = _keywords(table.root / "b.png.xmp")
    assert found.flat == ("Dog", "R&B <live>")
    assert found.paths == (("Animal", "Dog"), ("R&B <live>",))
    assert _keywords(table.root / "a.jpg.xmp").flat == ("zebra",), "what is absent is no keyword"


def test_what_other_programs_wrote_stays(table):
    side = table.root / "b.png.xmp"
    side.write_bytes(FOREIGN)
    assert write_keywords(table).merged == 1
    text = side.read_text("utf-8")
    for kept in ('xmp:Rating="4"', "<crs:Exposure2012>+0.35</crs:Exposure2012>", "At sea", "<!-- by hand -->", '<?xpacket end="w"?>'):
        assert kept in text
    found = _keywords(side)
    assert found.flat == ("holiday", "Dog", "R&B <live>")
    assert ("Animal", "Dog") in found.paths
    assert text.count("Animal/Dog") == 1, "the keyword has its place in the tree already"
    assert "<rdf:li>R&amp;B &lt;live&gt;</rdf:li>" in text.partition("TagsList")[2], "programs that look there first see it"
    back = read_data(f"xmp:{table.root}", "all")
    assert "holiday" in back.classes


def test_nothing_is_taken_away_without_force(table):
    side = table.root / "a.jpg.xmp"
    side.write_bytes(FOREIGN)
    with pytest.raises(OutputError, match=r"1 of 3 pictures would lose keywords .* such as 'Animal\|Dog', 'Dog' in .*; pass --force"):
        write_keywords(table)
    assert side.read_bytes() == FOREIGN
    assert not (table.root / "b.png.xmp").exists(), "everything is looked at before anything is written"
    write_keywords(table, force=True)
    assert _keywords(side).flat == ("holiday", "zebra")
    assert "Animal/Dog" not in side.read_text("utf-8")


def test_a_label_that_changed_needs_force(table):
    write_keywords(table)
    other = table.with_labels(PartialLabels(np.where(table.labels.values == 0, np.int8(1), table.labels.values)))
    with pytest.raises(OutputError, match=r"such as 'Animal\|Dog' in"):
        write_keywords(other)
    write_keywords(other, force=True)
    assert read_data(f"xmp:{table.root}", "all") == other


def test_changes_by_other_programs_are_believed_and_said(table):
    write_keywords(table)
    side = table.root / "a.jpg.xmp"
    side.write_text(side.read_text("utf-8").replace("<rdf:li>zebra</rdf:li>", "<rdf:li>Dog</rdf:li>"), "utf-8")
    # the list of all classes is in the first sidecar, too; there the word is a class, not a keyword
    back = read_data(f"xmp:{table.root}", "all")
    said = "\n".join(back.warnings)
    assert "1 labels of TagLens whose keyword another program took away" in said
    row = dict(zip(back.classes, back.labels.values[0].tolist(), strict=True))
    assert row["Dog"] == 1 or row["Animal|Dog"] == 1


def test_keywords_inside_the_picture_go_along_into_its_new_sidecar(table, tmp_path):
    picture = Image.new("RGB", (8, 8))
    picture.save(table.root / "a.jpg", xmp=FOREIGN.replace(b">Dog<", b">cat<").replace(b"Animal/Dog", b"cat"))
    assert embedded_keywords(table.root / "a.jpg").keywords.flat == ("holiday", "cat")
    write_keywords(table)
    assert _keywords(table.root / "a.jpg.xmp").flat == ("holiday", "cat", "zebra")
    assert embedded_keywords(table.root / "a.jpg").keywords.flat == ("holiday", "cat"), "the picture itself is not touched"


def test_sidecars_elsewhere(table, tmp_path):
    write_keywords(table, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg.xmp", "b.png.xmp", "c.jpg.xmp"]
    assert not list(table.root.glob("*.xmp"))
    shutil.copy(table.root / "a.jpg", tmp_path / "outside.jpg")
    lost = LabelTable(("../outside.jpg",), ("dog",), PartialLabels(np.ones((1, 1), np.int8)), root=table.root)
    with pytest.raises(TableError, match="lies outside the table's folder"):
        write_keywords(lost, tmp_path / "out")


def test_adobes_name_for_a_sidecar_is_taken_where_it_is_of_one_picture(table):
    (table.root / "b.xmp").write_bytes(FOREIGN)
    write_keywords(table)
    assert "zebra" not in (names := _keywords(table.root / "b.xmp").flat)
    assert "R&B <live>" in names
    assert not (table.root / "b.png.xmp").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"<x", "not readable as XMP", id="no XML"),
        pytest.param(b"", "not readable as XMP", id="empty"),
        pytest.param(b"<a/>", "no RDF in it", id="other XML"),
        pytest.param(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "document type, which XMP never has", id="entities"),
    ],
)
def test_a_sidecar_that_is_none_is_refused_by_name(table, content, words):
    side = table.root / "b.png.xmp"
    side.write_bytes(content)
    with pytest.raises(TableError, match=words) as caught:
        write_keywords(table)
    assert str(side) in str(caught.value)
    assert side.read_bytes() == content


def test_a_missing_picture_is_named(table):
    (table.root / "b.png").unlink()
    with pytest.raises(PictureError, match=r"b\.png: picture not found"):
        write_keywords(table)


def test_without_exiftool_pictures_stay_as_they_are(table, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(TagLensError, match=r"needs exiftool .*leave out --write-into"):
        write_keywords(table, into=True)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_into_the_pictures(table):
    Image.new("RGB", (8, 8)).save(table.root / "a.jpg", xmp=FOREIGN.replace(b">Dog<", b">cat<").replace(b"Animal/Dog", b"cat"))
    before = (table.root / "a.jpg").read_bytes()
    assert write_keywords(table, into=True).pictures == 3
    assert not list(table.root.glob("*.xmp"))
    assert (table.root / "a.jpg_original").read_bytes() == before
    assert embedded_keywords(table.root / "a.jpg").keywords.flat == ("holiday", "cat", "zebra")
    assert b"+0.35" in (embedded_keywords(table.root / "a.jpg").packet or b"")
    back = read_data(f"xmp:{table.root}", "all")
    assert back.rows([1, 2]).labels.values[:, :4].tolist() == table.rows([1, 2]).labels.values.tolist()
    assert write_keywords(table, into=True).same == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"to": "table"}, "--to table needs --out"),
        ({"write_into": True}, "use it with --to xmp and without --out"),
        ({"to": "xmp", "write_into": True, "out": Path("x")}, "use it with --to xmp and without --out"),
    ],
)
def test_options_that_do_not_fit(words, message):
    with pytest.raises(TagLensError, match=message):
        Convert(data="t.csv", **words)


def test_the_command(table, capsys):
    table.write(table.root / "t.csv")
    assert main(["convert", str(table.root / "t.csv"), "--to", "xmp"]) == 0
    assert "3 pictures: 3 sidecars made" in capsys.readouterr().err
