"""``taglens evaluate RUN DATA``: how good a trained run is on the test part of some data."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taglens.cli.console import evaluated_on, print_classes, print_reported, print_scores, progress, say, warn
from taglens.cli.options import Data, Device, ReadOptions, Run, device_name, require_free, require_run
from taglens.datasets.papers import Reported, reported
from taglens.datasets.pictures import OnBadImage
from taglens.datasets.source import DataOptions, Part, read_data
from taglens.labels.files.tables import examine_table

if TYPE_CHECKING:
    from taglens.labels.states import PartialLabels
    from taglens.labels.table import LabelTable
    from taglens.metrics import Evaluation
    from taglens.recognizer import Recognizer
    from taglens.relations import Relations


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Compare a run's predictions with the known labels of some data.

    Prints the metrics; with --out also writes them to DIR/metrics.json.

        $ taglens evaluate runs/mine labels.csv
        $ taglens evaluate runs/voc10 voc2012:VOCdevkit --out scores
    """

    run: Run
    """Folder that `taglens train` made."""
    data: Data
    """A CSV, Parquet or JSON table, or name:root such as voc2007:/data/VOCdevkit."""
    out: Path | None = None
    """Folder for metrics.json."""
    force: bool = False
    """Replace metrics.json if it is there."""
    part: Part = "test"
    """Part of the data to evaluate on."""
    options: ReadOptions = field(default_factory=DataOptions)
    on_bad_image: OnBadImage = "error"
    """Stop at an unreadable picture, or leave it out and say so."""
    batch: int = 32
    """Pictures encoded together."""
    device: Device = "auto"
    """Where to compute."""


def run(config: Evaluate) -> int:
    """Evaluate, print and write."""
    require_run(config.run)
    written = None if config.out is None else config.out / "metrics.json"
    if written is not None:
        require_free(written, force=config.force)
    table = read_data(config.data, config.part, config.options)
    for warning in (*table.warnings, *_trained_on(config.run, table)):
        warn(warning)
    from taglens.labels.names import align_classes
    from taglens.metrics import evaluate
    from taglens.outputs import write_json
    from taglens.recognizer import Recognizer

    recognizer = Recognizer.load(config.run, device=device_name(config.device))
    table = align_classes(table, recognizer.classes)
    rows, probabilities = _predict(recognizer, table, config)
    labels = table.labels.rows(rows)
    evaluation = evaluate(probabilities, labels, recognizer.classes, recognizer.thresholds)
    papers = reported(config.data)
    found = evaluation.to_json() | _named(evaluation, papers)
    if recognizer.relations is not None:
        found["relations"] = _related(recognizer, recognizer.relations, labels, probabilities)
    if written is not None:
        write_json(written, found, force=config.force)
    print_classes(found["per_class"])
    print_scores({str(config.run): found}, evaluated_on(config.data, found))
    if papers is not None:
        print_reported(papers.sentence(), {key: found[key] for key in papers.keys})
    for line in (*found["left_out"], *_relation_words(found)):
        say(line)
    if written is not None:
        say(f"wrote {written}")
    return 0


def _named(evaluation: "Evaluation", papers: Reported | None) -> dict[str, Any]:
    """Return the mean AUROC (percent) of the classes that papers on the data name, None unless all have one, and these classes."""
    if papers is None or not papers.classes:
        return {}
    mean = evaluation.mean_auroc(papers.classes)
    return {"AUROC_named": None if mean != mean else 100 * mean, "AUROC_named_classes": list(papers.classes)}


def _related(recognizer: "Recognizer", relations: "Relations", labels: "PartialLabels", probabilities: Any) -> dict[str, Any]:
    """Return how often tags break the run's relations, and mAP (percent) with what these settle of the labels."""
    from taglens.metrics import evaluate
    from taglens.metrics.threshold import reached
    from taglens.relations import close

    closure = close(labels, relations)
    mean = evaluate(probabilities, closure.labels, recognizer.classes).mAP
    return {
        "number": len(relations.all),
        "broken_by_tags": relations.broken_share(reached(probabilities, recognizer.thresholds)),
        "settled": int(closure.implied.sum()),
        "contradictory": len(closure.contradictory),
        "mAP_closed": None if mean != mean else 100 * mean,
    }


def _relation_words(found: dict[str, Any]) -> list[str]:
    related = found.get("relations")
    if related is None:
        return []
    said = f"tags break {related['broken_by_tags']:.2%} of the pairs of a picture and one of {related['number']:,} relations"
    if not related["settled"]:
        return [f"{said}; the known labels settle no others"]
    closed = "none" if related["mAP_closed"] is None else f"{related['mAP_closed']:.1f}"
    contradictory = f"; {related['contradictory']:,} pictures contradict the relations" if related["contradictory"] else ""
    return [f"{said}; mAP with the {related['settled']:,} labels that the known ones settle: {closed}{contradictory}"]


def _trained_on(run: Path, table: "LabelTable") -> list[str]:
    """Return a warning if pictures of ``table`` are called as those that the run was trained on."""
    record = examine_table(run / "labels.parquet").table
    known = frozenset(() if record is None else record.images)
    count = sum(name in known for name in table.images)
    return [
        f"{count:,} of the {len(table):,} pictures are called as ones the run was trained on: for these the numbers are too good"
    ] * bool(count)


def _predict(recognizer: "Recognizer", table: "LabelTable", config: Evaluate) -> tuple[list[int], Any]:
    """Return the rows that could be read and their probabilities (image, label)."""
    import numpy as np

    from taglens.errors import PictureError
    from taglens.inference.predictor import predict_pictures

    paths = [table.path(row) for row in range(len(table))]
    skipped: list[Path] = []

    def skip(path: Path, error: PictureError) -> None:
        warn(f"left out: {error}")
        skipped.append(path)

    stream = predict_pictures(recognizer, paths, batch=config.batch, on_bad=config.on_bad_image, on_skip=skip)
    probabilities = [prediction.probabilities for prediction in progress(stream, "evaluating", len(paths))]
    rows = [row for row, path in enumerate(paths) if path not in set(skipped)]
    return rows, np.stack(probabilities) if probabilities else np.zeros((0, len(recognizer.classes)), np.float32)
