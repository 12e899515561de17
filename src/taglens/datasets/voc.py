"""PASCAL VOC in its official layout: JPEGImages, ImageSets/Main, Annotations. Pure functions from files to a LabelTable.

Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from taglens.datasets.pictures import Box
from taglens.encoded import read_text
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
    official scoring leaves it out (unknown). All other labels are known. A folder with classes that VOC does not have, as labelImg and CVAT
    write them, is read with its own, which the table's warnings say.

    Raises:
        TableError: the folder, the split or a file is missing, or a line cannot be understood.
    """
    if difficult not in DIFFICULT:
        raise unknown_name("treatment of difficult objects", difficult, DIFFICULT)
    folder = voc_folder(root, year)
    names = _split_names(folder, split)
    main = folder / "ImageSets" / "Main"
    listed = sorted(path.name.removesuffix(f"_{split}.txt") for path in main.glob(f"?*_{split}.txt"))
    own = [name for name in listed if name not in VOC_CLASSES]
    notes: list[str] = []
    if listed:
        classes = _listed_classes(main, split, listed, own, notes)
        codes = np.stack([_codes_from_list(main / f"{name}_{split}.txt", names) for name in classes], axis=1)
    else:
        classes = _annotated_classes(folder, names, notes)
        codes = _codes_from_xml(folder, names, classes)
    return LabelTable(
        images=tuple(f"{name}.jpg" for name in names),
        classes=classes,
        labels=_decide(codes, difficult),
        splits=(split,) * len(names),
        root=folder / "JPEGImages",
        warnings=tuple(f"voc{year} {split}: {note}" for note in notes),
    )


def _listed_classes(main: Path, split: str, listed: list[str], own: list[str], notes: list[str]) -> tuple[str, ...]:
    """Return the classes that have a list: VOC's, or where others have one all that do."""
    if not own:
        missing = next((name for name in VOC_CLASSES if name not in listed), None)
        if missing is not None:
            raise TableError(
                f"{main / f'{missing}_{split}.txt'}: not found although other classes have theirs; restore it, or remove them all to use "
                "the XML files"
            )
        return VOC_CLASSES
    notes.append(f"own classes: the {len(listed)} that have a list in ImageSets/Main, such as {own[0]!r}, which VOC does not have")
    return tuple(listed)


def _annotated_classes(folder: Path, names: list[str], notes: list[str]) -> tuple[str, ...]:
    """Return VOC's classes if the annotations name no others, else those of all annotations, whatever the split, by name."""
    stems = dict.fromkeys((*names, *sorted(path.stem for path in (folder / "Annotations").glob("*.xml"))))
    named = [found.findtext("name", "").strip() for stem in stems for found in _objects(folder, stem).iter("object")]
    if "" in named:
        notes.append(f"left out: {named.count('')} objects without a name")
    classes = tuple(sorted({*named} - {""}))
    own = [name for name in classes if name not in VOC_CLASSES]
    if not own:
        return VOC_CLASSES
    shown = ", ".join(map(repr, own[:8])) + (f" and {len(own) - 8} more" if len(own) > 8 else "")
    notes.append(
        f"own classes: the annotations name {len(classes)}, among them {shown}, which VOC does not have; what is not annotated is absent"
    )
    return classes


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
    return [line.split()[0] for line in read_text(path).splitlines() if line.strip()]


def _codes_from_list(path: Path, names: list[str]) -> np.ndarray:
    codes: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        parts = line.split()
        if parts and (len(parts) != 2 or parts[1] not in ("1", "-1", "0")):
            raise TableError(f"{path}, row {number}: expected a picture and 1, -1 or 0, came {line.strip()!r}; correct the line")
        if parts:
            codes[parts[0]] = int(parts[1])
    missing = next((name for name in names if name not in codes), None)
    if missing is not None:
        raise TableError(f"{path}: no line for picture {missing!r} of the split; restore the official file")
    return np.array([codes[name] for name in names], dtype=np.int8)


def _codes_from_xml(folder: Path, names: list[str], classes: tuple[str, ...]) -> np.ndarray:
    codes = np.full((len(names), len(classes)), -1, dtype=np.int8)
    column = {name: number for number, name in enumerate(classes)}
    for row, name in enumerate(names):
        for found in _objects(folder, name).iter("object"):
            label = column.get(found.findtext("name", "").strip())
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
