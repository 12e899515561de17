"""``taglens predict --shards``: millions of pictures into a folder of Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from taglens.cli.console import progress, say, warn
from taglens.cli.options import device_name
from taglens.errors import OutputError, TagLensError

if TYPE_CHECKING:
    from taglens.bulk.plan import BulkPlan
    from taglens.bulk.predict import Done
    from taglens.cli.predict import Predict


def require_bulk_options(config: "Predict") -> None:
    """Refuse options that do not go together.

    Raises:
        TagLensError: --shards with what it does not do, or without --out; or another of its options without it.
    """
    if config.shards is None:
        if config.engine == "ray" or config.workers != 1 or config.threads is not None:
            raise TagLensError("--engine ray, --workers and --threads need --shards N")
        return
    if config.shards < 1 or config.workers < 1 or (config.threads is not None and config.threads < 1):
        raise TagLensError("--shards, --workers and --threads must be at least 1")
    if config.out is None:
        raise OutputError("--shards writes a folder; pass --out FOLDER")
    other = {"--format": config.format, "--heatmaps": config.heatmaps, "--classes": config.classes, "--threshold": config.threshold}
    wrong = [name for name, value in other.items() if value not in (None, ())]
    if wrong:
        raise TagLensError(f"{', '.join(wrong)}: not with --shards, which writes the probability of every class as Parquet")


def run_bulk(config: "Predict") -> int:
    """Predict the parts that are not done yet; 1 if every picture is unreadable."""
    from taglens.bulk.plan import BulkPlan, BulkSettings
    from taglens.bulk.sources import list_parts
    from taglens.inference.model import model_hash

    assert config.shards is not None
    assert config.out is not None
    settings = BulkSettings(config.images, config.shards, model_hash(config.run), config.batch)
    plan = BulkPlan.open(config.out, settings, list_parts(config.images, config.shards))
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


def _predict(config: "Predict", plan: "BulkPlan") -> Iterator["Done"]:
    from taglens.bulk.predict import require_columns, run_here
    from taglens.bulk.ray import Workers, run_on_ray
    from taglens.inference.model import load_model

    # an exported file needs no torch, which alone knows of devices
    device = "cpu" if config.run.suffix == ".onnx" else device_name(config.device)
    model = load_model(config.run, device, config.threads)
    require_columns(model.classes)
    if config.engine == "local":
        return run_here(plan, model, config.batch)
    workers = Workers(
        count=config.workers, model=Path(config.run).absolute(), device=device, batch=config.batch, threads=config.threads or 1
    )
    return run_on_ray(plan, workers)
