"""Run folders from strangers: whatever is in them, the answer is a RunError or BackboneError with the file's name, never a crash."""

import json
import os
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from taglens.backbones.openclip import load_backbone
from taglens.errors import TagLensError
from taglens.methods import method_config
from taglens.recognizer import Recognizer

CLASSES = ("dog", "cat")


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("tiny")


@pytest.fixture
def run(backbone, tmp_path):
    folder = tmp_path / "run"
    Recognizer.create(backbone, "linear_probe", method_config("linear_probe")(), CLASSES, CLASSES).save(folder)
    return folder


def described(**changes):
    """Replace entries of recognizer.json; a name like backbone__spec is an entry inside another."""

    def apply(folder):
        path = folder / "recognizer.json"
        facts = json.loads(path.read_text())
        for name, value in changes.items():
            outer, _, inner = name.partition("__")
            if inner:
                facts[outer][inner] = value
            else:
                facts[outer] = value
        path.write_text(json.dumps(facts))

    return apply


def written(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def weighed(change):
    """Change the tensors."""

    def apply(folder):
        path = folder / "weights.safetensors"
        tensors = dict(load_file(path))
        change(tensors)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)

    return apply


def huge(folder):
    """A file of 1 GB that takes no space on the disk."""
    with (folder / "recognizer.json").open("r+b") as file:
        file.truncate(10**9)


def linked(target):
    def apply(folder):
        (folder / "weights.safetensors").unlink()
        (folder / "weights.safetensors").symlink_to(target)

    return apply


def piped(folder):
    (folder / "weights.safetensors").unlink()
    os.mkfifo(folder / "weights.safetensors")


def foldered(folder):
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").mkdir()


def header(length, content=b"{}"):
    return struct.pack("<Q", length) + content


def offsets(begin, end):
    text = json.dumps({"method.weight": {"dtype": "F32", "shape": [2, 2], "data_offsets": [begin, end]}}).encode()
    return header(len(text), text + b"\0" * 16)


def grow(name, tensor):
    return weighed(lambda tensors: tensors.update({name: tensor}))


WRONG = "do not fit each other"
ATTACKS = {
    "JSON of a gigabyte": (huge, "1,000,000,000 bytes, at most 67,108,864 are read"),
    "JSON nested without end": (written("recognizer.json", b"[" * 200_000), "nested too deeply"),
    "JSON with NaN": (written("recognizer.json", b'{"format": NaN}'), "NaN is no JSON"),
    "not JSON": (written("recognizer.json", b"\x80\x04\x95pickle"), "not JSON"),
    "an empty file": (written("recognizer.json", b""), "not JSON"),
    "a list": (written("recognizer.json", b"[]"), "expected the entries backbone, classes"),
    "a later format": (described(format=99), "format 99, this version reads 1"),
    "no classes": (described(classes=[]), "expected classes to be a list of different names"),
    "a class twice": (described(classes=["dog", "dog"]), "expected classes to be a list of different names"),
    "classes that are numbers": (described(classes=[1, 2]), "expected classes to be a list of different names"),
    "a class too many": (described(classes=["dog", "cat", "cow"]), "expected prompt_names to be a name for each class"),
    "a class too many, named": (
        described(classes=["dog", "cat", "cow"], prompt_names=["dog", "cat", "cow"], thresholds=[0.5] * 3),
        WRONG,
    ),
    "prompt names as text": (described(prompt_names="dog"), "expected prompt_names to be a name for each class"),
    "thresholds out of range": (described(thresholds=[0.5, 7]), "expected thresholds to be a number in 0..1"),
    "thresholds as text": (described(thresholds=["0.5", "0.5"]), "expected thresholds to be a number in 0..1"),
    "no backbone": (described(backbone="tiny"), "expected backbone with spec, fingerprint and an image_size"),
    "pictures of a million pixels' side": (described(backbone__image_size=10**6), "an image_size in 1..4096"),
    "a truth for a size": (described(backbone__image_size=True), "an image_size in 1..4096"),
    "a map that is none": (described(backbone__map="auto"), "expected backbone with one of the maps plain, value, self_attention"),
    "a map as a list": (described(backbone__map=["plain"]), "expected backbone with one of the maps plain, value, self_attention"),
    "a map that the backbone has not": (described(backbone__map="value"), "choose the map auto or plain"),
    "another backbone": (described(backbone__fingerprint="0" * 32), "trained on a backbone with other weights"),
    "an unknown backbone": (described(backbone__spec="tyni"), "tyni"),
    "an absolute path for a backbone": (
        described(backbone__spec="/etc/passwd.json:/etc/passwd"),
        "cannot read the backbone's configuration",
    ),
    "a path upwards for a backbone": (
        described(backbone__spec="../../x.json:../../../etc/passwd"),
        "cannot read the backbone's configuration",
    ),
    "an unknown method": (described(method__name="__class__"), "unknown method '__class__'"),
    "a method's path": (described(method__name="os.system"), "unknown method 'os.system'"),
    "an option that is none": (described(method__options={"__init__": 1}), WRONG),
    "options as a list": (described(method__options=[1]), "expected method with name and options"),
    "a method that is none": (described(method="linear_probe"), "expected method with name and options"),
    "weights that are a pickle": (written("weights.safetensors", b"\x80\x04\x95\x00."), "not a whole safetensors file"),
    "empty weights": (written("weights.safetensors", b""), "not a whole safetensors file"),
    "a header of 2^63 bytes": (written("weights.safetensors", header(2**63)), "not a whole safetensors file"),
    "a header that ends after the file": (written("weights.safetensors", header(10**6)), "not a whole safetensors file"),
    "a tensor beyond the file": (written("weights.safetensors", offsets(0, 10**12)), "not a whole safetensors file"),
    "offsets that do not fit the shape": (written("weights.safetensors", offsets(0, 4)), "not a whole safetensors file"),
    "weights that link out": (linked("/etc/passwd"), "not a whole safetensors file"),
    "weights that link to nothing": (linked("nowhere"), "no such file"),
    "weights that link to themselves": (linked("weights.safetensors"), "weights.safetensors"),
    "weights from an endless device": (linked("/dev/zero"), "no such file"),
    "weights that are a pipe": (piped, "no such file"),
    "weights that are a folder": (foldered, "no such file"),
    "no weights": (lambda folder: (folder / "weights.safetensors").unlink(), "no such file"),
    "a tensor too many": (grow("method.extra", torch.zeros(3)), WRONG),
    "a tensor missing": (weighed(lambda tensors: tensors.pop("text_vectors")), WRONG),
    "a tensor of another shape": (grow("method.weight", torch.zeros(2, 3)), WRONG),
    "text vectors of another shape": (grow("text_vectors", torch.zeros(3)), WRONG),
    "NaN": (grow("text_vectors", torch.full((2, 256), float("nan"))), "text_vectors has values that are not finite"),
    "infinity": (grow("method.weight", torch.full((2, 256), float("inf"))), "method.weight has values that are not finite"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_refused_with_the_reason(run, attack, capsys):
    apply, expected = ATTACKS[attack]
    apply(run)
    with pytest.raises(TagLensError) as refused:
        Recognizer.load(run)
    assert expected in str(refused.value)


def test_other_number_formats_are_brought_to_the_methods_own(run):
    weighed(lambda tensors: tensors.update({name: tensor.double() for name, tensor in tensors.items() if name.startswith("method.")}))(run)
    assert all(weight.dtype == torch.float32 for weight in Recognizer.load(run).method.parameters())
