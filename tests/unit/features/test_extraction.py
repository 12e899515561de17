"""From picture files to stored features: the right numbers, computed once, kept when something goes wrong."""

import logging
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from backbone_models import VIT, config, timm_tower, write_model
from PIL import Image, ImageOps

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.cli import cache as cache_command
from taglens.datasets.pictures import open_picture
from taglens.datasets.transforms import picture_view
from taglens.errors import OutputError, PictureError, TagLensError
from taglens.features import digests, pipeline
from taglens.features.digests import DigestMemory, Read, content_digest, stamp_of
from taglens.features.extract import extract_features, open_store
from taglens.inference.predictor import predict_pictures
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.methods.zero_shot import ZeroShot
from taglens.recognizer import Recognizer
from taglens.shapes import Features

COUNT = 21


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return load_backbone(write_model(tmp_path_factory.mktemp("model"), config(VIT))[0])


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(COUNT):
        height, width = random.integers(20, 120, 2)
        rough = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        rough.resize((int(width), int(height)), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.{'jpg' if number % 2 else 'png'}")
    return sorted(folder.iterdir())


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The number of pictures in each encoder pass."""
    passes: list[int] = []
    plain = Backbone.features

    def counted(self: Backbone, pictures: torch.Tensor, pooled: bool = True) -> Features:
        passes.append(len(pictures))
        return plain(self, pictures, pooled)

    monkeypatch.setattr(Backbone, "features", counted)
    return passes


def direct(backbone: Backbone, pictures: list[Image.Image]) -> Features:
    with torch.inference_mode():
        return backbone.features(torch.stack([torch.from_numpy(backbone.transform(picture)) for picture in pictures]))


def assert_same(stored: Features, expected: Features) -> None:
    # Half precision keeps 11 bits.
    for one, other in zip(stored, expected, strict=True):
        assert float((one - other).abs().max() / other.abs().max()) < 1e-3


@pytest.mark.parametrize(("batch", "workers"), [(None, None), (4, 1), (5, 3), (1, 2)])
def test_stored_features_are_the_backbones(
    batch: int | None, workers: int | None, backbone: Backbone, paths: list[Path], tmp_path: Path
) -> None:
    stored = extract_features(paths, backbone, store=tmp_path / "cache", batch=batch, workers=workers)
    assert len(stored) == COUNT
    assert stored.kept.tolist() == list(range(COUNT))
    assert_same(stored.gather(np.arange(COUNT)), direct(backbone, [open_picture(path) for path in paths]))
    some = [7, 2, 2, 19]
    assert_same(stored.gather(some), direct(backbone, [open_picture(paths[number]) for number in some]))


def test_the_number_of_threads_is_put_back(backbone: Backbone, paths: list[Path], tmp_path: Path) -> None:
    before = torch.get_num_threads()
    extract_features(paths, backbone, store=tmp_path / "cache", workers=3)
    assert torch.get_num_threads() == before


def test_a_large_photo_is_decoded_alike_everywhere(backbone: Backbone, paths: list[Path], tmp_path: Path) -> None:
    """At an eighth of its size here; what decodes it in full, or smaller, gives other numbers."""
    photo, transform = tmp_path / "photo.jpg", backbone.transform
    noise = np.random.default_rng(0).integers(0, 256, (150, 200, 3), dtype=np.uint8)
    side = 16 * transform.size
    Image.fromarray(noise).resize((side * 4 // 3, side), Image.Resampling.BICUBIC).save(photo)
    assert transform.open(photo).height == side // 8
    expected = transform(transform.open(photo))
    assert np.abs(expected - transform(open_picture(photo))).max() > 1e-3
    recognizer = Recognizer.create(backbone, "zero_shot", ZeroShot(), ["dog", "cat"], ["dog", "cat"])
    features = direct(backbone, [transform.open(photo)])
    probabilities = recognizer.probabilities(features).numpy()
    np.testing.assert_allclose(recognizer.predict([photo]), probabilities, rtol=1e-5)
    np.testing.assert_allclose([found.probabilities for found in predict_pictures(recognizer, [photo])], probabilities, rtol=1e-5)
    assert_same(extract_features([photo], backbone, store=tmp_path / "cache").gather([0]), features)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are as old as they need be for their stamps to be believed."""
    monkeypatch.setattr(digests, "FRESH_NS", 0)


def test_a_second_time_nothing_is_read(
    backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    first = extract_features(paths, backbone, store=tmp_path / "cache")
    assert sum(encoded) == COUNT
    monkeypatch.setattr(pipeline, "_content", lambda path: pytest.fail(f"{path} was read again"))
    second = extract_features(paths[::-1], backbone, store=tmp_path / "cache")
    assert sum(encoded) == COUNT
    assert torch.equal(first.gather([0]).map, second.gather([COUNT - 1]).map)


def test_moved_and_doubled_pictures_are_computed_once(backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int]) -> None:
    moved = [shutil.copy(path, tmp_path / f"moved-{path.name}") for path in paths]
    stored = extract_features([*paths, *paths], backbone, store=tmp_path / "cache")
    extract_features(moved, backbone, store=tmp_path / "cache")
    assert sum(encoded) == COUNT
    assert len(stored) == 2 * COUNT
    assert np.array_equal(stored.rows[:COUNT], stored.rows[COUNT:])


def test_a_changed_picture_is_computed_anew(backbone: Backbone, paths: list[Path], tmp_path: Path) -> None:
    before = extract_features(paths, backbone, store=tmp_path / "cache").gather([0])
    Image.new("RGB", (30, 40), "red").save(paths[0])
    after = extract_features(paths, backbone, store=tmp_path / "cache").gather([0])
    assert not torch.equal(before.map, after.map)
    assert_same(after, direct(backbone, [Image.new("RGB", (30, 40), "red")]))


def test_stores_differ_by_weights_size_and_precision(backbone: Backbone, tmp_path: Path) -> None:
    folders = {
        open_store(other, tmp_path).folder.name
        for other in [
            backbone,
            load_backbone(backbone.spec, image_size=96),
            load_backbone(backbone.spec, precision="bfloat16"),
            load_backbone(write_model(tmp_path / "other", config(VIT), seed=2)[0]),
        ]
    }
    assert len(folders) == 4
    assert open_store(load_backbone(backbone.spec, text=False), tmp_path).folder.name in folders


def test_views(backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int]) -> None:
    extract_features(paths, backbone, store=tmp_path / "cache")
    stored = extract_features(paths, backbone, store=tmp_path / "cache", views=4)
    assert sum(encoded) == 4 * COUNT
    assert stored.views == 4
    pictures = [open_picture(path) for path in paths]
    assert_same(stored.gather(np.arange(COUNT)), direct(backbone, pictures))
    assert_same(stored.gather(np.arange(COUNT), 1), direct(backbone, [ImageOps.mirror(picture) for picture in pictures]))
    mixed = stored.gather([3, 3, 5], np.array([0, 1, 2]))
    assert_same(Features(mixed.map[1:2], mixed.pooled[1:2]), stored.gather([3], 1))
    assert not torch.equal(stored.gather([3], 2).map, stored.gather([3], 3).map)


