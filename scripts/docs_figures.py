"""Draw the figures of docs/concepts: python scripts/docs_figures.py; under a minute."""

from argparse import ArgumentParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from taglens.backbones.openclip import load_backbone
from taglens.datasets.scenes.compose import draw_scene
from taglens.inference.heatmap import overlay
from taglens.methods import method_config
from taglens.outputs import atomic_path
from taglens.recognizer import Recognizer

SEED, SHOWN = 12, 3
GREEN, RED, BLANK, DARK = "#2a9d8f", "#e76f51", "#eceff1", "#37474f"
STYLE = {"svg.hashsalt": "taglens", "font.size": 9, "text.color": DARK, "figure.facecolor": "white", "savefig.bbox": "tight"}


def labels() -> Figure:
    """A table with its three states, and what each cell gives the loss."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 2.9))
    table = np.array([[1, -1, 0, -1], [-1, 1, -1, -1], [0, -1, -1, 1], [-1, -1, 1, 0], [-1, 0, -1, -1]])
    titles = ("The table", "What the loss sees")
    for axis, title, text in zip(axes, titles, ({1: "1", 0: "0", -1: ""}, {1: "yes", 0: "no", -1: "gradient 0"}), strict=True):
        axis.set(xlim=(-1.2, 4), ylim=(-5, 1.3), title=title, aspect="auto")
        axis.axis("off")
        for column, name in enumerate(("dog", "cat", "beach", "car")):
            axis.text(column + 0.5, 0.15, name, ha="center", va="bottom")
        for row, states in enumerate(table):
            axis.text(-0.1, -row - 0.5, f"{'abcde'[row]}.jpg", ha="right", va="center")
            for column, state in enumerate(states):
                _cell(axis, column, row, int(state), text[int(state)])
    return figure


def decoupling() -> Figure:
    """A drawn scene and where ``tiny`` sees its classes before any training."""
    scene = draw_scene(SEED, 448)
    classes = scene.classes[:SHOWN]
    recognizer = Recognizer.create(load_backbone("tiny"), "zero_shot", method_config("zero_shot")(), classes, classes)
    with torch.inference_mode():
        features = recognizer.backbone.features(torch.from_numpy(recognizer.backbone.transform(scene.picture))[None])
    maps = recognizer.scores(features).baseline[0].reshape(len(classes), *recognizer.backbone.grid()).numpy()
    figure, axes = plt.subplots(1, len(classes) + 1, figsize=(2.0 * (len(classes) + 1), 2.5))
    axes[0].imshow(scene.picture.resize((224, 224)))
    axes[0].set_title("one picture")
    for axis, name, heat in zip(axes[1:], classes, maps, strict=True):
        axis.imshow(overlay(scene.picture, heat).resize((224, 224)))
        axis.set_title(f"a({name}, p)")
        axis.set_xlabel(f"f({name}) = sum of a f", fontsize=8)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
    figure.text(
        0.5, 0.0, "attention at the start of training: the similarity of each position to the class's name", ha="center", fontsize=8
    )
    return figure


def guarantee() -> Figure:
    """Cells in the order of their score, those that are known, and the threshold."""
    random = np.random.RandomState(3)
    scores = np.linspace(0.99, 0.05, 60)
    right = random.random_sample(60) < np.clip(1.25 * scores, 0, 0.995)
    known = random.random_sample(60) < 0.4
    threshold = 0.62
    figure, axis = plt.subplots(figsize=(7.2, 1.9))
    for place, (score, is_right, is_known) in enumerate(zip(scores, right, known, strict=True)):
        filled = not is_known and score >= threshold
        colour = (GREEN if is_right else RED) if is_known else ("#a8dadc" if filled else BLANK)
        axis.add_patch(Rectangle((place, 0), 0.86, 1, color=colour))
    cut = int((scores >= threshold).sum()) - 0.07
    axis.plot([cut, cut], [-0.35, 1.35], color=DARK)
    axis.text(cut, 1.45, "lowest threshold at which the exact test passes", ha="center")
    axis.text(0, -0.75, "surest", ha="left")
    axis.text(60, -0.75, "least sure", ha="right")
    names = {"known, right": GREEN, "known, wrong": RED, "unknown: filled": "#a8dadc", "unknown: left blank": BLANK}
    handles = [Rectangle((0, 0), 1, 1, color=colour) for colour in names.values()]
    axis.legend(handles, names, ncols=4, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.05), fontsize=8)
    axis.set(xlim=(-0.5, 60.5), ylim=(-1.2, 2))
    axis.axis("off")
    return figure


def _cell(axis: Axes, column: int, row: int, state: int, text: str) -> None:
    colour = {1: GREEN, 0: RED, -1: BLANK}[state]
    axis.add_patch(Rectangle((column + 0.04, -row - 0.96), 0.92, 0.92, color=colour))
    shade, size = ("#78909c", 6) if state < 0 else ("white", 9)
    axis.text(column + 0.5, -row - 0.5, text, ha="center", va="center", color=shade, fontsize=size)


def main() -> None:
    """Write the figures."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    out: Path = parser.parse_args().out
    with mpl.rc_context(STYLE):
        for name, draw in (("labels", labels), ("decoupling", decoupling), ("guarantee", guarantee)):
            with atomic_path(out / f"concept-{name}.svg", force=True) as temporary:
                draw().savefig(temporary, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
