"""Which number the papers on a public data set report, so that a number is compared with the same one."""

from collections.abc import Mapping
from typing import NamedTuple

from taglens.datasets.report_labels import FIVE


class Reported(NamedTuple):
    """What papers on one data set report."""

    metric: str
    """In words."""
    keys: tuple[str, ...]
    """The numbers of ``metrics.json`` that are this metric."""
    source: str
    """Who reports it so."""
    classes: tuple[str, ...] = ()
    """The metric is the mean over these classes; none: over all."""
    caution: str = ""
    """Where our number and theirs differ."""

    def sentence(self) -> str:
        """Return it in one line."""
        return f"papers on this data set report {self.metric} ({self.source})" + (f"; {self.caution}" if self.caution else "")


_VOC = Reported(
    "mAP, interpolated (HCP-MLR-PL) or not (DualCoOp, SCPNet)",
    ("mAP", "mAP_interpolated"),
    "published tables of partial labels",
    caution="the two differ: compare like with like",
)
_COCO = _VOC._replace(metric=f"{_VOC.metric}, CF1 and OF1", keys=(*_VOC.keys, "CF1", "OF1"))

REPORTED: Mapping[str, Reported] = {
    "voc2007": _VOC,
    "voc2012": _VOC,
    "coco2014": _COCO,
    "coco2017": _COCO,
    "openimages": Reported(
        "mAP over the verified cells of each class",
        ("mAP",),
        "CSL; the Open Images V2 evaluation of TensorFlow",
        caution="unknown cells scored as absent give far lower numbers",
    ),
    "lvis": Reported("mAP over the annotated cells of each class", ("mAP",), "CSL", caution="detection AP is another number"),
    "chexpert": Reported(
        f"the mean AUROC of {', '.join(FIVE)}",
        ("AUROC_named",),
        "Irvin et al. 2019",
        classes=FIVE,
        caution="theirs takes the maximum over the views of a study, ours is per picture",
    ),
    "mimic-cxr": Reported("AUROC of each class", ("AUROC",), "common practice, not from a single paper", caution="ours is per picture"),
    "vg200": Reported("interpolated mAP", ("mAP_interpolated",), "HCP-MLR-PL"),
    "nuswide": Reported("mAP, not interpolated", ("mAP",), "ASL, TaI-DPT", caution="each on a split of its own"),
    "cub": Reported("mAP over the 312 attributes", ("mAP",), "SPML", caution="theirs ignores certainty (--certainty any)"),
}
"""Name of a data set -> what papers on it report."""


def reported(data: str) -> Reported | None:
    """Return what papers on ``data`` (``name:root``) report; None for a table of one's own."""
    return REPORTED.get(data.partition(":")[0]) if ":" in data else None
