"""The pictures a run was made from, if they are still where they were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from taglens.datasets.source import DataOptions, read_data
from taglens.errors import TagLensError
from taglens.runs.folder import read_facts


def run_pictures(run: Path, part: Literal["train", "test"], most: int) -> Sequence[Path]:
    """Return at most ``most`` pictures, spread evenly over the part; the training part where the data have no test part.

    Raises:
        TagLensError: the run does not say what it was trained on, or the data have gone.
    """
    data = read_facts(run, "config.json").get("data")
    flag = "--pictures" if part == "test" else "--calibration-pictures"
    if not data:
        raise TagLensError(f"{run} does not say what it was trained on (no config.json); pass {flag} FOLDER")
    options = {name: value for name, value in data["options"].items() if value is not None}
    if "images" in options:
        options["images"] = Path(options["images"])
    try:
        table = read_data(data["data"], part, DataOptions(**options))
    except TagLensError as error:
        if part == "test":
            return run_pictures(run, "train", most)
        raise TagLensError(f"the run's pictures cannot be read ({error}); pass {flag} FOLDER") from error
    rows = np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))
    found = [table.path(int(row)) for row in rows]
    missing = next((path for path in found if not path.is_file()), None)
    if missing is not None:
        raise TagLensError(f"the run's picture {missing} is no longer there; pass {flag} FOLDER")
    return found
