"""What the commands train and demo ask for and print; the training itself is tested where it lives."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from taglens.cli.main import main
from taglens.datasets.source import DataOptions
from taglens.metrics import evaluate
from taglens.runs.config import DataConfig, RunConfig
from taglens.training.config import TrainConfig

TRUTH = np.array([[1, 0], [0, 1]], np.int8)


@pytest.fixture
def asked(monkeypatch):
    """The configurations that reach train_run."""
    calls = []

    def train_run(config, out, *, force, resume, progress, say):
        calls.append((config, out, force))
        return SimpleNamespace(
            evaluation=evaluate(TRUTH * 0.9, TRUTH, "ab"),
            baseline=evaluate(1 - TRUTH, TRUTH, "ab"),
            fit=SimpleNamespace(stopped=None),
            evaluated_on="test part",
            warnings=("fewer dogs",),
            checked=(),
        )

    monkeypatch.setattr("taglens.runs.train.train_run", train_run)
    return calls


def test_train_hands_every_option_on(asked, capsys, tmp_path):
    names = tmp_path / "names.json"
    names.write_text('{"tvmonitor": "television"}')
    line = (
        "voc2012:root --known 0.1 --seed 3 --backbone RN101/openai --image-size 448 --method coop --device cpu --force --on-bad-image skip"
    )
    more = "--out there --cache here --difficult unknown --training.epochs 2 --training.loss-options gamma_negative 4"
    features = "--views 2 --backbone-precision float16 --map value"
    options = "--method-options per_class true context_length 8"
    assert main(["train", *line.split(), *more.split(), *features.split(), *options.split(), "--names", str(names)]) == 0
    assert asked == [
        (
            RunConfig(
                data=DataConfig(
                    data="voc2012:root",
                    backbone="RN101/openai",
                    image_size=448,
                    backbone_precision="float16",
                    map="value",
                    views=2,
                    names={"tvmonitor": "television"},
                    options=DataOptions(difficult="unknown"),
                    on_bad="skip",
                    cache=Path("here"),
                    device="cpu",
                ),
                method="coop",
                method_options={"per_class": True, "context_length": 8},
                known=0.1,
                seed=3,
                training=TrainConfig(epochs=2, loss_options={"gamma_negative": 4}),
            ),
            Path("there"),
            True,
        )
    ]
    printed = capsys.readouterr()
    assert "coop" in printed.out
    assert "100.0" in printed.out
    assert "there/report.html" in printed.err


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_no_view_is_refused(asked, capsys, command):
    assert main([command, "scenes:40", "--views", "0"]) == 2
    assert "--views is the number of views of each training picture, at least 1; came 0" in " ".join(capsys.readouterr().err.split())


def test_train_hides_nothing_unless_asked(asked, capsys):
    assert main(["train", "labels.csv"]) == 0
    config, _, force = asked[0]
    assert (config.known, config.data.backbone, config.method, force) == (None, "RN101/openai", "semantic_aware", False)
    capsys.readouterr()


def test_demo_is_a_training_on_scenes(asked, capsys, tmp_path):
    assert main(["demo", "--out", str(tmp_path), "--scenes", "50", "--force"]) == 0
    config, out, force = asked[0]
    assert (config.data.data, config.known, out, force) == ("scenes:50", 0.1, tmp_path, True)
    assert config.data.backbone == "tiny"
    assert "50 drawn scenes, 10% of the training labels known" in capsys.readouterr().err


@pytest.fixture
def devices(monkeypatch):
    """Set what torch finds here."""

    def there(*names):
        monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in names)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in names)

    return there


@pytest.mark.parametrize(("device", "said"), [("cuda", "finds no CUDA device"), ("mps", "finds no MPS device")])
def test_a_device_that_is_not_there_is_refused(asked, capsys, devices, device, said):
    devices()
    assert main(["train", "labels.csv", "--device", device]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert asked == []


@pytest.mark.parametrize(
    ("there", "given", "taken"),
    [
        ((), "auto", "cpu"),
        (("mps",), "auto", "mps"),
        (("cuda", "mps"), "auto", "cuda"),
        (("cuda", "mps"), "mps", "mps"),
        (("cuda", "mps"), "cpu", "cpu"),
    ],
)
def test_the_fastest_device_is_taken(asked, capsys, devices, there, given, taken):
    devices(*there)
    assert main(["train", "labels.csv", "--device", given]) == 0
    assert asked[0][0].data.device == taken
    capsys.readouterr()


def test_without_a_network_the_error_says_what_to_fetch(capsys, tmp_path):
    """The default is a download; whoever cannot reach it is told how to bring it, and of the backbone that needs none."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    (tmp_path / "labels.csv").write_text("image,dog\na.jpg,1\n")
    assert main(["train", str(tmp_path / "labels.csv"), "--out", str(tmp_path / "run")]) == 2
    shown = capsys.readouterr().err
    assert sum(line.startswith("error ") for line in shown.splitlines()) == 1
    said = " ".join(shown.split())
    for words in ("RN101/openai", "fetch open_clip_config.json and open_clip_model.safetensors from https://huggingface.co/timm/resnet101"):
        assert words in said
    assert "--backbone /path/open_clip_config.json:/path/open_clip_model.safetensors" in said
    assert "for drawn things --backbone tiny needs no download" in said
    assert not (tmp_path / "run").exists()


def test_a_wrong_method_option_lists_the_right_ones(capsys, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("image,dog\na.jpg,1\n")
    assert main(["train", str(table), "--method", "coop", "--method-options", "depth", "3", "--out", str(tmp_path / "run")]) == 2
    assert "Its options: per_class, context_start, context_length, prompt_rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "warned"),
    [
        ("labels.csv --backbone tiny", True),
        ("labels.csv", False),
        ("scenes:60", False),
        ("scenes:60 --backbone tiny", False),
        ("labels.csv --backbone RN101/openai", False),
    ],
)
def test_tiny_is_not_for_photos(asked, capsys, line, warned):
    assert main(["train", *line.split(), "--out", "there"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert ("for photos name a CLIP, such as --backbone RN101/openai" in said) is warned
    assert ("next: taglens predict there PICTURES" in said) is (not line.startswith("scenes:"))
