"""What picture files say beside their pixels: their content's hash, and when they were taken."""

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from taglens.datasets.contents import capture_times, content_hashes
from taglens.datasets.pictures import taken_at
from taglens.errors import PictureError


def photo(path: Path, taken: str | None = None, part: str | None = None) -> Path:
    picture = Image.new("RGB", (8, 8), "red")
    exif = Image.Exif()
    facts = exif.get_ifd(ExifTags.IFD.Exif)
    if taken is not None:
        facts[ExifTags.Base.DateTimeOriginal] = taken
    if part is not None:
        facts[ExifTags.Base.SubsecTimeOriginal] = part
    picture.save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("taken", "part", "seconds"),
    [
        pytest.param("1970:01:02 00:00:01", None, 86401.0, id="whole seconds"),
        pytest.param("1970:01:01 00:00:00", "25", 0.25, id="a part of a second is decimals, not hundredths"),
        pytest.param("1970:01:01 00:00:00", " x", 0.0, id="a part that is no number"),
        pytest.param("0000:00:00 00:00:00", None, None, id="a clock that was never set"),
        pytest.param("yesterday", None, None, id="no time"),
        pytest.param(None, None, None, id="no EXIF time"),
    ],
)
def test_capture_time(tmp_path: Path, taken: str | None, part: str | None, seconds: float | None) -> None:
    assert taken_at(photo(tmp_path / "a.jpg", taken, part)) == seconds


def test_the_name_speaks_where_exif_does_not(tmp_path: Path) -> None:
    paths = [photo(tmp_path / "IMG_19700101_000007.jpg", "1970:01:01 00:00:03"), photo(tmp_path / "IMG_19700101_000009.jpg")]
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    assert list(capture_times([*paths, tmp_path / "plain.png"])) == [3.0, 9.0, None]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_facts_give_a_time_none_or_our_error(tmp_path: Path) -> None:
    whole = photo(tmp_path / "a.jpg", "1970:01:01 00:00:03", "5").read_bytes()
    random = np.random.default_rng(0)
    for _ in range(400):
        damaged = bytearray(whole)
        for place in random.integers(20, 200, 3).tolist():  # where the EXIF data stand
            damaged[place] = int(random.integers(256))
        (tmp_path / "b.jpg").write_bytes(damaged[: int(random.integers(100, len(whole)))] if random.random() < 0.3 else damaged)
        try:
            found = taken_at(tmp_path / "b.jpg")
        except PictureError:
            continue
        assert found is None or isinstance(found, float)


def test_hashes_by_content_alone(tmp_path: Path) -> None:
    for name, content in (("a.jpg", b"one"), ("b.png", b"one"), ("c.jpg", b"two")):
        (tmp_path / name).write_bytes(content)
    first, same, other = content_hashes([tmp_path / name for name in ("a.jpg", "b.png", "c.jpg")])
    assert first == same != other


@pytest.mark.parametrize("work", [content_hashes, capture_times])
def test_missing_pictures_are_named(tmp_path: Path, work) -> None:
    with pytest.raises(PictureError, match=r"gone.jpg: picture not found; check the name and the images folder \(--images\)"):
        list(work([tmp_path / "gone.jpg"]))
