"""LVIS v1: COCO's pictures with federated labels. Pure functions from files to a LabelTable.

Files and fields are those that lvis-api reads. The numbers of pictures and classes (100,170 and 19,809; 1,203) we know from memory only
and do not check against. Classes were sampled by how frequent they are: rare ones have the most known negatives.

Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance Segmentation", CVPR 2019.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from taglens.datasets.coco import Instances, boxes_of, instances_table, read_instances
from taglens.datasets.official import find_file, picture_folder, said
from taglens.datasets.pictures import Box
from taglens.errors import TableError
from taglens.labels.table import LabelTable

_GROUPS = {"r": "rare", "c": "common", "f": "frequent"}


def read_lvis(root: Path, split: str, images: Path | None = None) -> LabelTable:
    """Read ``lvis_v1_<split>.json`` (train or val) in ``root`` or its folder ``annotations``.

    A class is present where the picture has an annotation of it, absent where the picture lists it in ``neg_category_ids``, and not checked
    everywhere else. ``not_exhaustive_category_ids`` only says that not all its objects are outlined: it is present all the same.
    The pictures are COCO's, named by the last two parts of their address: those of val lie in ``train2017`` and in ``val2017``.

    Raises:
        TableError: no such file, no instances file, or one whose pictures list no ``neg_category_ids``.
    """
    path = _file(root, split)
    where = f"lvis {split}"
    instances = read_instances([path])
    bare = sum("neg_category_ids" not in picture for picture in instances.pictures)
    if bare:
        raise TableError(
            f"{path}: {bare:,} of {len(instances.pictures):,} pictures have no 'neg_category_ids', so nothing says what is absent; "
            "expected the official file of LVIS v1 (a COCO file is read by its own name)"
        )
    root = Path(root)
    folders = [folder for folder in (root, root / "images") if any((folder / part).is_dir() for part in ("train2017", "val2017"))]
    table = instances_table(instances, picture_folder(images, *folders, root), where, split, annotated_only=False)
    policy = "annotated is present, listed in neg_category_ids is absent, all else was not checked"
    return replace(table, warnings=(said(where, policy, table.labels), *table.warnings, *_noticed(path, instances, where)))


def lvis_boxes(root: Path, split: str) -> dict[str, list[Box]]:
    """Return the boxes of every picture of a split that has any, as :func:`taglens.datasets.coco.coco_boxes` does."""
    path = _file(root, split)
    return boxes_of(read_instances([path]), path)


def _file(root: Path, split: str) -> Path:
    return find_file([Path(root), Path(root) / "annotations"], [f"lvis_v1_{split}.json"], f"LVIS v1 {split} split")


def _noticed(path: Path, instances: Instances, where: str) -> list[str]:
    """Say how many classes are rare, common and frequent, and what is listed as not exhaustive."""
    annotated = {(annotation["image_id"], annotation["category_id"]) for annotation in instances.annotations}
    listed = [(picture["id"], identity) for picture in instances.pictures for identity in picture.get("not_exhaustive_category_ids") or ()]
    without = len(set(listed) - annotated)
    notes = [f"{where}: {len(listed):,} labels are of classes not outlined everywhere in the picture; present all the same"] * bool(listed)
    notes += [f"{where}: {without:,} of them are not outlined at all; taken as not checked"] * bool(without)
    groups = Counter(instances.frequencies)
    named = ", ".join(f"{groups[key]:,} {word}" for key, word in _GROUPS.items() if groups[key])
    return [*notes, *[f"{where}: classes: {named}"] * bool(named)]
