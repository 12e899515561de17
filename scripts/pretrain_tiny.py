"""Pre-train the embedded backbone ``tiny``: a CLIP of about 4 million parameters, on drawn scenes with captions.

Run it with one core:  OMP_NUM_THREADS=1 .venv/bin/python scripts/pretrain_tiny.py --out tiny.safetensors

The scenes are drawn once into a memory-mapped file; every step sees random windows of them with a caption that names
some of the objects inside (contrastive loss of CLIP, arXiv 2103.00020). A run that was stopped continues from its last
checkpoint; every step draws from its own seed, so that a continued run equals an uninterrupted one.
"""

import argparse
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from taglens.backbones.sources import TINY
from taglens.datasets.scenes.captions import caption_of
from taglens.datasets.scenes.compose import draw_scene
from taglens.datasets.scenes.objects.catalogue import SCENE_CLASSES
from taglens.datasets.scenes.settings import SETTINGS
from taglens.outputs import atomic_path

SIDE = 224
FIRST_SEED = 10**12  # far from the seeds of write_scenes: nobody meets a pre-training scene again
PRECISE, SLIPS = 0.5, 0.6  # plain names are used loosely, so that zero-shot leaves something to learn; see caption_of
CONFIG = TINY


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes in memory: pictures (scene, side, side, 3) uint8 and what is on each."""

    pictures: np.ndarray
    facts: list[dict]


def draw_scenes(folder: Path, count: int) -> Scenes:
    """Draw the scenes once; a complete file is used again."""
    pictures, facts = folder / f"pictures-{count}.npy", folder / f"facts-{count}.json"
    if not facts.exists():
        folder.mkdir(parents=True, exist_ok=True)
        store = np.lib.format.open_memmap(pictures, "w+", np.uint8, (count, SIDE, SIDE, 3))
        found = []
        for index in range(count):
            scene = draw_scene(FIRST_SEED + index, SIDE)
            store[index] = np.asarray(scene.picture)
            found.append({"boxes": scene.boxes, "setting": scene.setting})
        store.flush()
        with atomic_path(facts) as temporary:
            temporary.write_text(json.dumps(found))
    return Scenes(np.load(pictures, mmap_mode="r"), json.loads(facts.read_text()))


def visible(boxes: dict, left: int, top: int, side: int, least: float = 0.6) -> list[str]:
    """Return the classes of which an object lies inside the window by at least a share of its box."""
    names = []
    for name, several in boxes.items():
        for x0, y0, x1, y1 in several:
            across = min(x1, left + side) - max(x0, left)
            down = min(y1, top + side) - max(y0, top)
            if across > 0 and down > 0 and across * down >= least * (x1 - x0) * (y1 - y0):
                names.append(name)
                break
    return names


def batch_of(scenes: Scenes, seed: int, count: int, side: int) -> tuple[Tensor, list[str]]:
    """Return random windows (picture, 3, side, side) uint8, half of them mirrored, and a caption for each."""
    generator = random.Random(seed)
    windows, captions = np.empty((count, side, side, 3), np.uint8), []
    for row in range(count):
        index = generator.randrange(len(scenes.facts))
        left, top = generator.randint(0, SIDE - side), generator.randint(0, SIDE - side)
        window = scenes.pictures[index, top : top + side, left : left + side]
        windows[row] = window[:, ::-1] if generator.random() < 0.5 else window
        facts = scenes.facts[index]
        there, places = visible(facts["boxes"], left, top, side), SETTINGS[facts["setting"]].words
        captions.append(caption_of(there, places, generator, most=2, precise=PRECISE, slips=SLIPS))
    return torch.from_numpy(windows).permute(0, 3, 1, 2), captions


class Trainer:
    """Model, optimiser and step counter."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        open_clip.add_model_config(options.config)
        self.options, self.name, self.step = options, options.config.stem, 0
        self.model = open_clip.create_model(self.name)
        self.model.to(memory_format=torch.channels_last)
        self.tokenizer = open_clip.get_tokenizer(self.name)
        decayed = [value for name, value in self.model.named_parameters() if value.ndim > 1 and "embedding" not in name]
        free = [value for name, value in self.model.named_parameters() if value.ndim <= 1 or "embedding" in name]
        groups = [{"params": decayed, "weight_decay": 0.05}, {"params": free, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))
        self.mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
        self.std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)

    def pictures(self, windows: Tensor) -> Tensor:
        """Return the dense map (picture, position, channel) of uint8 windows; its mean is the picture's vector."""
        pixels = ((windows.float() / 255 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        trunk = self.model.visual.trunk
        with torch.autocast("cpu", torch.bfloat16, enabled=self.model.training):  # 1.6 times faster on a CPU that knows bf16
            last = trunk.forward_features(pixels).permute(0, 2, 3, 1)
            dense = trunk.forward_head(last.flatten(0, 2)[:, :, None, None])
        return dense.float().view(len(windows), last.shape[1] * last.shape[2], -1)

    def texts(self, captions: list[str]) -> Tensor:
        """Return unit vectors (text, channel), cut after the longest end token (exact: the encoder is causal)."""
        distinct = sorted(set(captions))
        ids = self.tokenizer(distinct)
        end = ids.argmax(dim=-1)
        length = int(end.max()) + 1
        model: nn.Module = self.model
        hidden = model.token_embedding(ids[:, :length]) + model.positional_embedding[:length]
        hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
        encoded = F.normalize(hidden[torch.arange(len(ids)), end] @ model.text_projection, dim=-1)
        place = {text: row for row, text in enumerate(distinct)}
        return encoded[[place[text] for text in captions]]

    def learn(self, scenes: Scenes) -> float:
        """Take one step; return its loss."""
        options = self.options
        late = self.step >= options.steps * (1 - options.whole)
        side, count = (SIDE, options.batch // 2) if late else (options.window, options.batch)
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate * rate_share(self.step, options.steps)
        self.model.train()
        windows, captions = batch_of(scenes, options.seed * 1_000_003 + self.step, count, side)
        dense, texts = self.pictures(windows), self.texts(captions)
        scale = self.model.logit_scale.exp()
        loss = (contrast(scale * whole_scores(dense, texts)) + contrast(scale * local_scores(dense, texts))) / 2
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(100))
        self.step += 1
        return loss.item()

    def save_checkpoint(self, path: Path) -> None:
        """Write everything that a continued run needs."""
        with atomic_path(path) as temporary:
            torch.save({"step": self.step, "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}, temporary)

    def load_checkpoint(self, path: Path) -> None:
        """Continue from a checkpoint."""
        kept = torch.load(path, weights_only=True)
        self.step = kept["step"]
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])


def whole_scores(dense: Tensor, texts: Tensor) -> Tensor:
    """Return cosines (picture, text) of the pictures' mean vectors, as CLIP compares them."""
    return F.normalize(dense.mean(dim=1), dim=-1) @ texts.T


def local_scores(dense: Tensor, texts: Tensor, sharpness: float = 20.0) -> Tensor:
    """Return cosines (picture, text) where each text looks at its own positions: so the dense map learns where things are."""
    attention = (sharpness * F.normalize(dense, dim=-1) @ texts.T).softmax(dim=1)
    looked = torch.einsum("ipt,ipc->itc", attention, dense)
    return torch.einsum("itc,tc->it", F.normalize(looked, dim=-1), texts)


def contrast(logits: Tensor) -> Tensor:
    """Return CLIP's symmetric contrastive loss; the pairs are on the diagonal."""
    target = torch.arange(len(logits))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def rate_share(step: int, steps: int, warm_up: int = 50) -> float:
    """Return the share of the full learning rate: linear warm-up, then a cosine down to zero."""
    return min((step + 1) / warm_up, 1.0) * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.inference_mode()
def zero_shot(trainer: Trainer, count: int = 400) -> tuple[float, float]:
    """Return the zero-shot mAP (percent) on scenes never trained on, of whole pictures and of where each class looks."""
    trainer.model.eval()
    scenes = [draw_scene(FIRST_SEED // 2 + index, SIDE) for index in range(count)]
    windows = torch.from_numpy(np.stack([np.asarray(scene.picture) for scene in scenes])).permute(0, 3, 1, 2)
    dense = torch.cat([trainer.pictures(part) for part in windows.split(50)])
    article = {name: "an" if name[0] in "aeiou" else "a" for name in SCENE_CLASSES}
    texts = trainer.texts([f"a photo of {article[name]} {name}" for name in SCENE_CLASSES])
    truth = np.array([[name in scene.classes for name in SCENE_CLASSES] for scene in scenes])
    return mean_precision(whole_scores(dense, texts).numpy(), truth), mean_precision(local_scores(dense, texts).numpy(), truth)


def mean_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean average precision (percent) of (picture, class) scores."""
    hits = np.take_along_axis(truth, np.argsort(-scores, axis=0, kind="stable"), axis=0)
    precision = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    return float(100 * np.mean((precision * hits).sum(axis=0) / hits.sum(axis=0)))


def save_weights(trainer: Trainer, path: Path) -> None:
    """Write the weights in fp16, as open_clip reads them."""
    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in trainer.model.state_dict().items()
    }
    with atomic_path(path) as temporary:
        # One entry only: the order of several would differ from run to run.
        save_file(state, temporary, metadata={"license": "Apache-2.0, made by scripts/pretrain_tiny.py of TagLens on drawn scenes only"})


def main() -> None:
    """Draw, train, report and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="where the weights go")
    parser.add_argument("--config", type=Path, default=CONFIG, help="open_clip configuration")
    parser.add_argument("--work", type=Path, default=Path("/tmp/taglens-tiny"), help="folder for drawn scenes and checkpoints")
    parser.add_argument("--scenes", type=int, default=20_000)
    parser.add_argument("--steps", type=int, default=1_400)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--window", type=int, default=128, help="side of the windows, in pixels of a scene of 224")
    parser.add_argument("--whole", type=float, default=0.1, help="share of the steps, at the end, that see whole scenes")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    scenes = draw_scenes(options.work, options.scenes)
    trainer = Trainer(options)
    checkpoint = options.work / f"{options.out.stem}.checkpoint.pt"
    if checkpoint.exists():
        trainer.load_checkpoint(checkpoint)
    start, losses = time.time(), []
    while trainer.step < options.steps:
        losses.append(trainer.learn(scenes))
        if trainer.step % 25 == 0:
            print(f"step {trainer.step} loss {np.mean(losses[-25:]):.3f} seconds {time.time() - start:.0f}", flush=True)
        if trainer.step % 200 == 0 or trainer.step == options.steps:
            whole, local = zero_shot(trainer)
            print(f"zero-shot mAP {whole:.1f} local {local:.1f} scale {trainer.model.logit_scale.exp().item():.1f}", flush=True)
            trainer.save_checkpoint(checkpoint)
    save_weights(trainer, options.out)


if __name__ == "__main__":
    main()
