"""PASCAL VOC in its official layout: JPEGImages, ImageSets/Main, Annotations. Pure functions from files to a LabelTable.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from taglens.datasets.pictures import Box
from taglens.errors import TableError, unknown_name
from taglens.labels.codes import from_codes
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable

VOC_CLASSES: tuple[str, ...] = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

Difficult = Literal["negative", "unknown", "positive"]
DIFFICULT: dict[str, int] = {"negative": NEGATIVE, "unknown": UNKNOWN, "positive": POSITIVE}


def read_voc(root: Path, year: int, split: str, difficult: Difficult = "negative") -> LabelTable:
    """Read one official split such as ``trainval`` of VOC ``year``.

    Labels come from ``ImageSets/Main/<class>_<split>.txt`` (1 present, -1 absent, 0 seen only as difficult), or where these files are
    missing from the XML annotations. ``difficult`` says what "seen only as difficult" becomes: negative is what the field does,
    official scoring leaves it out (unknown). All other labels are known.

    Raises:
        TableError: the folder, the split or a file is missing, or a line cannot be understood.
    """
    if difficult not in DIFFICULT:
        raise unknown_name("treatment of difficult objects", difficult, DIFFICULT)
    folder = voc_folder(root, year)
    names = _split_names(folder, split)
    lists = [folder / "ImageSets" / "Main" / f"{name}_{split}.txt" for name in VOC_CLASSES]
    found = [path for path in lists if path.is_file()]
    if not found:
        codes = _codes_from_xml(folder, names)
    elif len(found) < len(lists):
        missing = next(path for path in lists if not path.is_file())
        raise TableError(f"{missing}: not found although other classes have theirs; restore it, or remove them all to use the XML files")
    else:
        codes = np.stack([_codes_from_list(path, names) for path in lists], axis=1)
    return LabelTable(
        images=tuple(f"{name}.jpg" for name in names),
        classes=VOC_CLASSES,
        labels=_decide(codes, difficult),
        splits=(split,) * len(names),
        root=folder / "JPEGImages",
    )


def _decide(codes: np.ndarray, difficult: Difficult) -> PartialLabels:
    values = from_codes(codes, "voc").values
    return PartialLabels(np.where(codes == 0, np.int8(DIFFICULT[difficult]), values))


def voc_folder(root: Path, year: int) -> Path:
    """Return ``VOC<year>`` at, in or below ``root`` (``VOCdevkit/VOC2012``).

    Raises:
        TableError: none of these folders has ImageSets/Main.
    """
    folders = [Path(root) / part for part in (f"VOC{year}", f"VOCdevkit/VOC{year}", ".")]
    for folder in folders:
        if (folder / "ImageSets" / "Main").is_dir() and (folder.name == f"VOC{year}" or folder == folders[-1]):
            return folder
    raise TableError(f"{root}: no VOC{year}/ImageSets/Main in it; expected the VOCdevkit folder of VOC {year}")


def _split_names(folder: Path, split: str) -> list[str]:
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        known = sorted(file.stem for file in path.parent.glob("*.txt") if "_" not in file.stem)
        raise TableError(f"{path}: no such split; choose one of: {', '.join(known) or 'none is there'}")
    return [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _codes_from_list(path: Path, names: list[str]) -> np.ndarray:
    codes: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        parts = line.split()
        if parts and (len(parts) != 2 or parts[1] not in ("1", "-1", "0")):
            raise TableError(f"{path}, row {number}: expected a picture and 1, -1 or 0, came {line.strip()!r}; correct the line")
        if parts:
            codes[parts[0]] = int(parts[1])
    missing = next((name for name in names if name not in codes), None)
    if missing is not None:
        raise TableError(f"{path}: no line for picture {missing!r} of the split; restore the official file")
    return np.array([codes[name] for name in names], dtype=np.int8)


def _codes_from_xml(folder: Path, names: list[str]) -> np.ndarray:
    codes = np.full((len(names), len(VOC_CLASSES)), -1, dtype=np.int8)
    column = {name: number for number, name in enumerate(VOC_CLASSES)}
    for row, name in enumerate(names):
        for found in _objects(folder, name).iter("object"):
            label = column.get(found.findtext("name", ""))
            if label is not None:
                code = 0 if found.findtext("difficult", "0").strip() == "1" else 1
                codes[row, label] = max(code, codes[row, label])
    return codes


def _objects(folder: Path, name: str) -> ElementTree.Element:
    path = folder / "Annotations" / f"{name}.xml"
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError as error:
        raise TableError(f"{path}: not found, and ImageSets/Main has no list for each class; restore one of the two") from error
    except ElementTree.ParseError as error:
        raise TableError(f"{path}: not readable as XML ({error}); restore the official file") from error


def voc_boxes(root: Path, year: int, images: Iterable[str]) -> dict[str, list[Box]]:
    """Return the boxes in the XML annotations of ``images`` (names such as 2007_000063.jpg), difficult objects included.

    Raises:
        TableError: an annotation is missing or cannot be read.
    """
    folder = voc_folder(root, year)
    return {image: _boxes(_objects(folder, Path(image).stem), folder, image) for image in images}


def _boxes(annotation: ElementTree.Element, folder: Path, image: str) -> list[Box]:
    try:
        width, height = (float(annotation.findtext(f"size/{side}", "")) for side in ("width", "height"))
        boxes = []
        for found in annotation.iter("object"):
            left, top, right, bottom = (float(found.findtext(f"bndbox/{edge}", "")) for edge in ("xmin", "ymin", "xmax", "ymax"))
            # VOC counts pixels from 1 and names the last one inside.
            boxes.append(Box(found.findtext("name", ""), (left - 1) / width, (top - 1) / height, right / width, bottom / height))
    except (ValueError, ZeroDivisionError) as error:
        raise TableError(f"{folder / 'Annotations'}/{Path(image).stem}.xml: a size or box is no number ({error})") from error
    return boxes
