"""Tiny faithful copies of public data sets: the layouts of the genuine files, with every trap in them that is known to us."""

import gzip
import json
from pathlib import Path

from PIL import Image

from taglens.datasets.report_labels import CHEXPERT_CLASSES

CAR, TAXI, ORANGE, FRUIT, VEHICLE, WHEEL = "/m/0k4j", "/m/0pg52", "/m/0cyhj_", "/m/0jc_p", "/m/07yv9", "/m/083wq"
ONE, TWO, THREE, GONE = "000002b66c9c498e", "000e100000000000", "00045d609ca3f4eb", "ffff000000000001"


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64), "grey").save(path)


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join((*lines, ""))
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


HUMAN = (
    f"{ONE},verification,{CAR},1",
    f"{ONE},verification,{ORANGE},0",
    f"{ONE},crowdsource-verification,{CAR},1",  # the same again by another source
    f"{TWO},verification,{VEHICLE},0",  # an ImageID that pandas reads as infinity
    f"{TWO},verification,{TAXI},1",  # against the hierarchy: a vehicle is absent
    f"{THREE},verification,{TAXI},1",
    f"{THREE},verification,{FRUIT},1",
    f"{THREE},crowdsource-verification,{FRUIT},0",  # the two sources contradict each other
    f"{THREE},machine,{ORANGE},0.9",  # no label: a machine's confidence
    f"{GONE},verification,{WHEEL},1.0",  # its picture is gone
    f"{GONE},verification,/m/unlisted,1",
)


def openimages(root: Path, human: tuple[str, ...] = HUMAN, split: str = "train", trainable: bool = True) -> Path:
    """Classes of V6 with a header, a name that two classes share; a hierarchy with a virtual root and a Part."""
    write(root / f"oidv6-{split}-annotations-human-imagelabels.csv", "ImageID,Source,LabelName,Confidence", *human)
    write(root / f"{split}-annotations-machine-imagelabels.csv", "ImageID,Source,LabelName,Confidence", f"{ONE},machine,{TAXI},0.8")
    boxes = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"
    write(root / f"{split}-annotations-bbox.csv", boxes, f"{ONE},xclick,{CAR},1,0,1,0,1")
    names = {CAR: "Car", TAXI: '"Taxi, cab"', ORANGE: "Orange", FRUIT: "Orange", VEHICLE: "Vehicle", WHEEL: "Wheel", "/m/09": "Left out"}
    write(root / "oidv7-class-descriptions.csv", "LabelName,DisplayName", *(f"{mid},{name}" for mid, name in names.items()))
    if trainable:
        write(root / "oidv6-classes-trainable.txt", CAR, TAXI, ORANGE, FRUIT, VEHICLE, WHEEL)
    car = {"LabelName": CAR, "Subcategory": [{"LabelName": TAXI}], "Part": [{"LabelName": WHEEL}]}
    kinds = [{"LabelName": VEHICLE, "Subcategory": [car]}, {"LabelName": FRUIT}, {"LabelName": TAXI}]
    tree = {"LabelName": "/m/0bl9f", "Subcategory": kinds}
    write(root / "bbox_labels_600_hierarchy.json", json.dumps(tree))
    for name in (ONE, TWO, THREE):
        picture(root / split / f"{name}.jpg")
    return root


def lvis(root: Path, split: str = "val", **picture_fields: object) -> Path:
    """Pictures of both folders of COCO; negatives that are listed, one that is annotated too; a class that is not outlined everywhere."""
    address = "http://images.cocodataset.org"
    content = {
        "images": [
            {"id": 1, "coco_url": f"{address}/train2017/1.jpg", "neg_category_ids": [2], "not_exhaustive_category_ids": [1]},
            {"id": 2, "coco_url": f"{address}/val2017/2.jpg", "neg_category_ids": [1, 3], "not_exhaustive_category_ids": [2]},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 32, 64], "area": 9, "segmentation": []},
            {"id": 2, "image_id": 1, "category_id": 1, "bbox": [32, 0, 32, 64], "area": 9, "segmentation": []},
            {"id": 3, "image_id": 2, "category_id": 3, "bbox": [0, 0, 32, 32], "area": 9, "segmentation": []},
        ],
        "categories": [
            {"id": number, "name": name, "synset": f"{name}.n.01", "synonyms": [name], "def": "", "frequency": frequency, "image_count": 1}
            for number, name, frequency in ((1, "zebra", "f"), (2, "aerosol_can", "c"), (3, "yoke_(animal_equipment)", "r"))
        ],
    }
    for entry in content["images"]:
        entry |= {"height": 64, "width": 64} | picture_fields
        picture(root / "/".join(str(entry["coco_url"]).split("/")[-2:]))
    write(root / "annotations" / f"lvis_v1_{split}.json", json.dumps(content))
    return root


