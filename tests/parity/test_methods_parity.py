"""Methods and losses against their formulas, written anew in plain loops over the same weights."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from taglens.backbones.openclip import load_backbone
from taglens.errors import TagLensError
from taglens.labels.states import PartialLabels
from taglens.losses import build_loss
from taglens.methods import method_config
from taglens.prompts.templates import TEMPLATES
from taglens.recognizer import Recognizer
from taglens.shapes import Features
from tests.backbone_models import VIT, config, write_model
from tests.made_losses import KNOWN_ONLY

CLASSES = ("dog", "red car", "umbrella")
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A backbone and open_clip's own model of the same weights, in float64: what is left is no rounding."""
    spec, own = write_model(tmp_path_factory.mktemp("clip"), config(VIT))
    return load_backbone(spec).double(), own.double()


@pytest.fixture(scope="module")
def features(models):
    generator = torch.Generator().manual_seed(5)
    channels = models[0].channels
    return Features(*(torch.randn(*shape, channels, generator=generator, dtype=torch.float64) for shape in ((4, 16), (4,))))


def make(backbone, name, **options):
    """A recogniser of which every weight is some number."""
    made = Recognizer.create(backbone, name, method_config(name)(**options), CLASSES, CLASSES)
    made.method.double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in made.method.state_dict().values():
            weight += 0.1 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    made.refresh()
    return made


def unit(vector):
    return vector / math.sqrt(sum(float(value) ** 2 for value in vector))


def cosine(first, second):
    return float(unit(first) @ unit(second))


def whole_text(own, embeddings, end):
    """open_clip's text tower on all 77 tokens, step by step."""
    padded = torch.zeros(1, 77, embeddings.shape[-1], dtype=torch.float64)
    padded[0, : len(embeddings)] = embeddings
    padded[0, len(embeddings) :] = own.token_embedding.weight[0]
    states = own.transformer(padded + own.positional_embedding, attn_mask=own.attn_mask)
    return (own.ln_final(states)[0, end] @ own.text_projection).detach()


def prompt(own, backbone, name, context):
    """Vector of [start, context, name, ".", end] as the paper writes it."""
    ids = backbone.text.tokenize([f"{name}."]).ids[0]
    length = int((ids != 0).sum())
    embedded = own.token_embedding(ids[:length]).detach()
    return whole_text(own, torch.cat([embedded[:1], context, embedded[1:]]), length - 1 + len(context))


def template_vector(own, backbone, name, templates=TEMPLATES):
    vectors = []
    for template in templates:
        ids = backbone.text.tokenize([template.format(name)]).ids[0]
        length = int((ids != 0).sum())
        vectors.append(unit(whole_text(own, own.token_embedding(ids[:length]).detach(), length - 1)))
    return unit(sum(vectors) / len(vectors))


def scored(recognizer, features):
    return recognizer.method(features, recognizer.classifier).logits.detach()


def test_zero_shot(models, features):
    backbone, own = models
    recognizer = Recognizer.create(backbone, "zero_shot", method_config("zero_shot")(), CLASSES, CLASSES)
    scale = float(own.logit_scale.detach().exp())
    expected = [[scale * cosine(pooled, template_vector(own, backbone, name)) for name in CLASSES] for pooled in features.pooled]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def test_zero_shot_standardised(models, features):
    """Over the classes of a picture, then over the training pictures, which are the same here; the mean is the base rate."""
    backbone, own = models
    recognizer = Recognizer.create(backbone, "zero_shot", method_config("zero_shot")(standardise=True), CLASSES, CLASSES)
    labels = np.array([[1, 0, -1], [0, 0, 1], [0, 1, -1], [0, 0, 0]], np.int8)
    recognizer.method.double().start([features], PartialLabels(labels), {})
    cosines = np.array([[cosine(pooled, template_vector(own, backbone, name)) for name in CLASSES] for pooled in features.pooled])
    rows = (cosines - cosines.mean(1, keepdims=True)) / cosines.std(1, keepdims=True)
    columns = (rows - rows.mean(0)) / rows.std(0)
    found = scored(recognizer, features).numpy()
    np.testing.assert_allclose(found - found.mean(0), 2 * columns, atol=1e-4)
    rates = found.mean(0)
    assert rates[0] == pytest.approx(rates[1], abs=1e-4), "1 of 4 known are positive in both"
    assert rates[2] > rates[0] + 0.1, "1 of 2, shrunk to the overall rate"


def test_two_classes_cannot_be_standardised(models):
    with pytest.raises(TagLensError, match="needs 3 classes or more, came 2"):
        Recognizer.create(models[0], "zero_shot", method_config("zero_shot")(standardise=True), CLASSES[:2], CLASSES[:2])


