"""Is the promised precision of `taglens complete` kept? Measured on labels that were hidden from it.

For each seed 30 % of the labels stay known, the table is completed, and the filled cells are compared with the hidden truth.
Every seed is written to OUT as soon as it is done; the same command goes on where it was stopped.

    python scripts/completion_precision.py voc2012:/data/VOCdevkit --backbone clip.json:clip.safetensors --out runs/completion/voc
    python scripts/completion_precision.py scenes:2000 --backbone tiny --out runs/completion/scenes
    python scripts/completion_precision.py --table docs/results/completion.md runs/completion/voc runs/completion/scenes
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from taglens.backbones.openclip import load_backbone
from taglens.completion.calibration import cross_calibrate
from taglens.completion.cross_fit import cross_fit, picture_folds
from taglens.completion.filling import Filling, Statement, Targets, fill
from taglens.datasets.source import read_data
from taglens.features.extract import extract_features
from taglens.labels.hiding import keep_known
from taglens.labels.names import prompt_names
from taglens.labels.states import NEGATIVE, POSITIVE, PartialLabels
from taglens.metrics.calibration import expected_calibration_error
from taglens.outputs import write_json, write_text
from taglens.recognizer import Recognizer
from taglens.runs.prepare import PreparedPart
from taglens.sweeps.variants import parse_variants
from taglens.training.config import TrainConfig

CONFIDENCE = 0.9
QUESTIONS = ((0.80, 0.95), (0.90, 0.98), (0.95, 0.99))
"""(precision, negative predictive value) pairs that are asked of the same probabilities."""


def main() -> None:
    """Measure the seeds that are not there yet, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="name:root of data with complete labels; with --table: folders of finished measurements")
    parser.add_argument("--table", type=Path, help="write this Markdown file from finished folders and measure nothing")
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--out", type=Path, default=Path("runs/completion/latest"))
    parser.add_argument("--known", type=float, default=0.3)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--method", default="semantic_aware[prompts=template,hidden=64]", help="as taglens sweep names it")
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    if chosen.table is not None:
        write_text(chosen.table, table([read(Path(folder)) for folder in chosen.data]))
        print(f"wrote {chosen.table}")
    else:
        measure(chosen)