REPORT = {"no finding": "1.0,,,,,,,,,,,,,1.0", "edema?": ",,0.0,,,-1.0,,-1.0,1.0,,,,,", "nothing": ",,,,,,,,,,,,,"}
"""Cells of the 14 classes as reports give them: implied negatives; uncertain edema and pneumonia; a report without any mention."""
_HEADER = ",".join(CHEXPERT_CLASSES)


def chexpert(root: Path, folder: str = "CheXpert-v1.0-small", valid_patient: str = "patient64541") -> Path:
    """Two views of a study, a row that comes twice, blank cells and -1; ``valid`` without blanks."""
    top = f"Path,Sex,Age,Frontal/Lateral,AP/PA,{_HEADER}"
    one = f"{folder}/train/patient00001/study1"
    rows = [
        f"{one}/view1_frontal.jpg,Female,68,Frontal,AP,{REPORT['no finding']}",
        f"{one}/view2_lateral.jpg,Female,68,Lateral,,{REPORT['no finding']}",
        f"{folder}/train/patient00002/study2/view1_frontal.jpg,Male,91,Frontal,PA,{REPORT['edema?']}",
        f"{folder}/train/patient00002/study2/view1_frontal.jpg,Male,91,Frontal,PA,{REPORT['edema?']}",
    ]
    write(root / folder / "train.csv", top, *rows)
    valid = f"{folder}/valid/{valid_patient}/study1/view1_frontal.jpg"
    write(root / folder / "valid.csv", top, f"{valid},Male,73,Frontal,AP,{','.join(['0.0', '1.0'] * 7)}")
    for name in [row.split(",")[0] for row in rows] + [valid]:
        picture(root / name)
    return root


def mimic_cxr(root: Path) -> Path:
    """Labels of studies, packed; two programs that differ; lateral views; a study without a row."""
    top = f"subject_id,study_id,{_HEADER}"
    first, heart = f"10000032,50414267,{REPORT['no finding']}", REPORT["edema?"].replace("0.0", "1.0", 1)  # Cardiomegaly
    write(root / "mimic-cxr-2.0.0-chexpert.csv.gz", top, first, f"10000764,57375967,{REPORT['edema?']}")
    write(root / "mimic-cxr-2.0.0-negbio.csv.gz", top, first, f"10000764,57375967,{heart}")
    pictures = [("aa", "50414267", "10000032", "train", "PA"), ("bb", "50414267", "10000032", "train", "LATERAL")]
    pictures += [("cc", "57375967", "10000764", "train", "AP"), ("dd", "58000000", "10000764", "train", "")]
    pictures += [("ee", "57375967", "10000764", "test", "AP"), ("ff", "50414267", "10000032", "validate", "PA")]
    write(root / "mimic-cxr-2.0.0-split.csv.gz", "dicom_id,study_id,subject_id,split", *(",".join(each[:4]) for each in pictures))
    write(root / "mimic-cxr-2.0.0-metadata.csv.gz", "dicom_id,ViewPosition", *(f"{each[0]},{each[4]}" for each in pictures))
    for name, study, subject, *_ in pictures:
        picture(root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}" / f"{name}.jpg")
    return root


def vg200(root: Path, named: bool = True) -> Path:
    """Pictures in two folders, one in none, one listed twice, one without an entry."""
    write(root / "train_list_500.txt", "2.jpg", "1.jpg", "3.jpg", "2.jpg", "4.jpg")
    write(root / "test_list_500.txt", "1.jpg")
    write(root / "vg_category_200_labels_index.json", json.dumps({"1.jpg": [0, 199], "2.jpg": [5], "3.jpg": []}))
    if named:
        write(root / "classes.txt", *(f"thing {number}" for number in range(200)))
    for place in ("VG_100K/1.jpg", "VG_100K_2/2.jpg", "VG_100K/4.jpg"):
        picture(root / place)
    return root


