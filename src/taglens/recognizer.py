"""The trained recogniser: backbone, method and class names, as one thing that predicts, saves and loads."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL.Image import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.errors import RunError
from taglens.methods import Classifier, Method, MethodConfig, Setting, method_config
from taglens.outputs import atomic_path, write_json
from taglens.prompts.templates import ensemble
from taglens.shapes import Attention, Features

FORMAT = 1
"""Version of the files that :meth:`Recognizer.save` writes."""
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
        return Prediction(torch.sigmoid(scores.logits.float()), scores.attention, (BASELINE_SHARPNESS * cosine).softmax(-1))

    @torch.inference_mode()
    def probabilities(self, features: Features) -> Float[Tensor, "batch label"]:
        """Return the probabilities alone."""
        return torch.sigmoid(self.method(features, self.classifier).logits.float())

    def predict(self, pictures: Sequence[Path | str | Image], batch: int = 32) -> NDArray[np.float32]:
        """Return the probabilities (picture, label) of files or opened pictures; for long lists see ``taglens.inference``.

        Raises:
            PictureError: a file is missing or unreadable.
        """
        found = [np.zeros((0, len(self.classes)), dtype=np.float32)]
        for start in range(0, len(pictures), batch):
            arrays = [self._pixels(picture) for picture in pictures[start : start + batch]]
            with torch.inference_mode():
                features = self.backbone.features(torch.from_numpy(np.stack(arrays)).to(self.backbone.device))
            found.append(self.probabilities(features).cpu().numpy())
        return np.concatenate(found)

    def _pixels(self, picture: Path | str | Image) -> NDArray[np.float32]:
        transform = self.backbone.transform
        return transform(transform.open(picture) if isinstance(picture, Path | str) else picture.convert("RGB"))

    def save(self, folder: Path, *, force: bool = False) -> None:
        """Write recognizer.json and weights.safetensors, each in one step.

        Raises:
            OutputError: they exist and ``force`` is false, or cannot be written.
        """
        tensors = {f"method.{name}": value for name, value in self.method.state_dict().items()}
        tensors |= {f"classifier.{name}": value for name, value in self.classifier.items()} | {"text_vectors": self.text_vectors}
        with atomic_path(Path(folder) / "weights.safetensors", force=force) as temporary:
            save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary)
        write_json(Path(folder) / "recognizer.json", self.describe(), force=force)

    def describe(self) -> dict[str, Any]:
        """Return what is needed, beside the weights, to load this recogniser."""
        backbone = self.backbone
        return {
            "format": FORMAT,
            "backbone": {"spec": _findable(backbone.spec), "image_size": backbone.transform.size, "fingerprint": backbone.fingerprint},
            "method": {"name": self.name, "options": dataclasses.asdict(self.config)},  # type: ignore[call-overload]
            "classes": list(self.classes),
            "prompt_names": list(self.prompt_names),
            "thresholds": [float(value) for value in self.thresholds],
        }

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu", *, backbone: Backbone | None = None, text: bool = False) -> "Recognizer":
        """Read what :meth:`save` wrote.

        ``backbone`` takes the place of the recorded one (it must have the same weights); ``text`` keeps its text encoder, for training on.

        Raises:
            RunError: files are missing or damaged, of a newer format, or do not fit each other or the backbone.
        """
        folder = Path(folder)
        facts = _read_description(folder / "recognizer.json")
        loaded = backbone or load_backbone(facts["backbone"]["spec"], image_size=facts["backbone"]["image_size"])
        if loaded.fingerprint != facts["backbone"]["fingerprint"]:
            raise RunError(
                f"{folder}: trained on a backbone with other weights than {loaded.spec!r} has now (fingerprint "
                f"{facts['backbone']['fingerprint'][:12]} expected, {loaded.fingerprint[:12]} found); put the old file back or train again"
            )
        tensors = _read_weights(folder / "weights.safetensors")
        made = _restore(cls, loaded, facts, tensors, folder)
        if not text and backbone is None:
            loaded.text = None
        loaded.to(device)
        made.method.to(device)
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


def _findable(spec: str) -> str:
    """Write a local pair of files with absolute paths, so that the run loads from any folder."""
    if ".json:" not in spec:
        return spec
    config, _, weights = spec.partition(".json:")
    return f"{Path(config + '.json').resolve()}:{Path(weights).resolve()}"


def _read_description(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; expected the folder of a finished run (taglens train ... --out FOLDER)") from error
    except ValueError as error:
        raise RunError(f"{path}: not JSON ({error}); the run folder is damaged, train again") from error
    expected = {"format", "backbone", "method", "classes", "prompt_names", "thresholds"}
    if not isinstance(facts, dict) or not expected <= facts.keys():
        raise RunError(f"{path}: expected the entries {', '.join(sorted(expected))}; this is not a TagLens run")
    if facts["format"] != FORMAT:
        raise RunError(f"{path}: format {facts['format']!r}, this version reads {FORMAT}; install the version of TagLens that wrote it")
    return facts


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        # copies are aligned in memory: products with tensors inside the file's mapping round differently, by some 1e-6
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except OSError as error:
        raise RunError(f"{path}: {error.strerror or error}; expected the weights beside recognizer.json") from error
    except safetensors.SafetensorError as error:
        raise RunError(f"{path}: not a whole safetensors file ({error}); the run folder is damaged, train again") from error


def _restore(cls: type[Recognizer], backbone: Backbone, facts: dict[str, Any], tensors: dict[str, Tensor], folder: Path) -> Recognizer:
    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    name, classes, prompt_names = facts["method"]["name"], facts["classes"], facts["prompt_names"]
    weights = part("method.")
    try:
        options = {key: tuple(value) if isinstance(value, list) else value for key, value in facts["method"]["options"].items()}
        config = method_config(name)(**options)
        method = config.build(_setting(backbone, classes, prompt_names, guide=weights.get("guide")), backbone.texts())
        method.load_state_dict(weights)
        thresholds = np.asarray(facts["thresholds"], dtype=np.float64).reshape(len(classes))
        vectors = tensors["text_vectors"]
    except (TypeError, KeyError, RuntimeError) as error:
        raise RunError(f"{folder}: recognizer.json and weights.safetensors do not fit each other ({error}); train again") from error
    classifier = part("classifier.")
    return cls(backbone, name, config, method, classes, prompt_names, classifier=classifier, text_vectors=vectors, thresholds=thresholds)
