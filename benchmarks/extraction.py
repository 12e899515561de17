"""Pictures per second of feature extraction against its parts: decoding alone and the encoder alone on decoded pictures.

    python -m benchmarks.extraction --backbone CONFIG.json:WEIGHTS.safetensors --pictures FOLDER

Each part runs on all cores, one worker per core as in the pipeline. Rounds alternate, so that other load on the machine meets
all parts alike; medians are printed. On a CPU decoding and encoding share the cores: 1 / (1 / decoding + 1 / encoding) bounds the
whole. On a GPU they overlap: the slower one bounds it.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from taglens.backbones.backbone import Backbone
from taglens.backbones.openclip import load_backbone
from taglens.features.extract import extract_features
from taglens.features.pipeline import PictureFile, WorkerPlan, _encode, _read


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def on_all_cores(action: Callable[[Sequence[int]], object], count: int, plan: WorkerPlan) -> float:
    """Seconds for chunks of all numbers below ``count``."""
    chunks = [range(start, min(start + plan.batch, count)) for start in range(0, count, plan.batch)]
    with ThreadPoolExecutor(plan.workers, initializer=torch.set_num_threads, initargs=(plan.threads,)) as pool:
        return timed(lambda: list(pool.map(action, chunks)))


def measure(paths: list[Path], backbone: Backbone, plan: WorkerPlan) -> dict[str, float]:
    """Return pictures per second of each part."""
    decoded: list[list[NDArray[np.uint8]]] = [[] for _ in paths]
    turns = threading.Semaphore(plan.turns)

    def decode(numbers: Sequence[int]) -> None:
        for number in numbers:
            decoded[number] = []
            _read(PictureFile(paths[number], 1), backbone, list, decoded[number])

    def encode(numbers: Sequence[int]) -> None:
        _encode([decoded[number][0] for number in numbers], backbone, turns, plan.batch)

    def extract() -> None:
        with tempfile.TemporaryDirectory() as folder:
            extract_features(paths, backbone, store=Path(folder), progress=False)

    count = len(paths)
    seconds = {"decoding": on_all_cores(decode, count, plan), "encoder": on_all_cores(encode, count, plan), "extraction": timed(extract)}
    return {part: count / taken for part, taken in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    paths = sorted(options.pictures.rglob("*.jpg"))[: options.count]
    backbone = load_backbone(options.backbone, image_size=options.image_size, text=False, precision=options.precision).to(options.device)
    plan = WorkerPlan.for_machine(backbone.device)
    measure(paths[: 8 * plan.batch], backbone, plan)
    rounds = [measure(paths, backbone, plan) for _ in range(options.rounds)]
    middle = {part: statistics.median(found[part] for found in rounds) for part in rounds[0]}
    shared = backbone.device.type == "cpu"
    bound = 1 / (1 / middle["decoding"] + 1 / middle["encoder"]) if shared else min(middle["decoding"], middle["encoder"])
    print(f"{len(paths)} pictures, {options.backbone}, {backbone.transform.size} px, {options.precision}, {options.device}, {plan}")
    for part, rate in (middle | {"bound": bound}).items():
        print(f"{part:>12} {rate:8.1f} pictures/s")
    print(f"extraction reaches {middle['extraction'] / bound:.0%} of its bound")


if __name__ == "__main__":
    main()
