"""A wrong name is answered with the nearest right one and with all of them, wherever it is given."""

import pytest

from taglens.cli.main import main
from taglens.labels.hiding import SETTINGS
from taglens.losses import LOSSES
from taglens.methods import METHODS
from taglens.sweeps.variants import GROUPS, VARIANTS

SWEEP = ("sweep", "scenes:60", "--known", "0.5", "--out", "OUT")
TRAIN = ("train", "scenes:60", "--known", "0.5", "--out", "OUT")
SEMANTIC_AWARE = ("decoupling", "prompts", "guide", "attention_start", "residual", "mix")


@pytest.mark.parametrize(
    ("line", "nearest", "all_names"),
    [
        # a method, misspelt
        ((*TRAIN, "--method", "dualcop"), "did you mean 'dualcoop'", METHODS),
        # a sweep also knows variants and groups
        ((*SWEEP, "--methods", "zero_shoot"), "did you mean 'zero_shot'", (*METHODS, *VARIANTS, *GROUPS)),
        ((*SWEEP, "--methods", "coop", "ablations"), "did you mean 'ablation'", (*METHODS, *VARIANTS, *GROUPS)),
        # a loss, of all methods or of one
        ((*TRAIN, "--training.loss", "partial_bc"), "did you mean 'partial_bce'", LOSSES),
        ((*SWEEP, "--methods", "coop", "--training.loss", "focal"), "", LOSSES),
        ((*SWEEP, "--methods", "coop[training.loss=partial_focl]"), "did you mean 'partial_focal'", LOSSES),
        # an option of a loss
        ((*TRAIN, "--training.loss", "partial_focal", "--training.loss-options", "gammma", "1"), "gammma", ("gamma",)),
        ((*TRAIN, "--training.loss-options", "gamma", "1"), "there is none", ()),
        # an option of a method
        ((*TRAIN, "--method-options", "decouple", "false"), "decouple", SEMANTIC_AWARE),
        ((*SWEEP, "--methods", "both[decouple=false]"), "decouple", SEMANTIC_AWARE),
        # a setting of training
        ((*SWEEP, "--methods", "coop[training.epoch=3]"), "did you mean 'epochs'", ("rate", "batch_size")),
        # a way of hiding labels
        ((*TRAIN, "--setting", "single"), "", SETTINGS),
        ((*SWEEP, "--setting", "single"), "", SETTINGS),
        # a way of naming classes
        ((*SWEEP, "--class-names", "code"), "", ("own", "codes", "shuffled")),
        # one of a ViT's dense maps
        ((*TRAIN, "--map", "values"), "", ("auto", "plain", "value", "self_attention")),
        ((*SWEEP, "--map", "values"), "", ("auto", "plain", "value", "self_attention")),
        # a data set
        (("train", "voc2070:data"), "did you mean 'voc2007'", ("voc2012", "coco2014", "coco2017", "scenes")),
    ],
)
def test_wrong_names_list_the_right_ones(line, nearest, all_names, capsys, tmp_path):
    try:
        status = main([str(tmp_path / "out") if word == "OUT" else word for word in line])
    except SystemExit as end:  # options with a fixed choice end the command while they are read
        status = end.code
    shown = "".join(capsys.readouterr().err.split())
    assert status == 2
    assert nearest.replace(" ", "") in shown
    assert [name for name in all_names if name not in shown] == []