def test_crops_are_seeded_and_keep_most_of_the_picture() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8))
    crops = [picture_view(picture, view, b"content") for view in range(2, 60)]
    for view, crop in enumerate(crops, start=2):
        assert crop.tobytes() == picture_view(picture, view, b"content").tobytes()
        assert crop.width * crop.height > 0.55 * picture.width * picture.height
    assert len({crop.tobytes() for crop in crops}) == len(crops)
    assert crops[0].tobytes() != picture_view(picture, 2, b"another").tobytes()
    assert picture_view(Image.new("RGB", (1, 1)), 9, b"").size == (1, 1)


def damage(paths: list[Path]) -> dict[str, Path]:
    wrong = {"zero bytes": paths[2], "cannot be read": paths[9], "not a picture": paths[14], "not found": paths[20]}
    wrong["zero bytes"].write_bytes(b"")
    wrong["cannot be read"].write_bytes(wrong["cannot be read"].read_bytes()[:200])
    wrong["not a picture"].write_text("hello")
    wrong["not found"].unlink()
    return wrong


def test_bad_pictures_are_skipped_and_listed(
    backbone: Backbone, paths: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = damage(paths)
    with caplog.at_level(logging.WARNING):
        stored = extract_features([*paths, paths[2]], backbone, store=tmp_path / "cache", on_bad="skip")
    assert "4 of 21 pictures cannot be used and are left out" in caplog.text
    reasons = dict(stored.skipped)
    assert set(reasons) == set(wrong.values())
    assert len(stored.skipped) == 4
    for words, path in wrong.items():
        assert words in reasons[path]
        assert str(path) in reasons[path]
    good = [number for number in range(COUNT) if paths[number] not in reasons]
    assert stored.kept.tolist() == good
    assert_same(stored.gather([3]), direct(backbone, [open_picture(paths[good[3]])]))


def test_a_bad_picture_is_an_error_and_finished_work_stays(
    backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int]
) -> None:
    paths[-1].write_text("hello")
    with pytest.raises(PictureError, match=r"20\.png: not a picture of a known format"):
        extract_features(paths, backbone, store=tmp_path / "cache", batch=4)
    done = sum(encoded)
    assert done >= COUNT - 1 - 4
    extract_features(paths[:-1], backbone, store=tmp_path / "cache", batch=4)
    assert sum(encoded) - done <= 4


