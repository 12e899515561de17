"""Do the statements of `taglens complete` hold? Counted on labels that were hidden from it, at random and not.

Labels are hidden in each of several ways, the table is completed, and what is said of the filled cells is compared with the hidden truth.
Every table is written to OUT as soon as it is done; the same command goes on where it was stopped.

    python scripts/completion_guarantees.py drawn --seeds 200 --out runs/drawn
    python scripts/completion_guarantees.py scenes:2000 --seeds 50 --out runs/scenes
    python scripts/completion_guarantees.py voc2012:/data/VOCdevkit --backbone clip.json:clip.safetensors --seeds 20 --out runs/voc
    python scripts/completion_guarantees.py --table docs/results/completion.md runs/drawn runs/scenes runs/voc
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from ways_of_missing import WAYS

from taglens.backbones.openclip import load_backbone
from taglens.completion.assumption import find_assumption
from taglens.completion.complete import pooled_vectors
from taglens.completion.config import CompleteConfig, Statement, Targets
from taglens.completion.filling import fill
from taglens.completion.scores import CellScores, judge_cells
from taglens.datasets.source import read_data
from taglens.features.extract import extract_features
from taglens.labels.names import prompt_names
from taglens.labels.states import POSITIVE, UNKNOWN, PartialLabels
from taglens.methods import build_config
from taglens.outputs import write_json, write_text
from taglens.recognizer import Recognizer
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.prepare import PreparedPart

CONFIDENCE, PRECISION = 0.9, 0.9
STATEMENTS: tuple[Statement, ...] = ("table", "class", "average")
DRAWN_PICTURES, DRAWN_CLASSES = 3000, 20

Judge = Callable[[PartialLabels], CellScores]


def main() -> None:
    """Measure the tables that are not there yet, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", nargs="+", help="drawn, or name:root of data with complete labels; with --table: folders of finished measurements"
    )
    parser.add_argument("--table", type=Path, help="write this Markdown file from finished folders and measure nothing")
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--out", type=Path, default=Path("runs/latest"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    if chosen.table is not None:
        write_text(chosen.table, page([read(Path(folder)) for folder in chosen.data]))
        return
    setting = drawn if chosen.data[0] == "drawn" else photos(chosen.data[0], chosen.backbone, chosen.cache)
    for seed in range(chosen.seeds):
        for way in chosen.ways:
            path = chosen.out / f"{way.replace(' ', '-').replace(',', '').replace('%', 'percent')}-{seed:03d}.json"
            if not path.is_file():
                start = time.perf_counter()
                rows = one_table(*setting(seed), way, seed)
                facts = {
                    "data": chosen.data[0].partition(":")[0],
                    "way": way,
                    "seed": seed,
                    "seconds": round(time.perf_counter() - start, 1),
                }
                write_json(path, facts | {"rows": rows})
                print(f"seed {seed}, {way}: {time.perf_counter() - start:.0f} s", flush=True)


def drawn(seed: int) -> tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float32] | None, Judge]:
    """Return a table of drawn scores: 20 classes of 2 to 30 % prevalence, separated by 1.5 to 3.5 deviations, badly calibrated."""
    random = np.random.default_rng(seed)
    prevalence = np.exp(random.uniform(np.log(0.02), np.log(0.3), DRAWN_CLASSES))
    apart = random.uniform(1.5, 3.5, DRAWN_CLASSES)
    states = (random.random((DRAWN_PICTURES, DRAWN_CLASSES)) < prevalence).astype(np.int8)
    scores = random.normal(size=states.shape) + apart * states
    true_logits = apart * scores - apart**2 / 2 + np.log(prevalence / (1 - prevalence))
    stated = np.exp(random.normal(0, 0.15, DRAWN_CLASSES)) * true_logits + random.normal(0, 0.2, DRAWN_CLASSES)

    def judge(labels: PartialLabels) -> CellScores:
        known = (labels.positive.sum() + 1) / (labels.negative.sum() + 1)
        shift = np.log(known / (prevalence.sum() / (DRAWN_CLASSES - prevalence.sum()))) if labels.negative.any() else 0.0
        return CellScores(stated + shift, expit(stated), "drawn", ())

    return states, random.normal(size=states.shape) + apart * states, None, judge


def photos(
    data: str, backbone: str, cache: Path | None
) -> Callable[[int], tuple[NDArray[np.int8], NDArray[np.float64], NDArray[np.float32] | None, Judge]]:
    """Return the whole of some data as one table, judged by the exact head; the model that suggests is CLIP without training."""
    table = read_data(data, "all")
    features = extract_features(table, load_backbone(backbone), store=cache)
    clip, names = load_backbone(backbone), prompt_names(table.classes)
    recognizer = Recognizer.create(clip, "semantic_aware", build_config("semantic_aware", {}), table.classes, names)
    zero_shot = Recognizer.create(clip, "zero_shot", build_config("zero_shot", {}), table.classes, names)
    part = PreparedPart(table=table, features=features, whole=table)
    trained = RunConfig(data=DataConfig(data=data, backbone=backbone))
    pooled = pooled_vectors(features)
    starts = range(0, len(features), 256)
    rows = [np.arange(start, min(start + 256, len(features))) for start in starts]
    suggestions = np.concatenate([zero_shot.probabilities(features.gather(some)).numpy() for some in rows]).astype(np.float64)

    def judge(labels: PartialLabels) -> CellScores:
        return judge_cells(recognizer, trained, part, labels, CompleteConfig(run=Path("run")))

    return lambda seed: (table.labels.values, suggestions, pooled, judge)


