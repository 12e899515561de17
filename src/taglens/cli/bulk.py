"""``taglens bulk RUN|MODEL.onnx IMAGES...``: millions of pictures into a folder of Parquet files."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from taglens.cli.console import progress, say, warn
from taglens.cli.loading import say_what_loads
from taglens.cli.options import Device, device_name
from taglens.errors import TagLensError

if TYPE_CHECKING:
    from taglens.bulk.plan import BulkPlan, BulkSettings
    from taglens.bulk.predict import PartCounts


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """Write the probability of every class for any number of pictures, as a folder of Parquet files.

    An unreadable picture gets a row with the reason. Killed and started again, the same command goes on where it was.

        $ taglens bulk runs/mine new-photos --out predictions
        $ taglens bulk model.onnx s3://bucket/photos --shards 5000 --out predictions
    """

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN|MODEL.onnx")]
    """Folder that `taglens train` made, or file that `taglens export` made."""
    images: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES...")]
    """Pictures, folders (searched to the bottom), globs in quotes, tar archives (WebDataset), Parquet files with pictures in a column,
    and addresses such as s3://bucket/photos."""
    out: Path
    """Folder to write."""
    shards: int = 1000
    """Pictures in each file (an archive, or a row group of a Parquet file, stays whole)."""
    engine: Literal["local", "ray"] = "local"
    """This process alone, or Ray's workers on one machine or many."""
    workers: int = 1
    """With --engine ray: how many workers."""
    threads: int | None = None
    """Cores that one batch may use; none: all, or one for each of Ray's workers."""
    batch: int = 32
    """Pictures encoded together."""
    device: Device = "auto"
    """Where a run computes; an .onnx file computes on the CPU."""

    def __post_init__(self) -> None:
        if not self.images:
            raise TagLensError("no picture given; name pictures, folders or globs behind the model")
        if min(self.shards, self.workers, self.batch, 1 if self.threads is None else self.threads) < 1:
            raise TagLensError("--shards, --workers, --threads and --batch must be at least 1")


def run(config: Bulk) -> int:
    """Predict the parts that are not done yet; 1 if every picture is unreadable."""
    from taglens.bulk.plan import BulkSettings
    from taglens.holding import hold_folder
    from taglens.inference.model import model_hash

    settings = BulkSettings(config.images, config.shards, model_hash(config.model), config.batch)
    with hold_folder(config.out):
        return _carry_out(config, settings)


def _carry_out(config: Bulk, settings: "BulkSettings") -> int:
    from taglens.bulk.plan import BulkPlan
    from taglens.bulk.sources import list_parts
    from taglens.datasets.files import passed_over_words

    passed_over: Counter[str] = Counter()
    plan = BulkPlan.open(config.out, settings, list_parts(config.images, config.shards, passed_over))
    if passed_over:
        warn(passed_over_words(passed_over))
    remaining = len(plan.remaining())
    if 0 < remaining < len(plan):
        say(f"going on: {len(plan) - remaining:,} of {len(plan):,} parts are done")
    pictures = bad = 0
    try:
        for done in progress(_predict(config, plan) if remaining else iter(()), "predicting parts", total=remaining):
            pictures, bad = pictures + done.pictures, bad + done.bad
    except KeyboardInterrupt as interruption:
        interruption.add_note("finished parts are kept; the same command goes on from there")
        raise
    plan.tidy()
    if bad:
        warn(f"{bad:,} of {pictures:,} pictures cannot be read; the column 'error' says why")
    say(f"{config.out}: all {len(plan):,} parts are done")
    return int(0 < pictures == bad)


def _predict(config: Bulk, plan: "BulkPlan") -> Iterator["PartCounts"]:
    from taglens.bulk.predict import require_columns, run_here
    from taglens.bulk.ray import Workers, run_on_ray
    from taglens.inference.model import load_model

    # an exported file needs no torch, which alone knows of devices
    device = "cpu" if config.model.suffix.lower() == ".onnx" else device_name(config.device)
    say_what_loads(config.model)
    model = load_model(config.model, device=device, threads=config.threads)
    require_columns(model.classes)
    if config.engine == "local":
        return run_here(plan, model, config.batch)
    workers = Workers(count=config.workers, model=config.model.absolute(), device=device, batch=config.batch, threads=config.threads or 1)
    return run_on_ray(plan, workers)