def test_an_interruption_keeps_what_is_finished(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[int]
) -> None:
    store = open_store(backbone, tmp_path)
    plain, calls = store.append, []

    def interrupted(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        plain(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "append", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            extract_features(paths, backbone, store=store, batch=4, workers=1)
    assert caught.value.__notes__ == ["the pictures that were read are kept; the same command goes on from there"]
    assert len(open_store(backbone, tmp_path)) == 8
    del encoded[:]
    assert len(extract_features(paths, backbone, store=tmp_path, batch=4)) == COUNT
    assert sum(encoded) == COUNT - 8


def test_too_little_disk_is_said_before_work_begins(
    backbone: Backbone, paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: list[int]
) -> None:
    store = open_store(backbone, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=COUNT * store.row_bytes - 1))
    with pytest.raises(OutputError, match=r"not enough disk for the features of 21 pictures: .* MB needed"):
        extract_features(paths, backbone, store=store)
    assert encoded == []


def test_tables_are_taken_as_they_are(backbone: Backbone, paths: list[Path], tmp_path: Path) -> None:
    labels = PartialLabels(np.full((COUNT, 1), -1, dtype=np.int8))
    table = LabelTable(images=tuple(path.name for path in paths), classes=("dog",), labels=labels, root=paths[0].parent)
    stored = extract_features(table, backbone, store=tmp_path / "cache")
    assert_same(stored.gather([4]), direct(backbone, [open_picture(paths[4])]))
    assert len(extract_features([], backbone, store=tmp_path / "cache")) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"on_bad": "ignore"}, "unknown choice for bad pictures 'ignore'"), ({"views": 0}, "at least 1"), ({"batch": 0}, "at least 1")],
)
def test_options_out_of_range(options: dict[str, object], message: str, backbone: Backbone) -> None:
    with pytest.raises(TagLensError, match=message):
        extract_features([], backbone, **options)


def test_a_convolutional_tower_at_another_size(paths: list[Path], tmp_path: Path) -> None:
    spec, _ = write_model(tmp_path / "model", config(timm_tower("test_resnet", "avg", "linear")))
    backbone = load_backbone(spec, image_size=96)
    stored = extract_features(paths[:3], backbone, store=tmp_path / "cache")
    assert stored.gather([0]).map.shape == (1, 9, 48)
    assert_same(stored.gather([0, 1, 2]), direct(backbone, [open_picture(path) for path in paths[:3]]))


def test_hashes_are_remembered_by_path_and_stamp(tmp_path: Path, settled: None) -> None:
    memory = DigestMemory(tmp_path / "deep" / "pictures.sqlite")
    files = [tmp_path / f"{number}.bin" for number in range(1200)]
    for number, path in enumerate(files):
        path.write_text(str(number))
    assert memory.lookup(files) == [None] * len(files)
    memory.add(Read(path, stamp_of(path), path.name.encode()) for path in files)
    assert DigestMemory(memory.path).lookup(files) == [path.name.encode() for path in files]
    files[3].write_text("changed")
    files[4].unlink()
    assert DigestMemory(memory.path).lookup(files[:6]) == [b"0.bin", b"1.bin", b"2.bin", None, None, b"5.bin"]
    assert memory.last(files[:6]) == [f"{number}.bin".encode() for number in range(6)]


def replaced(path: Path, other: Path, way: str) -> None:
    """Put the picture ``other`` in the place of ``path``, with its size and its time of writing."""
    status = path.stat()
    assert other.stat().st_size == status.st_size
    if way == "written over":
        path.write_bytes(other.read_bytes())
    elif way == "moved there":
        other.replace(path)
    elif way == "a copy moved there":
        shutil.copy2(other, path.with_suffix(".new")).replace(path)
    elif way == "a link turned":
        path.unlink()
        path.symlink_to(other)
    elif way == "folders change names":  # which changes no time of any file
        for folder, name in ((path.parent, "aside"), (other.parent, path.parent.name)):
            folder.rename(folder.with_name(name))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("way", ["written over", "moved there", "a copy moved there", "a link turned", "folders change names"])
