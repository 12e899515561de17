"""One run: its configuration, training, evaluation, folder and report; runs side by side, and one repeated.

A run is asked for by a ``RunConfig`` and answered by a folder. Knows nothing of sweeps, completion, review and the command line.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.runs.comparison import read_runs
    from taglens.runs.config import DataConfig, RunConfig
    from taglens.runs.folder import read_config
    from taglens.runs.prepare import Prepared, PreparedPart
    from taglens.runs.result import RunResult
    from taglens.runs.train import train_run

__all__ = ["DataConfig", "Prepared", "PreparedPart", "RunConfig", "RunResult", "read_config", "read_runs", "train_run"]

__getattr__, __dir__ = lazy_face(
    "taglens.runs",
    {
        "DataConfig": "taglens.runs.config",
        "Prepared": "taglens.runs.prepare",
        "PreparedPart": "taglens.runs.prepare",
        "RunConfig": "taglens.runs.config",
        "RunResult": "taglens.runs.result",
        "read_config": "taglens.runs.folder",
        "read_runs": "taglens.runs.comparison",
        "train_run": "taglens.runs.train",
    },
)