def nuswide(root: Path) -> Path:
    """Backslashes in paths, blanks behind labels, concepts out of alphabetical order, a picture without concepts, one that is gone."""
    write(root / "ImageList" / "TrainImagelist.txt", "actor\\0001_2124494179.jpg", "actor\\0002_174174086.jpg ", "zebra\\0003_1.jpg", "")
    write(root / "ImageList" / "TestImagelist.txt", "actor\\0004_9.jpg")
    write(root / "ConceptsList" / "Concepts81.txt", "airport", "sky", "book")
    labels = {"airport": "100", "sky": "101", "book": "000"}
    for concept, found in labels.items():
        write(root / "TrainTestLabels" / f"Labels_{concept}_Train.txt", *(f"{code} " for code in found))
        write(root / "TrainTestLabels" / f"Labels_{concept}_Test.txt", "1 ")
    for name in ("actor/0001_2124494179.jpg", "actor/0002_174174086.jpg", "actor/0004_9.jpg"):
        picture(root / "Flickr" / name)
    return root


def cub(root: Path) -> Path:
    """Names of attributes one folder above; every certainty, rows with more columns, a label twice, one without a row."""
    folder = root / "CUB_200_2011"
    names = ["001.Black_footed_Albatross/B_0001.jpg", "001.Black_footed_Albatross/B_0002.jpg", "002.Laysan_Albatross/L_0003.jpg"]
    write(folder / "images.txt", *(f"{number} {name}" for number, name in enumerate(names, start=1)))
    write(folder / "train_test_split.txt", "1 1", "2 1", "3 0")
    write(root / "attributes.txt", "1 has_bill_shape::curved_(up_or_down)", "2 has_bill_shape::dagger", "3 has_wing_color::blue")
    write(folder / "attributes" / "certainties.txt", "1 not visible", "2 guessing", "3 probably", "4 definitely")
    write(
        folder / "attributes" / "image_attribute_labels.txt",
        "1 1 0 1 27.708", "1 2 1 2 27.7", "1 3 1 4 27.7",
        "2 1 1 3 0 1.509", "2 2 0 4 12.1", "2 2 1 4 12.2",  # more columns; then a label twice, otherwise
        "3 1 0 3 8.8", "3 2 0 1 8.8", "3 3 1 3 8.8",
    )  # fmt: skip
    for name in names:
        picture(folder / "images" / name)
    return root


def tables(root: Path) -> Path:
    """Tables of sets that have no reader, as they are published: other columns beside the tags, kaomoji, Python lists, verified cells."""
    write(
        root / "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position",
        "00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA",
        "00000002_000.png,No Finding,0,2,81,M,PA",
    )
    write(root / "planet.csv", "image_name,tags", "train_0.jpg,haze primary", "train_1.jpg,agriculture clear primary water")
    write(root / "danbooru.csv", "image,tags", "0970.jpg,1girl long_hair |_|", "0971.jpg,1girl smile")
    lists = ("\"['sky', 'water']\",train", "\"['sky']\",val")
    write(root / "nus_wid_data.csv", "filepath,label,split_name", *(f"{name}.jpg,{text}" for name, text in zip("ab", lists, strict=True)))
    write(root / "verified.csv", "image,class,value", "a.jpg,sky,1", "b.jpg,sky,0")
    for name in ("train_0.jpg", "train_1.jpg", "0970.jpg", "0971.jpg", "a.jpg", "b.jpg"):
        picture(root / name)
    for name in ("00000001_000.png", "00000002_000.png"):
        picture(root / "chestxray14" / name)
    return root


FOLDERS = {
    "OpenImages": openimages,
    "LVIS": lvis,
    "CheXpert": chexpert,
    "MIMIC-CXR": mimic_cxr,
    "VG": vg200,
    "NUS-WIDE": nuswide,
    "CUB": cub,
    ".": tables,
}
"""Where docs/how-to/data-sets.md supposes each set to be -> what writes it there."""


def write_all(root: Path) -> None:
    """Write every set."""
    for folder, build in FOLDERS.items():
        build(root / folder)
