"""Training one method on stored features: steps, held-out choice of the epoch, several processes, going on after a kill.

The only room that knows Lightning; ``training.fit.fit`` does it. Knows nothing of data sets, run folders or how a method works inside.
"""

from typing import TYPE_CHECKING

from taglens.faces import lazy_face

if TYPE_CHECKING:
    from taglens.training.config import Machines, TrainConfig, is_first_process
    from taglens.training.fit import FitResult

__all__ = ["FitResult", "Machines", "TrainConfig", "is_first_process"]

__getattr__, __dir__ = lazy_face(
    "taglens.training",
    {
        "FitResult": "taglens.training.fit",
        "Machines": "taglens.training.config",
        "TrainConfig": "taglens.training.config",
        "is_first_process": "taglens.training.config",
    },
)
