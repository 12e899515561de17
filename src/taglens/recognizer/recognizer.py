"""The trained recogniser: backbone, method and class names, as one thing that predicts, saves and loads."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from taglens.backbones.backbone import Backbone
from taglens.datasets.given import GivenPicture, each_picture, given_picture, picture_name
from taglens.errors import RunError
from taglens.labels.files.thresholds import THRESHOLDS, read_thresholds
from taglens.methods import Classifier, Method, MethodConfig, Setting, stored_config
from taglens.methods.coherence import Coherence
from taglens.outputs import atomic_path, write_json
from taglens.parallel import decode_ahead, readable
from taglens.predictions import Predictions
from taglens.prompts.templates import ensemble
from taglens.recognizer.backbones import findable, recorded, require_same
from taglens.recognizer.description import DESCRIPTION, FORMAT, read_description, relations_of
from taglens.recognizer.weights import WEIGHTS, read_weights
from taglens.relations import Relations
from taglens.relations.file import written_lines
from taglens.shapes import Attention, Features, Logits

BASELINE_SHARPNESS = 30.0
"""Factor on the cosine in the baseline's similarity map, the same that semantic decoupling starts from."""


class Prediction(NamedTuple):
    """What a recogniser says of a batch: probabilities and heatmaps, never logits."""

    probabilities: Float[Tensor, "batch label"]
    attention: Attention | None
    """Where each class looked, sum 1; None if the method looks at the pooled vector only."""
    baseline: Attention
    """CLIP's own similarity map of each class name, sum 1: what there is without training."""


