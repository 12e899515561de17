"""From pictures to probabilities, files of them, and heatmaps, by a run or by an exported file behind one interface.

It must not know how a model was trained or stored by a run, nor the web; nothing here holds more than a few batches.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.inference.heatmap import overlay, seen_box
    from taglens.inference.heatmap_files import HeatmapFolder, save_heatmaps
    from taglens.inference.model import NameScorer, PictureModel, load_model, model_hash
    from taglens.inference.predictor import PicturePrediction, predict_pictures
    from taglens.inference.writers import write_predictions

__all__ = [
    "HeatmapFolder",
    "NameScorer",
    "PictureModel",
    "PicturePrediction",
    "load_model",
    "model_hash",
    "overlay",
    "predict_pictures",
    "save_heatmaps",
    "seen_box",
    "write_predictions",
]

__getattr__, __dir__ = lazy_face(
    "taglens.inference",
    {
        **dict.fromkeys(("overlay", "seen_box"), "taglens.inference.heatmap"),
        **dict.fromkeys(("HeatmapFolder", "save_heatmaps"), "taglens.inference.heatmap_files"),
        **dict.fromkeys(("NameScorer", "PictureModel", "load_model", "model_hash"), "taglens.inference.model"),
        **dict.fromkeys(("PicturePrediction", "predict_pictures"), "taglens.inference.predictor"),
        "write_predictions": "taglens.inference.writers",
    },
)
