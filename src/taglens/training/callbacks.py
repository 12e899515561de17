"""What happens beside the steps: the best weights are kept, interruptions are noticed."""

from typing import Any

import lightning
from torch import Tensor

from taglens.training.module import TrainingModule


class KeepBest(lightning.Callback):
    """Copy the method's weights whenever ``monitor`` improves on held-out labels; without one, after every epoch."""

    def __init__(self, monitor: str | None, higher: bool) -> None:
        self.monitor, self.sign = monitor, 1 if higher else -1
        self.best: float | None = None
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}
        self.interrupted = False

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Compare this epoch with the best; without a held-out share the last epoch is the best."""
        assert isinstance(pl_module, TrainingModule)
        value = None if self.monitor is None else trainer.callback_metrics.get(self.monitor)
        score = None if value is None else self.sign * float(value)
        if score is None or self.best is None or score > self.best:
            self.best, self.epoch = score, trainer.current_epoch + 1
            self.weights = {name: weight.detach().cpu().clone() for name, weight in pl_module.method.state_dict().items()}

    def on_exception(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException) -> None:
        """Remember a Ctrl-C, which Lightning turns into an exit."""
        self.interrupted = isinstance(exception, KeyboardInterrupt)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"best": self.best, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over from a checkpoint."""
        self.best, self.epoch, self.weights = state_dict["best"], state_dict["epoch"], state_dict["weights"]
