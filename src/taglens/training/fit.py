"""Training a method on stored features, by Lightning's Trainer."""

import logging
import re
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, TQDMProgressBar
from numpy.typing import NDArray

from taglens.backbones.text import TextEncoder
from taglens.errors import TrainingError
from taglens.labels.states import PartialLabels
from taglens.losses import NeedsPrior, StatefulLoss, build_loss
from taglens.methods import Method
from taglens.methods.exact import ExactHead
from taglens.training.callbacks import KeepBest
from taglens.training.config import Checked, Machines, TrainConfig
from taglens.training.data import FeatureDataset, FeatureRows, batches_of, hold_out, loader, without
from taglens.training.exact.fit import fit_exact
from taglens.training.losses import counted_cells, counted_labels, mean_probability, require_usable
from taglens.training.module import TrainingModule
from taglens.training.resume import KeepCheckpoint, last_checkpoint

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed", "16-mixed"]] = {
    "float32": "32-true",
    "bfloat16": "bf16-mixed",
    "float16": "16-mixed",
}
STARTING_PICTURES = 16_384
"""Starting values are means over pictures; more than these change nothing that can be seen."""
INTERRUPTED = "interrupted"
"""How the reason of a training begins that somebody stopped, by Ctrl-C or by ending the process."""
FIRST_PASS = "first-pass"
"""Folder of the state of the training that a loss needs before its own, beside the checkpoint."""
LOST_PEER = re.compile(r"\bpeer\b|remote process|NCCL")
"""What gloo and NCCL say when a process that they talk to is gone; they have no error of their own for it."""
MONITOR, HIGHER = "held_out_loss", False
"""Few held-out labels make the mAP of an epoch a matter of luck; the loss uses every one of them (docs/log.md)."""


@dataclass(frozen=True)
class FitResult:
    """What training did; the method holds the best weights."""

    history: list[dict[str, float]]
    """A row per epoch: epoch, loss, held_out_mAP (percent), held_out_loss."""
    epoch: int
    """The epoch whose weights were kept."""
    held_out: NDArray[np.int64]
    """Rows of the pictures that were held out of training."""
    stopped: str | None
    """Why training ended early, if it did."""
    probabilities: NDArray[np.float32] | None = None
    """Calibrated probabilities (image, label) of all training pictures, those of known cells by leave-one-out; None for methods trained
    by gradient."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What an exact head chose for these data: weights of the kernels, lambda, leave-one-out losses."""


def fit(
    method: Method,
    text: TextEncoder,
    features: FeatureRows,
    labels: PartialLabels,
    config: TrainConfig,
    *,
    accelerator: str = "auto",
    machines: Machines | None = None,
    progress: bool = True,
    checkpoints: Path | None = None,
    filled: NDArray[np.bool_] | None = None,
    checked: Checked = "auto",
    implied: NDArray[np.bool_] | None = None,
) -> FitResult:
    """Train ``method`` on the known labels and leave the best held-out epoch's weights in it.

    Each epoch sees every picture by one of its views, drawn at random; held-out pictures are seen as they are.
    ``filled`` (image, label) are the labels that a model filled: they count with ``config.filled_weight``, and never held out.
    ``checked`` says how the labels came about, and ``implied`` (image, label) which follow from others; for the exact head only.
    With several processes (``machines``) each calls this with the same arguments, and each gets the same weights and history.
    ``checkpoints`` is a folder for the state after the last epoch; one that is there already is resumed, bit for bit on a CPU.

    Raises:
        TrainingError: no known label; ``checked`` cannot be with the method or the labels; the loss stopped being finite before one epoch
            was finished; the checkpoint is damaged.
    """
    if not labels.known.any():
        raise TrainingError("no label is known, so there is nothing to learn from; fill some cells with 1 or 0, or raise --known")
    sure = without(labels, filled)
    labels = labels if config.filled_weight else sure
    if isinstance(method, ExactHead):
        return _infer(method, features, labels, config, checked, implied)
    require_exact(False, checked)
    lightning.seed_everything(config.seed, verbose=False)
    training, held_out = hold_out(sure, config.holdout, config.seed)
    known = training[labels.known[training].any(1)]
    if method.gradient_free:
        _start(method, text, features, labels, training, config)
        return FitResult([], 0, held_out, None)
    machines = machines or Machines()
    shown = labels.rows(known)
    loss = build_loss(config.loss, shown, **config.loss_options)
    _start(method, text, features, counted_labels(loss, labels), training, config)
    require_usable(loss, config, machines)
    if isinstance(loss, NeedsPrior):
        _first_pass(loss, method, text, features, labels, config, training, filled, (accelerator, progress, checkpoints))
    module = TrainingModule(method, text, loss, config, known=counted_cells(loss, shown))
    best = KeepBest(None if isinstance(loss, StatefulLoss) else MONITOR, HIGHER)
    # every process needs a held-out picture, or it would wait for the others for ever
    validate = len(held_out) >= machines.devices * machines.nodes
    batches = loader(FeatureDataset(features, labels, sure, known, features.views), config.batch_size, shuffle_seed=config.seed)
    callbacks: list[lightning.Callback] = [best]
    if checkpoints is not None:
        assert isinstance(batches.generator, torch.Generator)
        callbacks.append(KeepCheckpoint(checkpoints, batches.generator))
    trainer = _trainer(config, callbacks, accelerator, machines, progress, validate=validate)
    checks = loader(FeatureDataset(features, sure, sure, held_out), 256) if validate else None
    stopped = _run(trainer, module, batches, checks, best, checkpoints)
    if best.weights:
        method.load_state_dict(best.weights)
    return FitResult(module.history, best.epoch, held_out, stopped)


