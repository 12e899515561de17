"""Semantic-aware recognition: category-specific positions of the picture against category-specific prompts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from taglens.backbones.text import TextEncoder
from taglens.decoupling.layer import SemanticDecoupling
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.methods.base import Candidate, Classifier, Method, Scores, Setting, base_rate_logits
from taglens.methods.exact import ExactHead
from taglens.methods.guide import load_guide
from taglens.methods.priors import fit_scales, prior_energy, standard_length
from taglens.prompts.contexts import PromptContexts
from taglens.prompts.templates import ensemble
from taglens.shapes import Attention, Features, Known, Logits


@dataclass(frozen=True, kw_only=True)
class SemanticAware:
    """Each class looks at its own positions, guided by its meaning, and is predicted independently.

    The exact head is a Gaussian process over the decoupled and the pooled vector, solved to its end; see ``training.exact``. The gradient
    head is   z_c = e^t s_c cos(f_c, g_c) + r_c . (f_c / |f_c| - m_c) + b_c.

    f_c is the decoupled vector of class c, g_c the text encoder's vector of its prompt. Beyond the paper, each with its own switch:
    attention that starts at CLIP's similarity map, a learned share per class of the pooled vector (``mix``), and a free vector r_c per
    class (``residual``), all starting at "no change", so that nothing hangs on CLIP knowing the class names: s_c can fall to zero.

    Source: arXiv 2412.10843 (reconstruction); the switches: docs/log.md.
    """

    head: Literal["auto", "exact", "gradient"] = "auto"
    """exact: inferred in seconds, nothing held out; gradient: trained in epochs; auto: exact, unless learned prompts, another guide or
    another start of the attention are asked for, which only the gradient learns."""
    decoupling: bool = True
    """Let each class attend to its own positions; off: the pooled vector (the paper's ablation)."""
    reattention: bool = True
    """Head exact: let the labels teach each class where to look, beyond its name."""
    rbf: bool = True
    """Head exact: RBF kernels beside the linear ones."""
    prompts: Literal["auto", "class", "shared", "template"] = "auto"
    """Learned contexts of each class, shared by all classes, or hand-written templates (the paper's ablation); auto: what the head can
    use, templates for exact, class for gradient."""
    guide: str = "text"
    """What tells a class where to look: 'text' (CLIP's embedding of its name) or 'glove:FILE' (the paper's)."""
    attention_start: Literal["similarity", "zero", "random"] = "similarity"
    """Start of the attention: CLIP's similarity map, uniform, or random (the published form)."""
    residual: bool = True
    """Learn a free vector per class beside the text vector."""
    mix: bool = True
    """Learn per class how much the pooled vector counts beside the decoupled one."""
    context_start: str = "a photo of a"
    """Words whose embeddings the learned contexts start from; empty: random."""
    context_length: int | None = None
    """Number of learned context vectors; default: as many as the start has tokens, 16 for a random start."""
    hidden: int = 512
    """Width of the attention's joint projection, D in the paper."""
    sharpness: float = 30.0
    """Starting factor on the cosine in the attention's similarity map."""
    attention_rate: float = 0.1
    """Learning rate of the attention's projections, relative to the class vectors'."""
    prompt_rate: float = 0.1
    """Learning rate of the contexts, relative to the class vectors'."""
    kernel: str = "auto"
    """Code that computes the attention; all give the same result."""

    untuned: ClassVar[str] = "the exact head chooses its prior within its one fit"

    @property
    def tunable(self) -> tuple[Candidate, ...]:
        """What a sweep may choose between; nothing for the exact head."""
        if self.exact:
            return ()
        template = Candidate(options={"prompts": "template"})
        return (Candidate(), Candidate(rate=3), Candidate(rate=1 / 3), template, Candidate(epochs=2))

    def __post_init__(self) -> None:
        if self.sharpness <= 0 or self.hidden < 1 or min(self.attention_rate, self.prompt_rate) < 0:
            raise TagLensError(f"expected positive sharpness and hidden and rates of at least 0, came {self}")
        if self.head == "exact" and self._needs_gradient:
            raise TagLensError(
                "learned prompts, other guides and other starts of the attention need the head that is trained by gradient: leave out head "
                f"exact; came prompts {self.prompts}, guide {self.guide}, attention_start {self.attention_start}"
            )

    @property
    def exact(self) -> bool:
        """Whether the head is inferred exactly."""
        return self.head != "gradient" and not self._needs_gradient

    @property
    def _needs_gradient(self) -> bool:
        return self.prompts in ("class", "shared") or self.guide != "text" or self.attention_start != "similarity"

    @classmethod
    def stored(cls, **options: Any) -> "SemanticAware":
        """Return a saved run's configuration: runs from before there were two heads do not say that theirs was trained by gradient."""
        return cls(**{"head": "gradient"} | options)

    def build(self, setting: Setting, text: TextEncoder) -> Method:
        """Make the method with its starting weights."""
        if not self.exact:
            return SemanticAwareMethod(self, setting, text)
        vectors = ensemble(text.encode_texts, setting.prompt_names)
        return ExactHead(vectors, sharpness=self.sharpness, decoupling=self.decoupling, reattention=self.reattention, rbf=self.rbf)


class _Views(NamedTuple):
    """Unit vectors of a picture as a class sees it: decoupled, pooled, or both."""

    local: Float[Tensor, "batch label channel"] | None
    pooled: Float[Tensor, "batch channel"]
    attention: Attention | None


class SemanticAwareMethod(Method):
    """The head that is trained by gradient; see :class:`SemanticAware`."""

    template_vectors: Tensor
    guide: Tensor
    temperature: Tensor
    spread: Tensor
    local_centre: Tensor
    pooled_centre: Tensor

    def __init__(self, config: SemanticAware, setting: Setting, text: TextEncoder) -> None:
        super().__init__()
        self.config = config
        labels, channels = len(setting.classes), setting.channels
        self.register_buffer("template_vectors", ensemble(text.encode_texts, setting.prompt_names))
        self.prompts = _contexts(config, setting, text)
        names = setting.prompt_names
        guide = load_guide(config.guide, setting.classes, names, self.template_vectors) if setting.guide is None else setting.guide
        self.register_buffer("guide", guide)
        self.decoupling = _decoupling(config, self.template_vectors, guide, setting.seed) if config.decoupling else None
        self.register_buffer("temperature", torch.tensor(setting.logit_scale))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("local_centre", torch.zeros(labels, channels))
        self.register_buffer("pooled_centre", torch.zeros(channels))
        self.scale = nn.Parameter(torch.ones(labels))
        self.bias = nn.Parameter(torch.zeros(labels))
        self.local_share = nn.Parameter(torch.zeros(labels)) if config.decoupling and config.mix else None
        self.residual = nn.Parameter(torch.zeros(labels, channels)) if config.residual else None

    def classifier(self, text: TextEncoder) -> Classifier:
        """Return the unit text vectors (label, channel) of the learned prompts."""
        if self.prompts is None:
            return {}
        return {"vectors": functional.normalize(text.encode(*self.prompts()), dim=-1)}

    def start(self, batches: Iterable[Features], labels: PartialLabels, classifier: Classifier) -> None:
        """Measure the views' centres and spread; start each class at what its name's similarity is worth on the known labels."""
        similarities, count = [], 0
        self.local_centre.zero_()
        self.pooled_centre.zero_()
        square = 0.0
        for features in batches:
            views = self._look(features)
            similarities.append(self._mixed(views, self._vectors(classifier)))
            self.pooled_centre += views.pooled.sum(0)
            square += float(views.pooled.square().sum())
            count += len(views.pooled)
            if views.local is not None:
                self.local_centre += views.local.sum(0)
        self.pooled_centre /= count
        self.local_centre /= count
        self.spread.fill_(max(square / count - float(self.pooled_centre.square().sum()), 1e-12) ** 0.5)
        similarity = torch.cat(similarities)
        self.temperature.copy_(1 / similarity.std(0).mean().clamp(min=1e-4))
        standard = (similarity - similarity.mean(0)) * self.temperature
        scale, bias = fit_scales(standard.cpu(), torch.tensor(labels.values), base_rate_logits(labels))
        with torch.no_grad():
            self.scale.copy_(scale)
            self.bias.copy_(bias.to(similarity) - self.temperature * self.scale * similarity.mean(0))

    def forward(self, features: Features, classifier: Classifier, known: Known | None = None) -> Scores:
        """Score a batch, or what is ``known`` of it; the attention is None without decoupling."""
        views = self._look(features, known)
        # the logit is linear in the class vectors, so all of them are summed before the views are looked at once
        vectors: Tensor = (self.temperature * self.scale)[:, None] * self._vectors(classifier)
        bias: Tensor = self.bias
        if self.residual is not None:
            free = standard_length(self.residual.shape[1]) / self.spread * self.residual
            vectors, bias = vectors + free, bias - self._mixed(_Views(self.local_centre[None], self.pooled_centre[None], None), free)
        return Scores(self._mixed(views, vectors) + bias, views.attention)

    def training_logits(self, features: Features, classifier: Classifier, known: Known | None) -> Logits:
        """Return the logits; where a label is not known its attention is not computed, most of the work of a forward pass."""
        return self(features, classifier, known).logits  # type: ignore[no-any-return]

    def prior_energy(self) -> Tensor:
        """Return the Gaussian prior's share of the loss: only the free vectors have one."""
        return torch.zeros(()) if self.residual is None else prior_energy(self.residual)

    def parameter_groups(self, rate: float) -> Sequence[dict[str, Any]]:
        """Give scalars ten times the rate and no decay, the attention and the contexts their own small rates."""
        scalars = [self.scale, self.bias, *([] if self.local_share is None else [self.local_share])]
        groups = [{"params": scalars, "lr": 10 * rate, "weight_decay": 0.0}]
        if self.residual is not None:
            groups.append({"params": [self.residual], "lr": rate, "weight_decay": 0.0})
        if self.prompts is not None:
            groups.append({"params": list(self.prompts.parameters()), "lr": self.config.prompt_rate * rate, "weight_decay": 0.0})
        if self.decoupling is not None:
            sharpness = [] if self.decoupling.log_sharpness is None else [self.decoupling.log_sharpness]
            projections = [weight for weight in self.decoupling.parameters() if weight is not self.decoupling.log_sharpness]
            groups.append({"params": sharpness, "lr": 10 * rate, "weight_decay": 0.0})
            groups.append({"params": projections, "lr": self.config.attention_rate * rate})
        return [group for group in groups if group["params"]]

    def _vectors(self, classifier: Classifier) -> Float[Tensor, "label channel"]:
        return self.template_vectors if self.prompts is None else classifier["vectors"]

    def _look(self, features: Features, known: Known | None = None) -> _Views:
        pooled = functional.normalize(features.pooled, dim=-1)
        if self.decoupling is None:
            return _Views(None, pooled, None)
        decoupled = self.decoupling(features.map, self.guide, known)
        return _Views(functional.normalize(decoupled.features, dim=-1), pooled, decoupled.attention)

    def _mixed(self, views: _Views, vectors: Float[Tensor, "label channel"]) -> Float[Tensor, "batch label"]:
        """Inner products of the class vectors with the mix of both views."""
        if views.local is None or self.decoupling is None:
            return views.pooled @ vectors.T
        local = torch.einsum("bln,ln->bl", views.local, vectors)
        if self.local_share is None:
            return local
        return torch.lerp(views.pooled @ vectors.T, local, torch.sigmoid(self.local_share).to(local.dtype))


def _contexts(config: SemanticAware, setting: Setting, text: TextEncoder) -> PromptContexts | None:
    if config.prompts == "template":
        return None
    return PromptContexts(
        text,
        setting.prompt_names,
        per_class=config.prompts != "shared",
        start=config.context_start or None,
        context_length=config.context_length,
        seed=setting.seed,
    )


def _decoupling(config: SemanticAware, text_vectors: Tensor, guide: Tensor, seed: int) -> SemanticDecoupling:
    with torch.random.fork_rng(devices=[]):  # one seed, one start, whatever was drawn before
        torch.manual_seed(seed)
        return SemanticDecoupling(
            text_vectors.shape[1],
            guide.shape[1],
            hidden=config.hidden,
            anchor=text_vectors if config.attention_start == "similarity" else None,
            sharpness=config.sharpness,
            residual="random" if config.attention_start == "random" else "zero",
            kernel=config.kernel,
        )
