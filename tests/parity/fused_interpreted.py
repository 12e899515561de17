"""Run by test_decoupling_fused.py in a process of its own: Triton's interpreter must be chosen before the first import."""

import sys

import torch
from safetensors.torch import load_file, save_file

from taglens.decoupling.fused import attention_scores


def main(given: str, results: str) -> None:
    tensors = load_file(given)
    names = sorted({name.rpartition("/")[0] for name in tensors})
    out = {}
    for name in names:
        features, guide, weight = (tensors[f"{name}/{part}"].requires_grad_() for part in ("features", "guide", "weight"))
        scores = attention_scores(features, guide, weight)
        gradients = torch.autograd.grad(scores, (features, guide, weight), tensors[f"{name}/outer"].to(scores.dtype))
        for part, tensor in zip(("scores", "features", "guide", "weight"), (scores.detach(), *gradients), strict=True):
            out[f"{name}/{part}"] = tensor.contiguous()
    save_file(out, results)


if __name__ == "__main__":
    main(*sys.argv[1:])