def _first_pass(
    loss: NeedsPrior,
    method: Method,
    text: TextEncoder,
    features: FeatureRows,
    labels: PartialLabels,
    config: TrainConfig,
    rows: NDArray[np.int64],
    filled: NDArray[np.bool_] | None,
    how: tuple[str, bool, Path | None],
) -> None:
    """Train a copy with the loss that comes first, tell ``loss`` what it found, and draw random numbers anew."""
    (name, options), (accelerator, progress, checkpoints), first = loss.first_pass(), how, deepcopy(method)
    folder, before = checkpoints and checkpoints / FIRST_PASS, replace(config, loss=name, loss_options=options)
    fit(first, text, features, labels, before, accelerator=accelerator, progress=progress, checkpoints=folder, filled=filled)
    loss.set_prior(mean_probability(first, text, features, rows))
    lightning.seed_everything(config.seed, verbose=False)


def require_exact(exact: bool, checked: Checked) -> None:
    """Refuse to correct for how labels came about where the head is trained by gradient.

    Raises:
        TrainingError: it is asked for, and the head is not exact.
    """
    if not exact and checked in ("by-value", "tags-alone"):
        raise TrainingError(
            f"--checked {checked} needs the exact head of semantic_aware; this method counts known labels as they are (--checked at-random)"
        )


def _infer(
    method: ExactHead,
    features: FeatureRows,
    labels: PartialLabels,
    config: TrainConfig,
    checked: Checked,
    implied: NDArray[np.bool_] | None,
) -> FitResult:
    """Infer the exact head; nothing is held out, since every known label is judged by what the others taught."""
    if config.filled_weight not in (0, 1):
        raise TrainingError(f"the exact head counts filled labels fully (1) or not at all (0), came filled_weight {config.filled_weight}")
    build_loss(config.loss, labels, **config.loss_options)
    if config.loss != TrainConfig().loss:
        raise TrainingError(f"the exact head has its own likelihood; --training.loss {config.loss} needs --method-options head gradient")
    device = method.bias.device
    # float64, which inference needs, exists on processors and CUDA only
    method = method if device.type == "cuda" else method.cpu()
    found = fit_exact(method, features, labels, seed=config.seed, checked=checked, implied=implied)
    method.to(device)
    nothing = np.zeros(0, dtype=np.int64)
    return FitResult([], 0, nothing, None, probabilities=found.probabilities, choices=found.choices)


def _start(
    method: Method, text: TextEncoder, features: FeatureRows, labels: PartialLabels, rows: NDArray[np.int64], config: TrainConfig
) -> None:
    sample = np.sort(np.random.default_rng(config.seed).permutation(rows)[:STARTING_PICTURES])
    with torch.no_grad():
        device = next(chain(method.parameters(), method.buffers())).device
        method.start(batches_of(features, sample, 256, device), labels.rows(sample), method.classifier(text))


def _trainer(
    config: TrainConfig,
    callbacks: list[lightning.Callback],
    accelerator: str,
    machines: Machines,
    progress: bool,
    *,
    validate: bool,
) -> lightning.Trainer:
    if progress:
        callbacks.append(TQDMProgressBar(leave=False))
    if config.patience is not None and validate:
        callbacks.append(EarlyStopping(MONITOR, patience=config.patience, mode="max" if HIGHER else "min"))
    with _quiet():
        return lightning.Trainer(
            accelerator=accelerator,
            devices=machines.devices,
            num_nodes=machines.nodes,
            strategy=machines.strategy,
            use_distributed_sampler=False,  # our batches are shared out already, without repeating a picture
            max_epochs=config.epochs,
            precision=PRECISIONS[config.precision],
            gradient_clip_val=config.gradient_clip,
            callbacks=callbacks,
            enable_progress_bar=progress,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, KeepCheckpoint) for callback in callbacks),
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if validate else 0,
            logger=False,
        )


def _run(
    trainer: lightning.Trainer,
    module: TrainingModule,
    batches: object,
    checks: object,
    best: KeepBest,
    checkpoints: Path | None,
) -> str | None:
    """Train; return why it ended early, or None."""
    last = last_checkpoint(checkpoints)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with _quiet():
            trainer.fit(module, batches, checks, ckpt_path=last, weights_only=True)
    except TrainingError as error:
        if not best.weights:
            raise
        return str(error)
    except SystemExit:  # Lightning turns Ctrl-C into an exit
        if not best.interrupted:
            raise
        if not best.weights:
            raise KeyboardInterrupt from None
        return f"{INTERRUPTED} in epoch {trainer.current_epoch + 1}"
    except RuntimeError as error:
        if trainer.world_size == 1 or not LOST_PEER.search(str(error)):
            raise
        raise TrainingError("another process of this training has ended; look for its error, then go on with --resume") from error
    finally:
        signal.signal(signal.SIGINT, handler)
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide Lightning's advice on workers and devices: batches come from memory-mapped files, workers would only slow them."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