def measure(chosen: argparse.Namespace) -> None:
    """Measure every seed that has no file yet; the whole of the data is one table here."""
    table = read_data(chosen.data[0], "all")
    backbone = load_backbone(chosen.backbone)
    features = extract_features(table, backbone, store=chosen.cache)
    part = PreparedPart(table=table, features=features, whole=table)
    settings = {name: str(getattr(chosen, name)) for name in ("known", "folds", "epochs", "method")} | {
        "data": chosen.data[0].partition(":")[0],
        "backbone": Path(chosen.backbone.partition(":")[0]).stem,
        "pictures": len(table),
        "classes": len(table.classes),
    }
    training = TrainConfig(epochs=chosen.epochs)
    [variant] = parse_variants([chosen.method])
    recognizer = Recognizer.create(backbone, variant.method, variant.config(), table.classes, prompt_names(table.classes))
    for seed in range(chosen.seeds):
        path = chosen.out / f"seed-{seed:02d}.json"
        if path.is_file():
            continue
        start = time.perf_counter()
        found = one_seed(recognizer, training, part, chosen.known, chosen.folds, seed)
        write_json(path, {"settings": settings, "seed": seed, "seconds": round(time.perf_counter() - start, 1)} | found)
        print(f"seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)


def one_seed(recognizer: Recognizer, training: TrainConfig, part: PreparedPart, known: float, folds: int, seed: int) -> dict[str, Any]:
    """Hide labels, complete, and compare with the truth."""
    truth = part.table.labels
    labels = keep_known(truth, known, seed)
    division = picture_folds(part.features, folds, seed)
    raw = cross_fit(recognizer, training, part, labels, division)
    probabilities = cross_calibrate(raw, labels, division)
    rows = []
    for precision, npv in QUESTIONS:
        targets = Targets(precision=precision, npv=npv, confidence=CONFIDENCE)
        rows += compare(fill(probabilities, labels, targets), labels, truth, part.table.classes, targets)
    hidden = np.where(labels.known, np.int8(-1), truth.values)
    errors = {
        name: round(expected_calibration_error(found, PartialLabels(hidden)), 4)
        for name, found in (("raw", raw), ("calibrated", probabilities))
    }
    return {"calibration_error": errors, "unknown": int(labels.unknown.sum()), "rows": rows}


def compare(
    filling: Filling, labels: PartialLabels, truth: PartialLabels, classes: tuple[str, ...], targets: Targets
) -> list[dict[str, Any]]:
    """Return a row for each promise that was made: its class or the pool, the filled cells and the right ones among them."""
    rows = []
    assert filling.absent is not None
    assert targets.npv is not None
    for value, wanted, statements in ((POSITIVE, targets.precision, filling.present), (NEGATIVE, targets.npv, filling.absent)):
        rest = int((labels.unknown & (truth.values == value)).sum())
        rows += [
            {"asked": wanted, "value": value, "cells_of_value": rest} | count(name, places, filling, labels, truth, value)
            for name, places in promised(statements, classes)
        ]
        rows.append({"asked": wanted, "value": value, "cells_of_value": rest, "name": None, "filled": 0, "right": 0})
    return rows


def promised(statements: tuple[Statement, ...], classes: tuple[str, ...]) -> list[tuple[str, list[int]]]:
    """Return what was promised: classes alone, and the pool as one."""
    alone = [(classes[place], [place]) for place, found in enumerate(statements) if found.basis == "class"]
    pool = [place for place, found in enumerate(statements) if found.basis == "pooled"]
    return [*alone, *([("(pooled)", pool)] if pool else [])]


def count(name: str, places: list[int], filling: Filling, labels: PartialLabels, truth: PartialLabels, value: int) -> dict[str, Any]:
    """Count the filled cells of some classes, and the right ones."""
    filled = labels.unknown[:, places] & (filling.labels.values[:, places] == value)
    return {"name": name, "filled": int(filled.sum()), "right": int((filled & (truth.values[:, places] == value)).sum())}


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the finished seeds of a folder."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("seed-*.json"))]
    if not found:
        raise SystemExit(f"{folder}: no finished seed")
    return found


def table(experiments: list[list[dict[str, Any]]]) -> str:
    """Return the page of results."""
    lines = ["# Is the promised precision kept?", "", "Made by `scripts/completion_precision.py`; do not edit.", ""]
    lines += [
        f"Labels are hidden, the table is completed at confidence {CONFIDENCE}, and the filled cells are compared with the hidden truth. "
        "A promise is one (seed, class) pair with cells filled on a promise of its own; it is kept if at least the asked share of "
        "them is right. At least 90 % of the promises that are made must be kept. Pooled promises are of several classes together and "
        "counted apart. The last two columns: how much of the unknown part was filled.",
    ]
    for seeds in experiments:
        facts = seeds[0]["settings"]
        lines += [
            "",
            f"## {facts['data']}, {facts['backbone']}",
            "",
            f"{facts['pictures']:,} pictures, {facts['classes']} classes, {float(facts['known']):.0%} of the labels "
            f"known, {len(seeds)} seeds; "
            f"`{facts['method']}`, {facts['epochs']} epochs, {facts['folds']} folds; "
            f"{np.mean([seed['seconds'] for seed in seeds]):.0f} s for one seed. Expected calibration error on the hidden labels: "
            f"{np.mean([seed['calibration_error']['raw'] for seed in seeds]):.3f} as trained, "
            f"{np.mean([seed['calibration_error']['calibrated'] for seed in seeds]):.3f} calibrated.",
            "",
            "| filled as | asked | promises | kept | precision, all filled | pooled promises | kept "
            "| unknown cells filled | of the cells with that value |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
        ]
        questions = dict.fromkeys((row["value"], row["asked"]) for seed in seeds for row in seed["rows"])
        lines += [line(seeds, value, asked) for value, asked in sorted(questions, key=lambda question: (-question[0], question[1]))]
    return "\n".join(lines) + "\n"


def line(seeds: list[dict[str, Any]], value: int, asked: float) -> str:
    """Return the row of one question."""
    rows = [row for seed in seeds for row in seed["rows"] if (row["value"], row["asked"]) == (value, asked)]
    made = [row for row in rows if row["filled"]]
    alone, pooled = ([row for row in made if (row["name"] == "(pooled)") is wanted] for wanted in (False, True))
    filled, right = sum(row["filled"] for row in made), sum(row["right"] for row in made)
    wanted = sum(row["cells_of_value"] for row in rows if row["name"] is None)
    unknown = sum(seed["unknown"] for seed in seeds)
    cells = [
        "present" if value == POSITIVE else "absent",
        f"{asked:.0%}",
        str(len(alone)),
        kept(alone, asked),
        "–" if not filled else f"{right / filled:.1%}",
        str(len(pooled)),
        kept(pooled, asked),
        f"{filled / unknown:.1%}",
        f"{right / max(1, wanted):.1%}",
    ]
    return f"| {' | '.join(cells)} |"


def kept(rows: list[dict[str, Any]], asked: float) -> str:
    """Return the share of promises that were kept."""
    return "–" if not rows else f"{np.mean([row['right'] >= asked * row['filled'] - 1e-9 for row in rows]):.1%}"


if __name__ == "__main__":
    main()