class Recognizer:
    """A backbone and a method with the class names they were trained for.

    The text encoder's vectors are stored with the weights, so predictions need no text encoder.
    """

    def __init__(
        self,
        backbone: Backbone,
        name: str,
        config: MethodConfig,
        method: Method,
        classes: Sequence[str],
        prompt_names: Sequence[str],
        *,
        classifier: Classifier,
        text_vectors: Float[Tensor, "label channel"],
        thresholds: NDArray[np.float64] | None = None,
    ) -> None:
        self.backbone, self.name, self.config, self.method = backbone, name, config, method.eval()
        self.classes, self.prompt_names = tuple(classes), tuple(prompt_names)
        self.classifier = classifier
        self.text_vectors = text_vectors
        self.thresholds = np.full(len(self.classes), 0.5) if thresholds is None else thresholds
        self.coherence: Coherence | None = None

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.method.parameters() if weight.requires_grad)
        return f"Recognizer({self.name} on {self.backbone.spec}: {len(self.classes):,} classes, {weights:,} trainable parameters)"

    @classmethod
    def create(
        cls, backbone: Backbone, name: str, config: MethodConfig, classes: Sequence[str], prompt_names: Sequence[str], *, seed: int = 0
    ) -> "Recognizer":
        """Return an untrained recogniser; train its ``method``, then call :meth:`refresh`."""
        text = backbone.texts()
        method = config.build(_setting(backbone, classes, prompt_names, seed), text).to(backbone.device)
        vectors = ensemble(text.encode_texts, prompt_names)
        made = cls(backbone, name, config, method, classes, prompt_names, classifier={}, text_vectors=vectors)
        made.refresh()
        return made

    @torch.no_grad()
    def refresh(self) -> None:
        """Run the text encoder once with the method's present weights; predictions use its vectors from then on."""
        self.method.to(self.backbone.device).eval()
        self.classifier = {name: vector.detach() for name, vector in self.method.classifier(self.backbone.texts()).items()}

    @torch.inference_mode()
    def scores(self, features: Features) -> Prediction:
        """Return probabilities and heatmaps for the backbone's features of a batch."""
        scores = self.method(features, self.classifier)
        cosine = torch.einsum("bpn,ln->blp", functional.normalize(features.map, dim=-1), self.text_vectors)
        return Prediction(self._agreeing(scores.logits), scores.attention, (BASELINE_SHARPNESS * cosine).softmax(-1))

    @torch.inference_mode()
    def probabilities(self, features: Features) -> Float[Tensor, "batch label"]:
        """Return the probabilities alone."""
        return self._agreeing(self.method(features, self.classifier).logits)

    @property
    def relations(self) -> Relations | None:
        """What all probabilities agree with; None: nothing."""
        return None if self.coherence is None else self.coherence.relations

    def relate(self, relations: Relations | None) -> None:
        """Make all probabilities agree with ``relations`` from now on; None: with none."""
        self.coherence = None if relations is None else Coherence(relations).to(self.backbone.device)

    @torch.inference_mode()
    def agreeing(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (image, label) that were made without :meth:`relate` as they are with it."""
        if self.coherence is None:
            return probabilities
        found: NDArray[np.float32] = self.coherence(torch.from_numpy(probabilities).to(self.backbone.device)).cpu().numpy()
        return found

    def _agreeing(self, logits: Logits) -> Float[Tensor, "batch label"]:
        probabilities = torch.sigmoid(logits.float())
        return probabilities if self.coherence is None else cast(Tensor, self.coherence(probabilities))

    def require_deviations(self) -> None:
        """Raise RunError unless there are :meth:`deviations`."""
        if not self.method.has_deviations:
            raise RunError(
                f"expected a run that says how unsure it is, came one of {self.name} that does not; only the exact head of semantic_aware "
                "has deviations, in runs trained since it has them: train again, or do without uncertainty"
            )

    @torch.inference_mode()
    def deviations(self, features: Features) -> Float[Tensor, "batch label"]:
        """Return the posterior standard deviation of each class's logit: how far known labels leave it open.

        Raises:
            RunError: the method has none, or the run is from before there were any.
        """
        self.require_deviations()
        return self.method.deviations(features, self.classifier).float()

    def predict(
        self, pictures: GivenPicture | Iterable[GivenPicture], batch: int = 32, *, uncertainty: bool = False, heatmaps: bool = False
    ) -> Predictions:
        """Return what this recogniser says of one picture or many; for streams without end see ``taglens.inference``.

        Args:
            pictures: file names, bytes, Pillow pictures, arrays (row, column, colour) or tensors (colour, row, column): one, or any number
                in a list, a generator, or an array or tensor with an axis more.
            batch: pictures encoded together.
            uncertainty: also the :meth:`deviations`.
            heatmaps: also where each class was seen: the attention, or CLIP's map for a method that looks at the whole picture only.

        Raises:
            PictureError: a file is missing or unreadable, or something is no picture.
            RunError: ``uncertainty`` is asked of a method that has none.
        """
        if uncertainty:
            self.require_deviations()
        names: list[str] = []
        found: dict[str, list[Tensor]] = {"probabilities": [], "uncertainty": [], "heatmaps": []}
        for pixels, called in self._batches(pictures, batch):
            names += called
            features = self._features(pixels)
            found["probabilities"].append(self.probabilities(features).cpu())
            if uncertainty:
                found["uncertainty"].append(self.deviations(features).cpu())
            if heatmaps:
                seen = self.scores(features)
                maps = seen.baseline if seen.attention is None else seen.attention
                found["heatmaps"].append(maps.float().cpu().reshape(*maps.shape[:2], *self.backbone.grid(*pixels.shape[2:])))
        parts = {name: torch.cat(values).numpy() for name, values in found.items() if values}
        parts.setdefault("probabilities", np.zeros((0, len(self.classes)), np.float32))
        return Predictions(tuple(names), self.classes, thresholds=self.thresholds, **parts)

    def embed(self, pictures: GivenPicture | Iterable[GivenPicture], batch: int = 32) -> NDArray[np.float32]:
        """Return the backbone's vector of each picture, of length 1, (picture, channel); ``pictures`` as for :meth:`predict`.

        Raises:
            PictureError: a file is missing or unreadable, or something is no picture.
        """
        parts = [np.zeros((0, self.backbone.channels), np.float32)]
        for pixels, _ in self._batches(pictures, batch):
            parts.append(functional.normalize(self._features(pixels).pooled.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def _features(self, pixels: NDArray[np.float32]) -> Features:
        return self.backbone.features(torch.from_numpy(pixels).to(self.backbone.device))

    def _batches(self, pictures: GivenPicture | Iterable[GivenPicture], batch: int) -> Iterator[tuple[NDArray[np.float32], list[str]]]:
        """Yield the pixels (picture, 3, size, size) and the names of pictures that are encoded together."""
        transform = self.backbone.transform
        named = ((one, picture_name(one, number)) for number, one in enumerate(each_picture(pictures)))
        decoded = decode_ahead(named, lambda pair: transform(given_picture(pair[0], transform, pair[1])), ahead=2 * batch)
        pairs = readable(decoded)
        while part := list(islice(pairs, batch)):
            yield np.stack([pixels for _, pixels in part]), [name for (_, name), _ in part]

    def save(self, folder: Path, *, force: bool = False) -> None:
        """Write recognizer.json and weights.safetensors, each in one step; thresholds.csv, which would outdo them, is removed.

        Raises:
            OutputError: they exist and ``force`` is false, or cannot be written.
        """
        tensors = {f"method.{name}": value for name, value in self.method.state_dict().items()}
        tensors |= {f"classifier.{name}": value for name, value in self.classifier.items()} | {"text_vectors": self.text_vectors}
        with atomic_path(Path(folder) / WEIGHTS, force=force) as temporary:
            # its own writer would say that the disk is full with an error that is no OSError
            temporary.write_bytes(save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}))
        (Path(folder) / THRESHOLDS).unlink(missing_ok=True)
        write_json(Path(folder) / DESCRIPTION, self.describe(), force=force)

    def describe(self) -> dict[str, Any]:
        """Return what is needed, beside the weights, to load this recogniser."""
        backbone = self.backbone
        return {
            "format": FORMAT,
            "backbone": {
                "spec": findable(backbone.spec),
                "image_size": backbone.transform.size,
                "map": backbone.map,
                "fingerprint": backbone.fingerprint,
            },
            "method": {"name": self.name, "options": dataclasses.asdict(self.config)},  # type: ignore[call-overload]
            "classes": list(self.classes),
            "prompt_names": list(self.prompt_names),
            "thresholds": [float(value) for value in self.thresholds],
            "relations": [] if self.relations is None else written_lines(self.relations),
        }

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu", *, backbone: Backbone | None = None, text: bool = False) -> "Recognizer":
        """Read what :meth:`save` wrote; where there is a thresholds.csv, which a person may have edited, its thresholds count.

        ``backbone`` takes the place of the recorded one (it must have the same weights and map); ``text`` keeps its text encoder, for
        training on.

        Raises:
            RunError: files are missing or damaged, of a newer format, or do not fit each other or the backbone.
        """
        folder = Path(folder)
        facts = read_description(folder / DESCRIPTION)
        known = facts["backbone"]
        if os.path.lexists(folder / THRESHOLDS):
            facts["thresholds"] = read_thresholds(folder / THRESHOLDS, facts["classes"]).tolist()
        loaded = backbone or recorded(known, folder)
        require_same(loaded, known, folder)
        tensors = read_weights(folder / WEIGHTS)
        made = _restore(cls, loaded, facts, tensors, folder)
        if not text and backbone is None:
            loaded.text = None
        loaded.to(device)
        made.method.to(device)
        made.relate(relations_of(facts, folder))
        made.classifier = {name: value.to(device) for name, value in made.classifier.items()}
        made.text_vectors = made.text_vectors.to(device)
        return made


def _setting(
    backbone: Backbone, classes: Sequence[str], prompt_names: Sequence[str], seed: int = 0, guide: Tensor | None = None
) -> Setting:
    return Setting(
        classes=tuple(classes),
        prompt_names=tuple(prompt_names),
        channels=backbone.channels,
        logit_scale=backbone.logit_scale,
        seed=seed,
        guide=guide,
    )


def _restore(cls: type[Recognizer], backbone: Backbone, facts: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Recognizer:
    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    name, classes, prompt_names = facts["method"]["name"], facts["classes"], facts["prompt_names"]
    weights = part("method.")
    try:
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in facts["method"]["options"].items()}
        config = stored_config(name)(**options)
        method = config.build(_setting(backbone, classes, prompt_names, guide=weights.get("guide")), backbone.texts())
        method.load_state_dict(weights)
        thresholds = np.asarray(facts["thresholds"], dtype=np.float64).reshape(len(classes))
        vectors = tensors["text_vectors"]
    except (TypeError, KeyError, RuntimeError) as error:
        raise RunError(f"{folder}: recognizer.json and weights.safetensors do not fit each other ({error}); train again") from error
    classifier = part("classifier.")
    made = cls(backbone, name, config, method, classes, prompt_names, classifier=classifier, text_vectors=vectors, thresholds=thresholds)
    _require_use(made, folder)
    return made


def _require_use(recognizer: Recognizer, folder: Path) -> None:
    """Score an empty picture: whatever does not fit shows now, not in the middle of somebody's work."""
    channels, labels = recognizer.backbone.channels, len(recognizer.classes)
    try:
        if recognizer.text_vectors.shape != (labels, channels):
            raise RuntimeError(f"text_vectors are {tuple(recognizer.text_vectors.shape)}, expected {(labels, channels)}")
        found = recognizer.scores(Features(torch.zeros(1, 1, channels), torch.zeros(1, channels))).probabilities
        if found.shape != (1, labels):
            raise RuntimeError(f"{found.shape[-1]} probabilities for {labels} classes")
    except (KeyError, IndexError, TypeError, RuntimeError) as error:
        raise RunError(f"{folder}: {DESCRIPTION} and {WEIGHTS} do not fit each other ({error}); train again") from error