@pytest.mark.parametrize("per_class", [False, True])
def test_coop(models, features, per_class):
    backbone, own = models
    recognizer = make(backbone, "coop", per_class=per_class)
    weights = recognizer.method.state_dict()
    vectors = [prompt(own, backbone, name, weights["prompts.context"][c if per_class else 0]) for c, name in enumerate(CLASSES)]
    scale = math.exp(weights["log_scale"])
    expected = [[scale * cosine(f, vectors[c]) + float(weights["bias"][c]) for c in range(3)] for f in features.pooled]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def pair(regions, positive, negative):
    """DualCoOp's logit of one picture and class."""
    above = [20 * cosine(region, positive) for region in regions]
    below = [20 * cosine(region, negative) for region in regions]
    weights = [math.exp(score - max(above)) for score in above]
    weights = [weight / sum(weights) for weight in weights]
    z_positive, z_negative = (5 * sum(w * s for w, s in zip(weights, scores, strict=True)) for scores in (above, below))
    # softmax over the pair, written as the logit of its first entry
    share = math.exp(z_positive - max(z_positive, z_negative)) / sum(
        math.exp(z - max(z_positive, z_negative)) for z in (z_positive, z_negative)
    )
    return math.log(share / (1 - share)) if abs(z_positive - z_negative) < 10 else z_positive - z_negative


def test_dualcoop(models, features):
    backbone, own = models
    recognizer = make(backbone, "dualcoop")
    weights = recognizer.method.state_dict()
    expected = [
        [
            pair(regions, *(prompt(own, backbone, name, weights[f"{side}.context"][c]) for side in ("positive", "negative")))
            for c, name in enumerate(CLASSES)
        ]
        for regions in features.map
    ]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)
    assert torch.tensor(expected).std() > 1


def test_positive_coop(models, features):
    backbone, own = models
    recognizer = make(backbone, "positive_coop")
    weights = recognizer.method.state_dict()
    expected = [
        [
            pair(regions, prompt(own, backbone, name, weights["prompts.context"][c]), weights["negative"][c])
            for c, name in enumerate(CLASSES)
        ]
        for regions in features.map
    ]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def test_linear_probe(models, features):
    backbone, _ = models
    recognizer = make(backbone, "linear_probe")
    with torch.no_grad():
        recognizer.method.start([features], PartialLabels(np.ones((4, 3), np.int8)), {})
    weights = recognizer.method.state_dict()
    units = [unit(f) for f in features.pooled]
    centre = sum(units) / 4
    spread = math.sqrt(sum(float((u - centre) @ (u - centre)) for u in units) / 4)
    length = 180 / math.sqrt(backbone.channels)
    expected = [
        [float(w @ (u - centre)) * length / spread + float(b) for w, b in zip(weights["weight"], weights["bias"], strict=True)]
        for u in units
    ]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)


PLAIN = {
    "head": "gradient",
    "attention_start": "random",
    "residual": False,
    "mix": False,
    "context_start": "",
    "context_length": 4,
    "hidden": 24,
}


@pytest.mark.parametrize(
    "options", [PLAIN, PLAIN | {"attention_start": "similarity"}, {"head": "gradient", "hidden": 24}, {"hidden": 24, "prompts": "shared"}]
)
def test_semantic_aware(models, features, options):
    """s = w . tanh(W1 f * W2 x) [+ e^tau cos], softmax over positions, pooled, compared with the prompt, mixed with the whole picture."""
    backbone, own = models
    recognizer = make(backbone, "semantic_aware", **options)
    weights = recognizer.method.state_dict()
    expected = [[_semantic_aware(own, backbone, weights, features, i, c) for c in range(3)] for i in range(4)]
    torch.testing.assert_close(scored(recognizer, features), torch.tensor(expected, dtype=torch.float64), **CLOSE)


def _semantic_aware(own, backbone, weights, features, i, c):
    w1, w2, w = (weights[f"decoupling.{name}"] for name in ("project_features.weight", "project_guide.weight", "weight"))
    scores = []
    for position in features.map[i]:
        score = sum(float(a) * math.tanh(float(u) * float(g)) for a, u, g in zip(w, w1 @ position, w2 @ weights["guide"][c], strict=True))
        if "decoupling.anchor" in weights:
            score += math.exp(weights["decoupling.log_sharpness"]) * float(unit(position) @ weights["decoupling.anchor"][c])
        scores.append(score)
    shares = [math.exp(score - max(scores)) for score in scores]
    local = unit(sum(share / sum(shares) * position for share, position in zip(shares, features.map[i], strict=True)))
    pooled = unit(features.pooled[i])
    share = 1 / (1 + math.exp(-weights["local_share"][c])) if "local_share" in weights else 1.0
    contexts = weights["prompts.context"]
    vector = unit(prompt(own, backbone, CLASSES[c], contexts[c if len(contexts) > 1 else 0]))
    logit = float(weights["temperature"] * weights["scale"][c]) * float((share * local + (1 - share) * pooled) @ vector) + float(
        weights["bias"][c]
    )
    if "residual" in weights:
        centred = share * (local - weights["local_centre"][c]) + (1 - share) * (pooled - weights["pooled_centre"])
        logit += 180 / math.sqrt(backbone.channels) / float(weights["spread"]) * float(weights["residual"][c] @ centred)
    return logit


