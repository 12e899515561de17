"""The features of pictures: computed once by a frozen backbone, kept on disk by content, read back as tensors.

The store is only a cache: it may be deleted at any time. Knows backbones and pictures; nothing of labels' states, methods or training.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.features.extract import StoredFeatures, extract_features, open_store
    from taglens.features.location import CachedStore, cache_folder, evict, list_stores
    from taglens.features.store import FeatureStore, Key

__all__ = ["CachedStore", "FeatureStore", "Key", "StoredFeatures", "cache_folder", "evict", "extract_features", "list_stores", "open_store"]

__getattr__, __dir__ = lazy_face(
    "taglens.features",
    {
        **dict.fromkeys(("StoredFeatures", "extract_features", "open_store"), "taglens.features.extract"),
        **dict.fromkeys(("CachedStore", "cache_folder", "evict", "list_stores"), "taglens.features.location"),
        **dict.fromkeys(("FeatureStore", "Key"), "taglens.features.store"),
    },
)
