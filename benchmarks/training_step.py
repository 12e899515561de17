"""One training step of semantic_aware against DualCoOp's form, and what it costs beyond the encoder."""

from collections.abc import Iterable

import open_clip
import torch

from benchmarks.measure import Line, Step, compared, in_milliseconds, medians
from benchmarks.references.dualcoop import CONTEXT, DualCoOpStep
from taglens.backbones.openclip import load_backbone
from taglens.losses.partial_bce import PartialBCE
from taglens.methods.base import Setting
from taglens.methods.semantic_aware import SemanticAware
from taglens.prompts.contexts import PromptContexts

MODEL, SIZE, LABELS = "RN101", 448, 80
NAMES = tuple(
    f"{word} {thing}"
    for word in ["red", "small", "wild", "old", "wooden", "young", "fast", "quiet"]
    for thing in ["dog", "cat", "car", "boat", "chair", "bird", "tree", "cup", "bus", "kite"]
)
REPEATS = 3


def run() -> Iterable[Line]:
    """Yield both comparisons; the pictures are random numbers, which cost as much as photos."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    where = f"{MODEL} at {SIZE}, {LABELS} classes, {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, float32"
    warm = device == "cuda"  # a step on a CPU takes so long that its first run costs nothing extra
    step, encoder = ours(16, device)
    times = medians({"ours": step, "encoder": encoder, "theirs": theirs(16, device)}, REPEATS, warm=warm)
    yield compared(f"training step, {where}, batch 16, against DualCoOp's", times["ours"], times["theirs"], in_milliseconds, 3)
    yield compared("the same, the encoder's forward alone against DualCoOp's", times["encoder"], times["theirs"], in_milliseconds, None)
    step, encoder = ours(32, device)
    times = medians({"ours": step, "encoder": encoder, "text": text_step(device)}, REPEATS, warm=warm)
    beyond = times["ours"] - times["encoder"]
    allowed = 0.20 if device == "cuda" else 0.25
    what = f"all but the encoder, {where}, batch 32, against the encoder's forward"
    yield compared(what, beyond, times["encoder"], in_milliseconds, 1 / allowed)
    yield compared("of that the text encoder, which does not depend on the batch", times["text"], times["encoder"], in_milliseconds, None)


def ours(batch: int, device: str) -> tuple[Step, Step]:
    """Return a whole training step and the encoder's forward pass alone."""
    backbone = load_backbone(f"random:{MODEL}", image_size=SIZE, precision="float32").to(device)
    text = backbone.text
    assert text is not None
    setting = Setting(classes=NAMES, prompt_names=NAMES, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = SemanticAware(head="gradient", context_length=CONTEXT).build(setting, text).to(device)
    optimiser = torch.optim.AdamW(method.parameter_groups(1e-3), lr=1e-3)
    pictures, targets = _batch(batch, device)
    loss = PartialBCE()

    def encode() -> object:
        with torch.no_grad():
            return backbone.features(pictures)

    def step() -> None:
        optimiser.zero_grad()
        with torch.no_grad():
            features = backbone.features(pictures)
        result = loss(method(features, method.classifier(text)).logits, targets)
        (result.total / result.known).backward()
        optimiser.step()

    return step, encode


def text_step(device: str) -> Step:
    """Return the text encoder's part of a step: forward and backward for the prompts of all classes."""
    text = load_backbone(f"random:{MODEL}", image_size=SIZE, precision="float32").to(device).texts()
    prompts = PromptContexts(text, NAMES, context_length=CONTEXT).to(device)

    def step() -> None:
        prompts.zero_grad()
        text.encode(*prompts()).square().sum().backward()

    return step


def theirs(batch: int, device: str) -> Step:
    """Return a whole training step of the published form."""
    clip = open_clip.create_model(MODEL, pretrained=None, force_image_size=SIZE).eval()
    prompts = [" ".join(["X"] * CONTEXT) + f" {name}." for name in NAMES]
    form = DualCoOpStep(clip.to(device), open_clip.tokenize(prompts).to(device))
    form.to(device)
    optimiser = torch.optim.SGD([form.context], lr=2e-3, momentum=0.9)
    pictures, targets = _batch(batch, device)

    def step() -> None:
        form.zero_grad()
        form.loss(pictures, targets).backward()
        optimiser.step()

    return step


def _batch(batch: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(batch, 3, SIZE, SIZE, device=device), torch.randint(-1, 2, (batch, LABELS), device=device)