def test_a_picture_of_the_same_size_and_time_gets_its_own_features(way: str, backbone: Backbone, tmp_path: Path, settled: None) -> None:
    path, other = tmp_path / "one" / "a.bmp", tmp_path / "two" / "a.bmp"
    for place, colour in ((path, "red"), (other, "blue")):
        place.parent.mkdir()
        Image.new("RGB", (30, 40), colour).save(place)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    before = extract_features([path], backbone, store=tmp_path / "cache").gather([0])
    replaced(path, other, way)
    after = extract_features([path], backbone, store=tmp_path / "cache").gather([0])
    assert not torch.equal(before.map, after.map)
    assert_same(after, direct(backbone, [Image.new("RGB", (30, 40), "blue")]))


def test_a_file_that_changed_a_moment_ago_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written, read and written again within one tick of the file system's clock, it has the same stamp."""
    (tmp_path / "a.bin").write_text("1")
    assert stamp_of(tmp_path / "a.bin") is None
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now + digests.FRESH_NS)
    assert stamp_of(tmp_path / "a.bin") is not None


@pytest.mark.parametrize("days", [-400, 400], ids=["back", "ahead"])
def test_a_clock_that_jumps_makes_no_changed_file_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Written over with the same size and time of writing while this process sees another year."""
    path, jumped = tmp_path / "a.bin", time.time_ns() + days * 86_400 * 10**9
    path.write_text("1")
    written = path.stat().st_mtime_ns
    monkeypatch.setattr(time, "time_ns", lambda: jumped)
    before = stamp_of(path)
    time.sleep(0.02)  # the file system's clock ticks
    path.write_text("2")
    os.utime(path, ns=(written, written))
    assert before is not None
    assert stamp_of(path) != before


def test_a_restored_folder_is_read_but_not_computed_and_asks_for_no_space(
    backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    extract_features(paths, backbone, store=tmp_path / "cache")
    before = paths[0].parent
    shutil.copytree(before, tmp_path / "backup")
    shutil.rmtree(before)
    shutil.move(tmp_path / "backup", before)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert len(extract_features(paths, backbone, store=tmp_path / "cache")) == COUNT
    assert sum(encoded) == COUNT


def test_the_memory_of_earlier_versions_is_taken_over(
    backbone: Backbone, paths: list[Path], tmp_path: Path, encoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knew no time of change, so its files are read once more; nothing is computed again and no space asked for."""
    store = open_store(backbone, tmp_path)
    extract_features(paths, backbone, store=store)
    place = store.folder.parent / "pictures.sqlite"
    place.unlink()
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("CREATE TABLE pictures (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, digest BLOB) WITHOUT ROWID")
        rows = [(str(path), path.stat().st_size, path.stat().st_mtime_ns, content_digest(path.read_bytes())) for path in paths]
        connection.executemany("INSERT INTO pictures VALUES (?, ?, ?, ?)", rows)
    memory = DigestMemory(place)
    assert memory.lookup(paths) == [None] * COUNT
    assert None not in memory.last(paths)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    extract_features(paths, backbone, store=open_store(backbone, tmp_path))
    assert sum(encoded) == COUNT


def test_a_damaged_memory_is_made_anew(tmp_path: Path) -> None:
    memory = DigestMemory(tmp_path / "pictures.sqlite")
    memory.path.write_bytes(b"not a database at all" * 100)
    assert memory.lookup([tmp_path]) == [None]


def test_the_command_shows_and_evicts(backbone: Backbone, paths: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract_features(paths, backbone, store=tmp_path)
    assert cache_command.run(cache_command.Cache(folder=tmp_path)) == 0
    shown = capsys.readouterr().out
    assert str(tmp_path) in shown
    assert "1 feature stores" in shown
    cache_command.run(cache_command.Cache(folder=tmp_path, older_than_days=1))
    assert "deleted 0 feature stores" in capsys.readouterr().out
    cache_command.run(cache_command.Cache(folder=tmp_path, all=True))
    assert "deleted 1 feature stores" in capsys.readouterr().out
    with pytest.raises(OutputError, match="--keep-gb must be 0 or more, came -1"):
        cache_command.Cache(keep_gb=-1)


@pytest.mark.photos
def test_genuine_photos(minclip: str, voc_root: Path, tmp_path: Path) -> None:
    backbone = load_backbone(minclip, text=False)
    photos = sorted((voc_root / "VOC2012" / "JPEGImages").glob("*.jpg"))[:24]
    stored = extract_features(photos, backbone, store=tmp_path)
    assert_same(stored.gather(np.arange(24)), direct(backbone, [open_picture(path) for path in photos]))
