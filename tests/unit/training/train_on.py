"""``python train_on.py DEVICES OUT``: train for 20 steps in that many processes and write weights and history."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from taglens.backbones.openclip import load_backbone
from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.methods import Setting, method_config
from taglens.shapes import Features
from taglens.training.config import Machines, TrainConfig, is_first_process
from taglens.training.fit import fit

CLASSES = ("dog", "cat", "fish")
PICTURES = 87


class RandomRows:
    """Features in which the first channels say which class is there; each view is the one before it, shifted."""

    def __init__(self, labels, channels, views=2):
        self.views = views
        maps = np.random.default_rng(0).normal(size=(len(labels), 4, channels)).astype(np.float32)
        maps[:, :, : labels.shape[1]] += 3 * labels[:, None]
        self.map = torch.from_numpy(maps)

    def __len__(self):
        return len(self.map)

    def gather(self, index, views=0):
        chosen = self.map[torch.as_tensor(index)] + torch.as_tensor(views).view(-1, 1, 1)
        return Features(chosen, chosen.mean(1))


def main(devices, out):
    torch.set_num_threads(1)
    backbone = load_backbone("tiny")
    setting = Setting(classes=CLASSES, prompt_names=CLASSES, channels=backbone.channels, logit_scale=backbone.logit_scale)
    method = method_config("semantic_aware")(head="gradient").build(setting, backbone.texts())
    truth = (np.random.default_rng(1).random((PICTURES, 3)) < 0.4).astype(np.int8)
    labels = keep_known(PartialLabels(truth), 0.6)
    # 74 pictures to train on in steps of 17: neither the steps nor the last one of 6 divide evenly
    config = TrainConfig(epochs=4, batch_size=17, rate=0.01)
    rows = RandomRows(truth, backbone.channels)
    found = fit(method, backbone.texts(), rows, labels, config, accelerator="cpu", machines=Machines(devices=devices), progress=False)
    if is_first_process():
        out.mkdir(parents=True)
        save_file(method.state_dict(), out / "weights.safetensors")
        (out / "history.json").write_text(json.dumps({"history": found.history, "epoch": found.epoch}))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
