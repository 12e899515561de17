"""What every HTML page is made of: templates, the table of scores, curves as inline SVG, pictures with heatmaps.

A page is one file that loads nothing from elsewhere. Knows nothing of runs, sweeps or completion: they bring the values.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.pages.gallery import GalleryItem, gallery_cards
    from taglens.pages.page import ScoreRow, score_table
    from taglens.pages.plots import history_plots, inline_svg, reliability_plot

__all__ = ["GalleryItem", "ScoreRow", "gallery_cards", "history_plots", "inline_svg", "reliability_plot", "score_table"]

__getattr__, __dir__ = lazy_face(
    "taglens.pages",
    {
        "GalleryItem": "taglens.pages.gallery",
        "ScoreRow": "taglens.pages.page",
        "gallery_cards": "taglens.pages.gallery",
        "history_plots": "taglens.pages.plots",
        "inline_svg": "taglens.pages.plots",
        "reliability_plot": "taglens.pages.plots",
        "score_table": "taglens.pages.page",
    },
)
