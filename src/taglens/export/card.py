"""The model card: what a file is, what it learned from, how good it is, and what it is for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taglens.export.parity import Parity
from taglens.markdown import as_text
from taglens.runs.config import RunConfig
from taglens.runtime import ModelDescription

SCORES = {"mAP": "mAP", "mAP_interpolated": "mAP, interpolated", "CF1": "CF1", "OF1": "OF1", "zero_shot_mAP": "mAP of the backbone alone"}

LICENCES = {"tiny": "Apache-2.0 (made in TagLens, from drawn scenes only)"}
"""Licences of backbones that are ours to state."""


def model_card(description: ModelDescription, parity: Parity, config: RunConfig | None, metrics: Mapping[str, Any], name: str) -> str:
    """Return the card as Markdown.

    Args:
        description: of the exported file.
        parity: of the exported file.
        config: the run's, None if it is not known.
        metrics: the run's metrics.json, {} if there is none.
        name: what to call the model.
    """
    return "\n\n".join(
        [
            f"# {as_text(name)}",
            _what(description),
            f"## Data\n\n{_data(config)}",
            f"## Metrics\n\n{_metrics(metrics)}",
            f"## This file\n\n{_file(description, parity)}",
            f"## Licence of the weights\n\n{_licence(description)}",
            "## Intended use\n\nSuggesting tags for photos like those it was trained on, with a person or a threshold checked on own data "
            "in between. Heatmaps show where the model looked, not why. Not for decisions about people, and not where a missed tag is a "
            "danger. Classes it was not trained on are never reported.",
        ]
    )


def _what(description: ModelDescription) -> str:
    origin = description.origin
    more = len(description.classes) - 30
    shown = ", ".join(map(as_text, description.classes[:30])) + (f" and {more} more" if more > 0 else "")
    backbone = f"`{origin.get('backbone', 'unknown')}`" + (f" (dense map: `{origin['map']}`)" if "map" in origin else "")
    return (
        f"Recognises {len(description.classes)} classes in a picture, each on its own, and where each was seen. "
        f"TagLens method `{origin.get('method', 'unknown')}` on the backbone {backbone}.\n\nClasses: {shown}."
    )


def _data(config: RunConfig | None) -> str:
    if config is None:
        return "Not recorded: the run folder has no config.json."
    hidden = "all known labels were used" if config.known is None else f"labels hidden by `{config.setting}` at {config.known}"
    return f"Trained on `{Path(config.data.data).name}`, {hidden} (seed {config.seed})."


def _metrics(metrics: Mapping[str, Any]) -> str:
    rows = [f"| {label} | {metrics[key]:.1f} |" for key, label in SCORES.items() if isinstance(metrics.get(key), int | float)]
    if not rows:
        return "Not recorded: the run folder has no metrics.json."
    where = (
        f"Of the float32 model in PyTorch, percent, on {metrics.get('images', '?')} pictures ({metrics.get('evaluated_on', 'test part')})."
    )
    return "\n".join([where, "", "| score | percent |", "|---|---:|", *rows])


def _file(description: ModelDescription, parity: Parity) -> str:
    transform = description.transform
    return (
        f"ONNX, {description.precision}. Input `pictures` (batch, 3, {transform.size}, {transform.size}), preprocessing in the metadata. "
        f"On {parity.pictures} pictures its probabilities differ from PyTorch's by {parity.largest:.2g} at most and "
        f"{parity.mean:.2g} on average; {100 * parity.same_tags:.2f} % of the tags agree. Thresholds are in the metadata."
    )


def _licence(description: ModelDescription) -> str:
    backbone = str(description.origin.get("backbone", "unknown"))
    stated = LICENCES.get(backbone, f"That of the backbone's weights (`{backbone}`): see where they come from before you pass this file on")
    return f"{stated}. What was learned on top belongs to whoever trained it, under the terms of the training pictures."
