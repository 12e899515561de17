"""Published results, to stand beside ours where data, backbone and picture size are the same.

Source: the tables of DualCoOp (NeurIPS 2022) and PositiveCoOp (WACV 2025); RN101, 448 pixels, mAP without interpolation at 10 .. 90 %
known labels and the average. Peers train with augmentation and choose the best epoch on the test set; TagLens does neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PUBLISHED_KNOWN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True)
class PublishedRow:
    """One method's row."""

    name: str
    scores: Sequence[float | None]
    """mAP in percent at 10 .. 90 %."""
    average: float


_NONE = (None,) * 9

PUBLISHED: Mapping[str, Sequence[PublishedRow]] = {
    "coco2014": (
        PublishedRow("SST", (68.1, 73.5, 75.9, 77.3, 78.1, 78.9, 79.2, 79.6, 79.9), 76.7),
        PublishedRow("SARB", (71.2, 75.0, 77.1, 78.3, 78.9, 79.6, 79.8, 80.5, 80.5), 77.9),
        PublishedRow("DualCoOp", (78.7, 80.9, 81.7, 82.0, 82.5, 82.7, 82.8, 83.0, 83.1), 81.9),
        PublishedRow("vision-only linear", (78.9, 80.6, 81.3, 81.9, 82.7, 82.8, 82.9, 83.2, 83.5), 82.0),
        PublishedRow("SCPNet", (80.3, 82.2, 82.8, 83.4, 83.8, 83.9, 84.0, 84.1, 84.2), 83.2),
        PublishedRow("PositiveCoOp", (79.8, 82.1, 83.0, 83.5, 83.7, 83.9, 84.0, 84.2, 84.4), 83.2),
        PublishedRow("DualCoOp + TaI-DPT", _NONE, 83.6),
    ),
    "voc2007": (
        PublishedRow("SST", (81.5, 89.0, 90.3, 91.0, 91.6, 92.0, 92.5, 92.6, 92.7), 90.4),
        PublishedRow("SARB", (83.5, 88.6, 90.7, 91.4, 91.9, 92.2, 92.6, 92.8, 92.9), 90.7),
        PublishedRow("DualCoOp", (90.3, 92.2, 92.8, 93.3, 93.6, 93.9, 94.0, 94.1, 94.2), 93.2),
        PublishedRow("SCPNet", (91.1, 92.8, 93.5, 93.6, 93.8, 94.0, 94.1, 94.2, 94.3), 93.5),
        PublishedRow("PositiveCoOp", (91.4, 92.8, 93.4, 93.6, 93.8, 94.0, 94.2, 94.2, 94.3), 93.6),
        PublishedRow("DualCoOp + TaI-DPT", (93.3, *_NONE[1:]), 94.8),
    ),
}
"""Data set -> rows."""


def published_rows(settings: Mapping[str, Any], metric: str) -> Sequence[PublishedRow]:
    """Return the published rows that a sweep with these settings (of sweep.json) may be compared with, mostly none.

    The data set, the backbone (RN101 of OpenAI at 448 pixels), the way of hiding labels and the metric must all be the published ones.
    """
    data = settings["data"]
    same = (
        metric == "mAP"
        and settings["setting"] == "proportion"
        and data["backbone"].startswith("RN101/openai")
        and data["image_size"] == 448
        and data["options"]["split"] is None
    )
    return PUBLISHED.get(data["data"].partition(":")[0], ()) if same else ()
