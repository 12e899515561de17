"""What relations bring: pictures with parent classes added, the same run with and without relations, three masks.

    python -m scripts.relations_gain --pictures 1500 --known 0.1 --out runs/relations
    python -m scripts.relations_gain --data voc2012:VOCdevkit --backbone CONFIG:WEIGHTS --out runs/relations

Prints a table for docs/log.md: without relations, with the labels that they settle only, and with probabilities that agree, too (the same
run and thresholds).
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from taglens.datasets.scenes.dataset import write_scenes
from taglens.datasets.source import DataOptions, read_data
from taglens.labels.states import NEGATIVE, POSITIVE, UNKNOWN, PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from taglens.metrics.threshold import reached
from taglens.recognizer import Recognizer
from taglens.relations import read_relations
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.prepare import prepare
from taglens.runs.train import score_rows, train_run

SCENES = {
    "animal": ("fish", "bird", "cat", "dog"),
    "vehicle": ("boat", "car", "bicycle", "balloon"),
    "furniture": ("lamp", "chair", "table"),
    "sky": ("sun", "moon", "cloud", "star"),
    "plant": ("tree", "flower", "mushroom"),
}
VOC = {
    "animal": ("bird", "cat", "cow", "dog", "horse", "sheep"),
    "vehicle": ("aeroplane", "bicycle", "boat", "bus", "car", "motorbike", "train"),
    "furniture": ("chair", "diningtable", "sofa"),
}
"""A parent is present where one of its children is; of children that a table lacks nothing is said."""
FEWEST = 20
"""Pictures of a part that show a class; where one picture decides, CF1 says nothing."""
SHOWN = ("mAP", "CF1_thresholds", "OF1_thresholds", "ECE")


def children_in(table: LabelTable, parents: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return the parents with those children that are classes of the table; a parent of fewer than two adds nothing."""
    found = {parent: [child for child in children if child in table.classes] for parent, children in parents.items()}
    return {parent: children for parent, children in found.items() if len(children) > 1}


def with_parents(table: LabelTable, parents: Mapping[str, list[str]]) -> LabelTable:
    """Return ``table`` with a class for each parent, unknown where no child is present and one is unknown."""
    columns = []
    for children in parents.values():
        places = [table.classes.index(child) for child in children]
        present, unknown = table.labels.positive[:, places].any(1), table.labels.unknown[:, places].any(1)
        columns.append(np.where(present, POSITIVE, np.where(unknown, UNKNOWN, NEGATIVE)))
    values = np.concatenate([table.labels.values, np.stack(columns, axis=1).astype(np.int8)], axis=1)
    return LabelTable(table.images, (*table.classes, *parents), PartialLabels(values), splits=table.splits, root=table.root)


def both_parts(data: str) -> LabelTable:
    """Return the training and the test part of ``data`` as one table, of the classes that both show often enough to be judged."""
    train, test = (read_data(data, part) for part in ("train", "test"))
    often = np.flatnonzero(np.minimum(*(part.labels.positive.sum(0) for part in (train, test))) >= FEWEST)
    values = np.concatenate([train.labels.values, test.labels.values])[:, often]
    splits = ("train",) * len(train) + ("test",) * len(test)
    return LabelTable(
        (*train.images, *test.images), tuple(train.classes[place] for place in often), PartialLabels(values), splits=splits, root=train.root
    )


def row(seed: int, kind: str, known: int, probabilities: NDArray[np.float32], test: LabelTable, recognizer: Recognizer, kinds: Path) -> str:
    """Return a row of the table: the test part's numbers, and what share of pairs of a picture and a relation tags break."""
    found = evaluate(probabilities, test.labels, recognizer.classes, recognizer.thresholds).to_json()
    broken = read_relations(kinds, test.classes).broken_share(reached(probabilities, recognizer.thresholds))
    return f"| {seed} | {kind} | {known:,} | {' | '.join(f'{found[name]:.1f}' for name in SHOWN)} | {broken:.2%} |"


def main() -> None:
    """Draw, train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--data")
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--known", type=float, default=0.1)
    parser.add_argument("--out", type=Path, default=Path("runs/relations"))
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    table = both_parts(asked.data) if asked.data else write_scenes(asked.out / "drawn", asked.pictures, seed=7)
    parents = children_in(table, VOC if asked.data else SCENES)
    file, kinds = asked.out / "with_parents.csv", asked.out / "kinds.txt"
    with_parents(table, parents).write(file, force=True)
    kinds.write_text("".join(f"{child} > {parent}\n" for parent, children in parents.items() for child in children), "utf-8")
    data = DataConfig(data=str(file), options=DataOptions(images=table.root), backbone=asked.backbone)
    headings = ("seed", "relations", "known labels", *SHOWN, "broken by tags")
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    test = prepare(data, progress=False).test
    assert test is not None
    for seed in range(3):
        for relations in (None, kinds):
            config = RunConfig(data=data, known=asked.known, seed=seed, relations=relations)
            result = train_run(config, asked.out / "run", force=True, progress=False, say=lambda line: None)
            recognizer, known = result.recognizer, int(result.labels.labels.known.sum())
            parts = {"no": None} if relations is None else {"labels only": None, "yes": recognizer.relations}
            for kind, agreed in parts.items():
                recognizer.relate(agreed)
                probabilities = score_rows(recognizer, test, np.arange(len(test.table)))
                print(row(seed, kind, known, probabilities, test.table, recognizer, kinds), flush=True)


if __name__ == "__main__":
    main()
