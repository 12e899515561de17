"""One encoder pass, map and pooled vector, against open_clip's own pass, which gives the pooled vector alone; and what compiling adds."""

from collections.abc import Iterable

import open_clip
import torch

from benchmarks.measure import Line, Step, compared, in_milliseconds, medians, seconds
from taglens.backbones.openclip import load_backbone

SETTINGS = [("RN50", 224), ("ViT-B-32", 224)]
BATCH = 8


def run() -> Iterable[Line]:
    """Yield three lines for each model: all, without pooling, compiled."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for model, size in SETTINGS:
        steps, compiling = _steps(model, size, device)
        times = medians(steps)
        what = f"{model} at {size}, batch {BATCH}, {torch.cuda.get_device_name() if device == 'cuda' else 'CPU'}, float32"
        for name, title in [("ours", "map and pooled vector"), ("map", "map alone"), ("compiled", f"compiled in {compiling:.0f} s")]:
            yield compared(f"{what}: {title}, against open_clip's pooled vector", times[name], times["theirs"], in_milliseconds, None)


def _steps(model: str, size: int, device: str) -> tuple[dict[str, Step], float]:
    """Return the passes, and the seconds that compiling takes."""
    backbone = load_backbone(f"random:{model}", precision="float32").to(device)
    plain = open_clip.create_model(model, pretrained=None).eval().to(device)
    pictures = torch.randn(BATCH, 3, size, size, device=device)
    compiled = torch.compile(backbone.features)

    def step(encode: object) -> Step:
        def work() -> None:
            with torch.inference_mode():
                encode(pictures)  # type: ignore[operator]

        return work

    steps = {
        "ours": step(backbone.features),
        "map": step(lambda given: backbone.features(given, pooled=False)),
        "compiled": step(compiled),
        "theirs": step(plain.encode_image),
    }
    return steps, seconds(steps["compiled"])