def one_table(
    truth: NDArray[np.int8],
    suggestions: NDArray[np.float64],
    pooled: NDArray[np.float32] | None,
    judge: Judge,
    way: str,
    seed: int,
) -> list[dict[str, Any]]:
    """Hide labels, complete, and compare with the truth; a row for each kind of statement."""
    known = WAYS[way](np.random.default_rng([seed, 1]), truth, suggestions)
    labels = PartialLabels(np.where(known, truth, np.int8(UNKNOWN)))
    scores = judge(labels)
    nothing = np.zeros(truth.shape, dtype=bool)
    classes = tuple(str(number) for number in range(truth.shape[1]))
    assumption = find_assumption(scores, labels.values, nothing, classes, None, pooled)
    rows = []
    for statement in STATEMENTS:
        targets = Targets(precision=PRECISION, confidence=CONFIDENCE, guarantee=statement)
        filled = fill(scores.probabilities, labels, targets, assumption).filled(POSITIVE)
        right = filled & (truth == POSITIVE)
        rest = (truth == POSITIVE) & labels.unknown
        per_class = [right[:, column].sum() < PRECISION * filled[:, column].sum() for column in np.flatnonzero(filled.any(0))]
        rows.append(
            {
                "statement": statement,
                "filled": int(filled.sum()),
                "right": int(right.sum()),
                "present": int(rest.sum()),
                "classes": len(per_class),
                "classes_broken": int(sum(per_class)),
                "odds": round(min(assumption.present, 1e6), 3),
                "refused": assumption.refused,
            }
        )
    return rows


def read(folder: Path) -> list[dict[str, Any]]:
    """Return the finished tables of a folder."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    if not found:
        raise SystemExit(f"{folder}: no finished table")
    return found


def page(experiments: list[list[dict[str, Any]]]) -> str:
    """Return the page of results."""
    lines = ["# Do the statements of completion hold?", "", "Made by `scripts/completion_guarantees.py`; do not edit.", ""]
    lines += [
        f"Labels are hidden in several ways, the table is completed with `--precision {PRECISION:g}` at {CONFIDENCE:.0%} confidence, and "
        "the cells filled as present are compared with the hidden truth.",
        "",
        "- `table`: broken if fewer than that share of all filled cells are right, which may happen in 10 % of the tables.",
        "- `class`: the same of each class by itself: with a chance of at most 10 % a class is filled and broken. Where few classes are "
        "filled, a larger share of these may be.",
        "- `average`: says nothing of one table; the mean precision must be at least what was asked.",
        "",
        "Recall: filled cells that are right, of all present cells that were unknown.",
    ]
    for tables in experiments:
        heads = "| labels | statement | tables | nothing filled | broken | mean precision | recall | odds ratio counted with |"
        lines += ["", f"## {tables[0]['data']}", "", heads, "|---|---|---:|---:|---:|---:|---:|---:|"]
        for way in [way for way in WAYS if any(one["way"] == way for one in tables)]:
            rows = [row for one in tables if one["way"] == way for row in one["rows"]]
            lines += [_line(way, statement, [row for row in rows if row["statement"] == statement]) for statement in STATEMENTS]
        seconds = [one["seconds"] for one in tables]
        lines += ["", f"Seconds for one table: {np.median(seconds):.1f} (median), {max(seconds):.0f} at most."]
    return "\n".join(lines) + "\n"


def _line(way: str, statement: str, rows: list[dict[str, Any]]) -> str:
    made = [row for row in rows if row["filled"]]
    if statement == "class":
        broken = f"{sum(row['classes_broken'] for row in made)} of {sum(row['classes'] for row in made)} classes"
    elif statement == "average":
        broken = "–"
    else:
        broken = f"{sum(row['right'] < PRECISION * row['filled'] - 1e-9 for row in made)} of {len(made)}"
    precision = f"{np.mean([row['right'] / row['filled'] for row in made]):.1%}" if made else "–"
    recall = f"{np.mean([row['right'] / max(row['present'], 1) for row in rows]):.1%}"
    refused = sum(bool(row["refused"]) for row in rows)
    odds = "refused" if refused == len(rows) else f"{np.median([row['odds'] for row in rows]):.2f}"
    return f"| {way} | {statement} | {len(rows)} | {len(rows) - len(made)} | {broken} | {precision} | {recall} | {odds} |"


if __name__ == "__main__":
    main()
