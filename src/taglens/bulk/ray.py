"""The parts of a bulk prediction shared out by Ray Data to workers on one machine or many."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taglens.bulk.plan import BulkPlan
from taglens.bulk.predict import PartCounts, predict_part
from taglens.errors import TagLensError
from taglens.inference.model import load_model


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How the work is shared out."""

    count: int
    model: Path
    device: str = "cpu"
    batch: int = 32
    threads: int | None = 1


def run_on_ray(plan: BulkPlan, workers: Workers) -> Iterator[PartCounts]:
    """Predict the parts that are not done on a Ray cluster, or on a local one if none runs.

    Every machine must see the model, the output folder and the pictures under the same names. A part that two workers predict, because
    one was lost for a while, still comes out once: both write the same file in one step.

    Raises:
        TagLensError: Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ImportError as error:
        raise TagLensError(f"--engine ray needs Ray ({error}); install it: pip install 'taglens[ray]'") from error
    ray.init(ignore_reinit_error=True, logging_level=logging.WARNING, log_to_driver=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    remaining = plan.remaining()
    # one block for each part: what a worker takes at a time
    parts: Any = ray.data.from_items([{"part": number} for number in remaining], override_num_blocks=len(remaining))
    results = parts.map(
        _Worker,
        fn_constructor_args=(plan.folder, workers),
        concurrency=workers.count,
        num_cpus=workers.threads or 1,
        num_gpus=int(workers.device == "cuda"),
    )
    for row in results.iter_rows():
        yield PartCounts(row["pictures"], row["bad"])


class _Worker:
    """Loads the model once and predicts one part after the other."""

    def __init__(self, folder: Path, workers: Workers) -> None:
        self._plan, self._batch = BulkPlan(folder), workers.batch
        self._model = load_model(workers.model, device=workers.device, threads=workers.threads)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        number = row["part"]
        return predict_part(self._model, self._plan.part(number), self._plan.target(number), self._batch)._asdict()
