"""VOC 2007 through CLIP's RN101 at 448 pixels: trainval 5,011 pictures, test 4,952, 20 classes, difficult objects as negatives.

Each recipe is that of COCO with other data and, where the source says so, another rate. Time: the features of all 9,963 pictures cost
0.48 s each on 2 cores (80 minutes, once for all recipes and shares) and take 2 GB; the rest is computed from the number of steps.
"""

from dataclasses import replace

from recipes import coco2014
from taglens.runs.config import DataConfig, RunConfig

CLASSES = 20


def semantic_aware(root: str, known: float) -> RunConfig:
    """TagLens's own semantic_aware with its defaults.

    Command: python -m recipes voc2007.semantic_aware --root /data/VOCdevkit
    Published: nothing, it is this project's; to compare with: PositiveCoOp 91.4 at 10 %, average 93.6.
    Expected: 1,000 steps for each share, minutes on a GPU, 20 minutes on 2 cores.
    """
    return _on_voc(coco2014.semantic_aware("", known), root)


def semantic_aware_paper(root: str, known: float) -> RunConfig:
    """The paper's form (reconstruction), see ``coco2014.semantic_aware_paper``.

    Command: python -m recipes voc2007.semantic_aware_paper --root /data/VOCdevkit
    Published: its tables were not available to this project.
    Expected: as semantic_aware.
    """
    return _on_voc(coco2014.semantic_aware_paper("", known), root)


def dualcoop(root: str, known: float) -> RunConfig:
    """DualCoOp; rate 0.001 instead of 0.002 (README of sunxm2357/DualCoOp).

    Command: python -m recipes voc2007.dualcoop --root /data/VOCdevkit
    Published: 90.3 92.2 92.8 93.3 93.6 93.9 94.0 94.1 94.2 at 10 .. 90 %, average 93.2; 3.6 hours on one GPU.
    Expected: 6,700 steps for each share, half an hour on a GPU, 3 hours on 2 cores.
    """
    training = coco2014.dualcoop_training(rate=0.001, classes=CLASSES)
    return replace(_on_voc(coco2014.dualcoop("", known), root), training=training)


def positive_coop(root: str, known: float) -> RunConfig:
    """PositiveCoOp; rate 0.001 instead of 0.002 (README of SamyakR99/PositiveCoOp).

    Command: python -m recipes voc2007.positive_coop --root /data/VOCdevkit
    Published: 91.4 92.8 93.4 93.6 93.8 94.0 94.2 94.2 94.3 at 10 .. 90 %, average 93.6; 3 hours on one GPU.
    Expected: half of dualcoop.
    """
    return replace(_on_voc(coco2014.positive_coop("", known), root), training=dualcoop(root, known).training)


def vision_only(root: str, known: float) -> RunConfig:
    """A linear layer on the pooled vector, see ``coco2014.vision_only``.

    Command: python -m recipes voc2007.vision_only --root /data/VOCdevkit
    Published: nothing for this data set; 1.5 hours on one GPU.
    Expected: a minute for each share once the features are there.
    """
    return _on_voc(coco2014.vision_only("", known), root)


def _on_voc(config: RunConfig, root: str) -> RunConfig:
    return replace(config, data=DataConfig(data=f"voc2007:{root}", backbone=config.data.backbone, image_size=config.data.image_size))
