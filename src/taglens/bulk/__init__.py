"""Predictions for millions of pictures: divided into parts, each written once as a Parquet file, whatever is killed on the way.

It must not know what a model is made of, only the interface of ``taglens.inference.model``; nor runs, nor the web.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.bulk.plan import BulkPlan, BulkSettings
    from taglens.bulk.predict import PartCounts, predict_part, run_here
    from taglens.bulk.ray import Workers, run_on_ray
    from taglens.bulk.sources import BulkPart, list_parts, read_part

__all__ = [
    "BulkPart",
    "BulkPlan",
    "BulkSettings",
    "PartCounts",
    "Workers",
    "list_parts",
    "predict_part",
    "read_part",
    "run_here",
    "run_on_ray",
]

__getattr__, __dir__ = lazy_face(
    "taglens.bulk",
    {
        **dict.fromkeys(("BulkPlan", "BulkSettings"), "taglens.bulk.plan"),
        **dict.fromkeys(("PartCounts", "predict_part", "run_here"), "taglens.bulk.predict"),
        **dict.fromkeys(("Workers", "run_on_ray"), "taglens.bulk.ray"),
        **dict.fromkeys(("BulkPart", "list_parts", "read_part"), "taglens.bulk.sources"),
    },
)
