"""Every published setting runs, so that none rots; the numbers it stands for are those of the published tables."""

import re

import pytest

from recipes.__main__ import RECIPES, Options, main, tiny
from taglens.errors import TagLensError
from taglens.runs.train import train_run
from taglens.sweeps.tables import PUBLISHED

ROWS = {"dualcoop": "DualCoOp", "positive_coop": "PositiveCoOp", "vision_only": "vision-only linear"}


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_runs_on_drawn_scenes(name, tmp_path):
    config = tiny(RECIPES[name]("", 0.5))
    result = train_run(config, tmp_path / "run", progress=False, say=lambda _: None)
    assert result.fit.stopped is None
    assert 0 < result.evaluation.to_json()["mAP"] <= 100


@pytest.mark.parametrize("name", RECIPES)
def test_the_docstring_holds_its_command_and_the_published_row(name):
    data, method = name.split(".")
    words = " ".join(RECIPES[name].__doc__.split())
    assert f"python -m recipes {name} --root" in words
    assert "Expected:" in words
    row = next((row for row in PUBLISHED[data] if row.name == ROWS.get(method)), None)
    if row is None:
        assert re.search("nothing|not available", words)
    else:
        assert " ".join(map(str, row.scores)) + f" at 10 .. 90 %, average {row.average}" in words


@pytest.mark.parametrize("name", RECIPES)
def test_the_published_data_backbone_and_size(name):
    config = RECIPES[name]("folder", 0.1)
    assert config.data.data == f"{name.split('.')[0]}:folder"
    assert (config.data.backbone, config.data.image_size, config.setting, config.known) == ("RN101/openai", 448, "proportion", 0.1)


def test_settings_that_the_sources_give_by_share():
    """DualCoOp shares the contexts where the share is very small; its rates are those of the two data sets."""
    coco, voc = RECIPES["coco2014.dualcoop"], RECIPES["voc2007.dualcoop"]
    assert [coco("", known).method_options["per_class"] for known in (0.1, 0.2, 0.9)] == [False, True, True]
    assert coco("", 0.5).training.rate == pytest.approx(0.002 * 0.03 * 32 * 80 * 0.5)
    assert voc("", 0.5).training.rate == pytest.approx(0.001 * 0.03 * 32 * 20 * 0.5)
    assert coco("", 0.5).data.options.annotated_only


@pytest.mark.slow
def test_from_the_command_line(tmp_path, capsys):
    options = Options(name="voc2007.vision_only", tiny=True, known=(0.5,), out=tmp_path)
    assert main(options) == 0
    assert "PositiveCoOp (published)" in capsys.readouterr().out
    weights = tmp_path / "voc2007.vision_only" / "known0.5-tiny" / "weights.safetensors"
    written = weights.stat().st_mtime_ns
    assert main(options) == 0
    assert weights.stat().st_mtime_ns == written, "a finished run is not done again"
    with pytest.raises(TagLensError, match=r"did you mean 'voc2007.dualcoop'"):
        main(Options(name="voc2007.dualcop", tiny=True))
    with pytest.raises(TagLensError, match="--root is needed"):
        main(Options(name="voc2007.dualcoop"))
    assert main(Options()) == 0
    assert "coco2014.dualcoop: DualCoOp." in capsys.readouterr().out