# Losses -----------------------------------------------------------------------------------------------------------------------------

LOGITS = torch.tensor([[2.0, -1.5, 0.3], [-4.0, 0.0, 6.0], [0.7, -0.2, -2.5]], dtype=torch.float64)
TARGETS = torch.tensor([[1, 0, -1], [-1, 1, 0], [0, -1, 1]], dtype=torch.int8)


def sigmoid(z):
    return 1 / (1 + math.exp(-z))


def bce(z, y):
    return -math.log(sigmoid(z)) if y else -math.log(1 - sigmoid(z))


def asymmetric(z, y):
    p = sigmoid(z)
    q = min(1 - p + 0.05, 1)
    return -(1 - p) * math.log(p) if y else -((1 - q) ** 2) * math.log(q)


def focal(z, y):
    p = sigmoid(z) if y else 1 - sigmoid(z)
    return -((1 - p) ** 2) * math.log(p)


def balanced(z, y, c):
    counts = [sum(1 for row in TARGETS.tolist() if row[c] == state) for state in (0, 1)]
    raw = [(1 - 0.999) / (1 - 0.999 ** max(count, 1)) for count in counts]
    return 2 * raw[y] / sum(raw) * bce(z, y)


FORMULAS = {
    "partial_bce": lambda z, y, c: bce(z, y),
    "partial_asymmetric": lambda z, y, c: asymmetric(z, y),
    "partial_focal": lambda z, y, c: focal(z, y),
    "class_balanced": balanced,
}


def test_every_loss_of_known_cells_has_a_formula_here():
    """Those that read unknown cells: tests/unit/losses/test_formulas.py."""
    assert set(FORMULAS) == set(KNOWN_ONLY)


@pytest.mark.parametrize("name", FORMULAS)
def test_losses(name):
    entries = [(LOGITS[i, c].item(), int(TARGETS[i, c]), c) for i in range(3) for c in range(3) if TARGETS[i, c] >= 0]
    found = build_loss(name, PartialLabels(TARGETS.numpy()))(LOGITS, TARGETS)
    assert found.total.item() == pytest.approx(sum(FORMULAS[name](*entry) for entry in entries), rel=1e-12)
    assert found.known.item() == len(entries) == 6


@pytest.mark.parametrize("name", KNOWN_ONLY)
def test_gradients(name):
    """Against finite differences in float64; the asymmetric loss's weights carry no gradient, so it is checked with exponents 0."""
    options = {"gamma_positive": 0.0, "gamma_negative": 0.0} if name == "partial_asymmetric" else {}
    loss = build_loss(name, PartialLabels(TARGETS.numpy()), **options)
    assert torch.autograd.gradcheck(lambda z: loss(z, TARGETS).total, LOGITS.clone().requires_grad_())


def test_asymmetric_gradient_passes_the_weights_by():
    logits = LOGITS.clone().requires_grad_()
    build_loss("partial_asymmetric", PartialLabels(TARGETS.numpy()))(logits, TARGETS).total.backward()
    for i, c in ((0, 0), (0, 1), (1, 2)):
        p = sigmoid(LOGITS[i, c].item())
        q = min(1 - p + 0.05, 1)
        # the logarithm's slope alone, times the weight as a constant; q stops moving where the clip holds it at 1
        expected = -(1 - p) * (1 - p) if TARGETS[i, c] == 1 else (1 - q) ** 2 * (p * (1 - p) / q if q < 1 else 0)
        assert logits.grad[i, c].item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["partial_bce", "unknown_as_negative"])
def test_with_everything_known_it_is_the_ordinary_loss(name):
    targets = torch.where(TARGETS == 1, 1, 0).to(torch.int8)
    found = build_loss(name, PartialLabels(targets.numpy()))(LOGITS, targets)
    expected = functional.binary_cross_entropy_with_logits(LOGITS, targets.double(), reduction="sum")
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-14)
    unfocused = build_loss("partial_focal", PartialLabels(targets.numpy()), gamma=0.0)(LOGITS, targets)
    assert unfocused.total.item() == pytest.approx(expected.item(), rel=1e-12)
