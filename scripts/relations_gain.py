"""What closure under relations brings: drawn scenes with parent classes, the same run with and without, three masks.

    python -m scripts.relations_gain --pictures 1500 --known 0.1 --out runs/relations

Prints a table for docs/log.md.
"""

import argparse
from pathlib import Path

import numpy as np

from taglens.datasets.scenes.dataset import write_scenes
from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.train import train_run

PARENTS = {
    "animal": ("fish", "bird", "cat", "dog"),
    "vehicle": ("boat", "car", "bicycle", "balloon"),
    "furniture": ("lamp", "chair", "table"),
    "sky": ("sun", "moon", "cloud", "star"),
    "plant": ("tree", "flower", "mushroom"),
}
"""A parent is present where one of its children is."""
SHOWN = ("mAP", "CF1_thresholds", "OF1_thresholds", "ECE")


def with_parents(table: LabelTable) -> LabelTable:
    """Return the fully labelled ``table`` with a class for each parent."""
    columns = [table.labels.positive[:, [table.classes.index(child) for child in children]].any(axis=1) for children in PARENTS.values()]
    values = np.concatenate([table.labels.values, np.stack(columns, axis=1).astype(np.int8)], axis=1)
    return LabelTable(table.images, (*table.classes, *PARENTS), PartialLabels(values), splits=table.splits, root=table.root)


def main() -> None:
    """Draw, train and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1500)
    parser.add_argument("--known", type=float, default=0.1)
    parser.add_argument("--out", type=Path, default=Path("runs/relations"))
    asked = parser.parse_args()
    drawn = asked.out / "drawn"
    drawn.mkdir(parents=True, exist_ok=True)
    with_parents(write_scenes(drawn, asked.pictures, seed=7)).write(drawn / "with_parents.csv", force=True)
    lines = [f"{child} > {parent}\n" for parent, children in PARENTS.items() for child in children]
    (asked.out / "kinds.txt").write_text("".join(lines), "utf-8")
    headings = ("seed", "relations", "known labels", *SHOWN)
    print(f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}")
    data = DataConfig(data=str(drawn / "with_parents.csv"), backbone="tiny")
    for seed in range(3):
        for relations in (None, asked.out / "kinds.txt"):
            config = RunConfig(data=data, known=asked.known, seed=seed, relations=relations)
            result = train_run(config, asked.out / "run", force=True, progress=False, say=lambda line: None)
            found = result.evaluation.to_json()
            numbers = " | ".join(f"{found[name]:.1f}" for name in SHOWN)
            known = int(result.labels.labels.known.sum())
            print(f"| {seed} | {'no' if relations is None else 'yes'} | {known:,} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
