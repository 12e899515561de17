"""Going on after a kill: after every epoch all that the next one depends on is on disk."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint

from taglens.errors import TrainingError
from taglens.outputs import refused
from taglens.training.module import TrainingModule

LAST = "last.ckpt"


class KeepCheckpoint(Checkpoint):
    """Write the state after every epoch to ``folder/last.ckpt``, in one step; what is resumed from it is the same bit for bit on a CPU.

    Lightning saves weights, optimiser, schedule and the other callbacks; this adds the epochs so far, the order of the pictures, which
    ``order`` draws, and the random numbers. Lightning runs checkpoints last, when all others know the epoch's result.
    """

    def __init__(self, folder: Path, order: torch.Generator) -> None:
        self.folder, self.order = folder, order
        self._random: torch.Tensor | None = None
        self._ended = False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Save; every process takes part, the first one writes.

        Raises:
            OutputError: the disk is full, or the folder cannot be written.
        """
        temporary = self.folder / f".{LAST}.tmp"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(temporary)
            if trainer.is_global_zero:
                temporary.replace(self.folder / LAST)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise refused(error, f"cannot write {self.folder / LAST}") from error

    def on_save_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not keep."""
        assert isinstance(pl_module, TrainingModule)
        checkpoint["taglens"] = {
            "history": pl_module.history,
            "order": self.order.get_state(),
            "random": torch.get_rng_state(),
            "ended": trainer.should_stop,
        }

    def on_load_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Take it over."""
        assert isinstance(pl_module, TrainingModule)
        state = checkpoint["taglens"]
        pl_module.history = state["history"]
        self.order.set_state(state["order"].cpu())
        self._random, self._ended = state["random"].cpu(), state["ended"]

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stay ended if the killed training had found its end."""
        trainer.should_stop = trainer.should_stop or self._ended

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Go on with the random numbers, once the loaders have drawn theirs."""
        if self._random is not None:
            torch.set_rng_state(self._random)
            self._random = None


def last_checkpoint(folder: Path | None) -> Path | None:
    """Return the checkpoint in ``folder`` to go on from; None where there is none.

    Raises:
        TrainingError: there is one that cannot be read.
    """
    if folder is None or not (folder / LAST).is_file():
        return None
    path = folder / LAST
    try:
        whole = "taglens" in torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes raise whatever they lead torch's safe unpickler to
        reason = (str(error) or type(error).__name__).splitlines()[0]
    else:
        if whole:
            return path
        reason = "written by something else"
    raise TrainingError(f"{path}: not a checkpoint of this training ({reason}); delete it to start from the beginning")
