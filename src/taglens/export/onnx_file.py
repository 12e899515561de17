"""From a recogniser to a checked ONNX file with everything that a prediction needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from taglens.errors import OutputError, RunError, TagLensError
from taglens.export.card import model_card
from taglens.export.graph import write_graph
from taglens.export.options import ExportOptions, FilePrecision
from taglens.export.parity import TOLERANCE, Parity, compare
from taglens.export.precision import to_half, to_int8
from taglens.outputs import atomic_path, write_text
from taglens.recognizer import Recognizer
from taglens.runs.folder import find_config, find_metrics
from taglens.runs.tag_guarantees import TagGuarantees, find_tag_guarantees
from taglens.runtime import ModelDescription, OnnxPredictor
from taglens.runtime.description import CARD_KEY
from taglens.version import VERSION


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    card: Path
    parity: Parity
    bytes: int


def export_onnx(
    recognizer: Recognizer,
    out: Path,
    check: Sequence[Path],
    *,
    calibration: Sequence[Path] = (),
    options: ExportOptions | None = None,
    run: Path | None = None,
) -> Exported:
    """Write the file and its model card; nothing appears under their names unless the file agrees with the recogniser.

    Args:
        recognizer: on the CPU.
        out: the .onnx file; the card lies beside it with the suffix .md.
        check: pictures whose probabilities are compared, at least one.
        calibration: pictures that int8 measures the activations' ranges on.
        options: precision and the like.
        run: the run folder, for the card's data and metrics.

    Raises:
        RunError: a float32 probability differs by more than 1e-4.
        OutputError: a file exists and ``force`` is off, or cannot be written.
        TagLensError: no pictures to check, or to calibrate on.
    """
    options = options or ExportOptions()
    _require_pictures(check, calibration, options.precision)
    card = out.with_suffix(".md")
    if card.exists() and not options.force:
        raise OutputError(f"{card} exists already; choose another name or pass --force to replace it")
    description = describe(recognizer, options, None if run is None else find_tag_guarantees(run))
    with atomic_path(out, force=options.force) as temporary:
        write_graph(recognizer, temporary, heatmaps=options.heatmaps)
        _convert(temporary, options.precision, recognizer, calibration)
        _stamp(temporary, description.to_metadata())
        parity = compare(recognizer, OnnxPredictor.load(temporary), check)
        _require_parity(parity, options.precision)
        config, metrics = (None, {}) if run is None else (find_config(run), find_metrics(run))
        text = model_card(description, parity, config, metrics, out.stem)
        _stamp(temporary, {CARD_KEY: text})
        size = temporary.stat().st_size
    write_text(card, text + "\n")
    return Exported(out, card, parity, size)


def describe(recognizer: Recognizer, options: ExportOptions, guarantees: TagGuarantees | None = None) -> ModelDescription:
    """Return the description that goes into the file."""
    facts = recognizer.describe()
    looks = "attention" if _looks_locally(recognizer) else "similarity"
    return ModelDescription(
        classes=recognizer.classes,
        thresholds=tuple(float(value) for value in recognizer.thresholds),
        transform=recognizer.backbone.transform,
        heatmaps=looks if options.heatmaps else None,  # type: ignore[arg-type]
        precision=options.precision,
        calibration=facts.get("calibration"),
        guarantees=None if guarantees is None else guarantees.to_json(),
        origin={
            "method": recognizer.name,
            # a local file's folder is nobody's business
            "backbone": Path(recognizer.backbone.spec).name if ".json:" in recognizer.backbone.spec else recognizer.backbone.spec,
            "fingerprint": recognizer.backbone.fingerprint,
            "map": recognizer.backbone.map,
            "taglens": VERSION,
        },
    )


def _looks_locally(recognizer: Recognizer) -> bool:
    size = recognizer.backbone.transform.size
    blank = torch.zeros(1, 3, size, size, device=recognizer.backbone.device)
    return recognizer.scores(recognizer.backbone.features(blank)).attention is not None


def _convert(path: Path, precision: FilePrecision, recognizer: Recognizer, calibration: Sequence[Path]) -> None:
    if precision == "fp16":
        to_half(path)
    elif precision == "int8":
        to_int8(path, _Transformed(recognizer, calibration))


class _Transformed(Sequence[NDArray[np.float32]]):
    """Pictures opened when they are asked for."""

    def __init__(self, recognizer: Recognizer, paths: Sequence[Path]) -> None:
        self._transform, self._paths = recognizer.backbone.transform, paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, place: int) -> NDArray[np.float32]:  # type: ignore[override]
        return self._transform(self._transform.open(self._paths[place]))


def _stamp(path: Path, entries: dict[str, str]) -> None:
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | entries)
    onnx.save(model, path)


def _require_pictures(check: Sequence[Path], calibration: Sequence[Path], precision: FilePrecision) -> None:
    if not check:
        raise TagLensError("no picture to compare the file and PyTorch on; pass --pictures FOLDER")
    if precision == "int8" and not calibration:
        raise TagLensError("int8 needs pictures to measure the activations' ranges on; pass --calibration-pictures FOLDER")


def _require_parity(parity: Parity, precision: FilePrecision) -> None:
    if precision == "float32" and parity.largest > TOLERANCE:
        raise RunError(
            f"the exported file's probabilities differ from PyTorch's by up to {parity.largest:.2g} on {parity.pictures} pictures, more "
            f"than {TOLERANCE}; nothing was written. Please report it with the backbone and the versions of torch, onnx and onnxruntime"
        )
