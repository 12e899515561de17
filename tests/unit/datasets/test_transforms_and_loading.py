"""The numbers a backbone takes are exact and the same on every way to them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from taglens.datasets.loading import PictureDataset, default_workers, load_batches
from taglens.datasets.transforms import PictureTransform
from taglens.errors import PictureError, TagLensError

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def _picture(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_squash_by_hand() -> None:
    transform = PictureTransform(4, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    found = transform(Image.new("RGB", (10, 3), (255, 0, 51)))
    assert found.dtype == np.float32
    assert found.shape == (3, 4, 4)
    assert found.flags.c_contiguous
    assert np.allclose(found[:, 0, 0], [1.0, -1.0, 0.2])
    assert np.array_equal(found, np.broadcast_to(found[:, :1, :1], (3, 4, 4)))


def test_shortest_cuts_out_the_centre() -> None:
    picture = Image.new("RGB", (30, 10), "black")
    picture.paste("white", (10, 0, 20, 10))
    found = PictureTransform(10, (0, 0, 0), (1, 1, 1), resize="shortest")(picture)
    assert (found == 1).all()


def test_key_tells_how_pictures_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PictureTransform(224, MEAN, STD).key
    monkeypatch.setattr("taglens.datasets.transforms.LEAST_DECODED", 3)
    assert PictureTransform(224, MEAN, STD).key != before


def test_json_and_key() -> None:
    transform = PictureTransform(224, MEAN, STD, "bilinear", "shortest")
    again = PictureTransform.from_json(json.loads(json.dumps(transform.to_json())))
    assert again == transform
    assert again.key == transform.key
    others = [PictureTransform(225, MEAN, STD, "bilinear", "shortest"), PictureTransform(224, STD, MEAN, "bilinear", "shortest")]
    others += [PictureTransform(224, MEAN, STD, "bicubic", "shortest"), PictureTransform(224, MEAN, STD, "bilinear", "squash")]
    assert len({transform.key, *(other.key for other in others)}) == 5


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 0}, "the picture size must be at least 1 pixel, came 0"),
        ({"std": (1.0, 0.0, 1.0)}, "std above 0"),
        ({"mean": (1.0, 0.0)}, "mean and std must be three numbers"),
        ({"interpolation": "bicubi"}, "unknown interpolation 'bicubi'; did you mean 'bicubic'"),
        ({"resize": "crop"}, "unknown resize 'crop'"),
        ({"colour": 1}, "not the description of a picture transform"),
    ],
)
def test_wrong_transforms(fields: dict, words: str) -> None:
    with pytest.raises(TagLensError, match=words):
        PictureTransform.from_json({"size": 8, "mean": MEAN, "std": STD} | fields)


def test_other_modes_are_refused() -> None:
    with pytest.raises(TagLensError, match="expected an RGB picture, came L"):
        PictureTransform(8, MEAN, STD)(Image.new("L", (8, 8)))


def _folder(tmp_path: Path, bad: bool) -> list[Path]:
    paths = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        _picture(20 + number, 15, number).save(path)
        paths.append(path)
    if bad:
        paths[3].write_bytes(b"")
        (tmp_path / "5.png").unlink()
    return paths


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_pictures_in_order(tmp_path: Path, workers: int) -> None:
    paths = _folder(tmp_path, bad=False)
    transform = PictureTransform(8, MEAN, STD)
    order = [6, 0, 3, 3, 1]
    batches = list(load_batches(PictureDataset(paths, transform), 2, order=order, workers=workers))
    assert torch.cat([batch.index for batch in batches]).tolist() == order
    expected = np.stack([transform(Image.open(paths[index])) for index in order])
    assert np.array_equal(torch.cat([batch.pictures for batch in batches]).numpy(), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_pictures_are_skipped_with_their_reason(tmp_path: Path, workers: int) -> None:
    paths = _folder(tmp_path, bad=True)
    batches = list(load_batches(PictureDataset(paths, PictureTransform(8, MEAN, STD), on_bad="skip"), 1, workers=workers))
    assert torch.cat([batch.index for batch in batches]).tolist() == [0, 1, 2, 4, 6]
    skipped = [(bad.index, bad.path, bad.reason.split(";")[0]) for batch in batches for bad in batch.skipped]
    assert skipped == [(3, paths[3], "the file is empty (zero bytes)"), (5, paths[5], "picture not found")]


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_pictures_stop_with_our_error(tmp_path: Path, workers: int) -> None:
    paths = _folder(tmp_path, bad=True)
    with pytest.raises(PictureError) as caught:
        list(load_batches(PictureDataset(paths, PictureTransform(8, MEAN, STD)), 4, workers=workers))
    assert str(caught.value) == (
        f"{paths[3]}: the file is empty (zero bytes); copy it again or remove it (or go on without it: --on-bad-image skip)"
    )


def test_wrong_treatment_and_workers() -> None:
    with pytest.raises(TagLensError, match="unknown treatment of bad pictures 'ignore'"):
        PictureDataset([], PictureTransform(8, MEAN, STD), on_bad="ignore")
    assert default_workers(10) == 0
    assert 0 <= default_workers(100_000) <= 16


def test_reading_pictures_needs_no_torch() -> None:
    """The runtime without torch reads tables and pictures by the same code."""
    modules = (
        "taglens.datasets.source, taglens.datasets.pictures, taglens.datasets.transforms, taglens.datasets.files, taglens.labels.settings"
    )
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
