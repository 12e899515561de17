"""The only LightningModule: one step of any method, its optimiser and the schedule of the learning rate."""

import math
from collections.abc import Sequence
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from taglens.backbones.text import TextEncoder
from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses import KnownOnly, Loss, LossSum, StatefulLoss, Step
from taglens.methods import Classifier, Method
from taglens.metrics.average_precision import average_precision, mean_average_precision
from taglens.training.config import TrainConfig
from taglens.training.data import Batch

NAN_ADVICE = (
    "try a smaller --training.rate, --training.gradient-clip 1, or --training.precision float32; "
    "look for extreme values with taglens inspect"
)


class TrainingModule(lightning.LightningModule):
    """Binds a method, the frozen text encoder and a loss.

    The loss returns sum and count; here is the one place that divides, by the known count over all processes. As DDP averages
    gradients over processes, the local sum is multiplied by their number. The method's prior counts once beside all ``known`` labels.
    """

    def __init__(self, method: Method, text: TextEncoder, loss: Loss, config: TrainConfig, known: int) -> None:
        super().__init__()
        self.method, self.loss, self.config, self.known = method, loss, config, known
        self._frozen_text = (text,)  # in a tuple: not a sub-module, so neither trained nor in the checkpoint
        self._classifier: Classifier = {}
        self._held_out: list[tuple[Tensor, Tensor, LossSum]] = []
        self._losses: list[Tensor] = []
        self.history: list[dict[str, float]] = []

    @property
    def text(self) -> TextEncoder:
        """The frozen text encoder, on this module's device."""
        return self._frozen_text[0].to(self.device)

    def global_mean(self, loss: LossSum) -> Tensor:
        """Return the loss whose gradient, averaged over processes, is that of the global sum / the global known count."""
        count = self.trainer.strategy.reduce(loss.known.detach().clone(), reduce_op="sum")
        return loss.total * (self.trainer.world_size / count.clamp(min=1))

    def _weighted(self, logits: Tensor, batch: Batch) -> LossSum:
        """Return w L(all) + (1 - w) L(sure): filled labels count w, the others 1, whatever the loss is."""
        if isinstance(self.loss, StatefulLoss):
            return self.loss.training_loss(logits, batch.targets, self._step(batch.places))
        weight, every = self.config.filled_weight, self.loss(logits, batch.targets)
        if weight == 1:
            return every
        sure = self.loss(logits, batch.sure)
        return LossSum(*(weight * one + (1 - weight) * other for one, other in zip(every, sure, strict=True)))

    def _step(self, places: Tensor) -> Step:
        return Step(places, self.current_epoch, self.config.epochs)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of one batch; stops at a value that is not finite."""
        batch = Batch(*batch)
        known = batch.targets >= 0 if isinstance(self.loss, KnownOnly) else None
        logits = self.method.training_logits(batch.features, self.method.classifier(self.text), known)
        loss = self.global_mean(self._weighted(logits.float(), batch))
        # all processes must notice it, or the others would wait for this one for ever
        if not torch.isfinite(self.trainer.strategy.reduce(loss.detach().clone(), reduce_op="mean")):
            raise TrainingError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1}, step {index + 1}; "
                f"the best weights so far are kept. What to do: {NAN_ADVICE}"
            )
        self._losses.append(loss.detach())
        self.log("loss", loss.detach(), prog_bar=True)
        return loss + self.method.prior_energy() / self.known

    def on_train_epoch_end(self) -> None:
        """Note the epoch's mean loss beside its held-out result; a loss with a memory settles it."""
        if isinstance(self.loss, StatefulLoss):
            self.loss.end_epoch(self._step(torch.zeros(0, dtype=torch.int64)))
        loss = float(self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean"))
        self._losses.clear()
        row = {"epoch": self.current_epoch + 1, "loss": loss}
        self.history.append(
            row | {name: float(value) for name, value in self.trainer.callback_metrics.items() if name.startswith("held_out")}
        )

    def on_validation_epoch_start(self) -> None:
        """Run the text encoder once for the whole evaluation."""
        self._classifier = self.method.classifier(self.text)
        self._held_out.clear()

    def validation_step(self, batch: Batch, index: int) -> None:
        """Score held-out pictures."""
        batch = Batch(*batch)
        logits = self.method(batch.features, self._classifier).logits.float()
        self._held_out.append((torch.sigmoid(logits), batch.targets, self.loss(logits, batch.targets)))

    def on_validation_epoch_end(self) -> None:
        """Log the held-out mAP (percent) and loss, over all processes together."""
        probabilities, targets = (self._everywhere(torch.cat(part)) for part in list(zip(*self._held_out, strict=True))[:2])
        sums = [torch.stack(part).sum() for part in zip(*(loss for *_, loss in self._held_out), strict=True)]
        total, known = (self.trainer.strategy.reduce(part, reduce_op="sum") for part in sums)
        ap = average_precision(probabilities.cpu().numpy(), PartialLabels(targets.cpu().numpy()))
        mean = mean_average_precision(ap) if np.isfinite(ap).any() else 0.0
        self.log("held_out_mAP", torch.tensor(100 * mean, device=self.device), prog_bar=True)
        self.log("held_out_loss", total / known.clamp(min=1))

    def _everywhere(self, part: Tensor) -> Tensor:
        """Return the rows of all processes; their numbers may differ."""
        if self.trainer.world_size == 1:
            return part
        rows = self.all_gather(torch.tensor(len(part), device=part.device))
        assert isinstance(rows, Tensor)
        gathered = self.all_gather(functional.pad(part, (0, 0, 0, int(rows.max()) - len(part))))
        return torch.cat([one[:count] for one, count in zip(gathered, rows.tolist(), strict=True)])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser and its schedule, stepped every batch."""
        learned = self.loss.parameter_groups(self.config.rate) if isinstance(self.loss, StatefulLoss) else ()
        optimizer = _optimiser(self.config, [*self.method.parameter_groups(self.config.rate), *learned])
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = round(self.config.warmup_epochs * steps / self.config.epochs)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": _warmup_cosine(optimizer, steps, warmup), "interval": "step"}}


def _optimiser(config: TrainConfig, groups: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return AdamW or SGD over the method's parameter groups."""
    if config.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=config.rate, momentum=0.9, weight_decay=config.weight_decay)
    return torch.optim.AdamW(groups, lr=config.rate, weight_decay=config.weight_decay)


def _warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, warmup: int) -> LambdaLR:
    """Rise linearly for ``warmup`` steps, then fall as half a cosine to zero at ``steps``."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    return LambdaLR(optimizer, factor)
