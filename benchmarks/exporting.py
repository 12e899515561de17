"""``python -m benchmarks.exporting PHOTOS --minclip CONFIG.json:WEIGHTS [--out FILE]``: exported files against PyTorch.

On real photos: the largest difference of a probability, the size of the file, and the time for one picture on one core, PyTorch eager
and the files taking turns within one run.
"""

import argparse
import platform
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.measure import seconds
from taglens.datasets.files import list_pictures
from taglens.export.onnx_file import Exported, export_onnx
from taglens.export.options import ExportOptions, FilePrecision
from taglens.recognizer import Recognizer
from taglens.runtime import OnnxPredictor
from tests.exported import shaken

CLASSES = ("bird", "boat", "bottle", "car", "cat", "chair", "cow", "dog", "horse", "person", "plant", "sheep", "sofa")
CHECKED, CALIBRATED, TIMED = 200, 64, 60


class Row(NamedTuple):
    """One line of the table."""

    backbone: str
    form: str
    megabytes: float
    largest: float | None
    mean: float | None
    p50: float
    p95: float
    """Milliseconds for one picture."""


def compare(name: str, spec: str, photos: Sequence[Path]) -> list[Row]:
    """Export a recogniser in all precisions and measure."""
    recognizer = shaken(spec, classes=CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        exported = {precision: _export(recognizer, Path(folder), precision, photos) for precision in get_args(FilePrecision)}
        predictors = {precision: OnnxPredictor.load(done.path, threads=1) for precision, done in exported.items()}
        pictures = [recognizer.backbone.transform(recognizer.backbone.transform.open(path))[None] for path in photos[:TIMED]]
        runs: dict[str, Callable[[NDArray[np.float32]], object]] = {"PyTorch eager": _eager(recognizer)}
        runs |= {f"ONNX {precision}": predictor.run for precision, predictor in predictors.items()}
        times = _latencies(runs, pictures)
    sizes = {"PyTorch eager": _weights(recognizer)} | {f"ONNX {precision}": done.bytes for precision, done in exported.items()}
    parity = {f"ONNX {precision}": done.parity for precision, done in exported.items()}
    rows = []
    for form, (p50, p95) in times.items():
        agreed = (parity[form].largest, parity[form].mean) if form in parity else (None, None)
        rows.append(Row(name, form, sizes[form] / 1e6, *agreed, p50, p95))
    return rows


def _export(recognizer: Recognizer, folder: Path, precision: FilePrecision, photos: Sequence[Path]) -> Exported:
    options = ExportOptions(precision=precision)
    calibration = photos[CHECKED : CHECKED + CALIBRATED]
    return export_onnx(recognizer, folder / f"{precision}.onnx", photos[:CHECKED], calibration=calibration, options=options)


def _eager(recognizer: Recognizer) -> Callable[[NDArray[np.float32]], object]:
    def run(pictures: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return recognizer.probabilities(recognizer.backbone.features(torch.from_numpy(pictures)))

    return run


def _weights(recognizer: Recognizer) -> int:
    tower = recognizer.backbone.visual
    return sum(weight.numel() * weight.element_size() for weight in [*tower.parameters(), *tower.buffers()])


def _latencies(
    runs: dict[str, Callable[[NDArray[np.float32]], object]], pictures: Sequence[NDArray[np.float32]]
) -> dict[str, tuple[float, float]]:
    for run in runs.values():
        run(pictures[0])
    times: dict[str, list[float]] = {name: [] for name in runs}
    for picture in pictures:
        for name, run in runs.items():
            times[name].append(1000 * seconds(lambda run=run, picture=picture: run(picture)))  # type: ignore[misc]
    return {name: (float(np.percentile(values, 50)), float(np.percentile(values, 95))) for name, values in times.items()}


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [
        "| backbone | form | MB | largest difference | mean difference | p50, ms | p95, ms |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        agreed = "| | " if row.largest is None else f"| {row.largest:.1e} | {row.mean:.1e} "
        lines.append(f"| {row.backbone} | {row.form} | {row.megabytes:.1f} {agreed}| {row.p50:.1f} | {row.p95:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all backbones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", help="folder or glob of at least 264 photos")
    parser.add_argument("--minclip", required=True, help="a small real CLIP, CONFIG.json:WEIGHTS")
    parser.add_argument("--only", nargs="*", help="names of the backbones to measure, of the first column; none: all")
    parser.add_argument("--out", type=Path, help="also write the table into this file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = list(list_pictures([given.photos]))
    photos = [found[place] for place in np.linspace(0, len(found) - 1, CHECKED + CALIBRATED).astype(int)]
    specs = {"minclip": given.minclip, "tiny": "tiny", "random RN50": "random:RN50", "random ViT-B-32": "random:ViT-B-32"}
    rows: list[Row] = []
    for name, spec in ((name, specs[name]) for name in given.only or specs):
        rows += compare(name, spec, photos)
        print(table(rows[-4:]), flush=True)
    text = f"{table(rows)}\n\n{CHECKED} photos; one picture at a time on one core ({platform.machine()}), the forms taking turns."
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
