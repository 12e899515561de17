"""Does review help? Answers to the queue's questions against as many random answers, round by round.

From 5 % known labels, five rounds of 200 simulated answers (the hidden truth) from the queue and 200 random ones; after each round
both train anew and are measured on the test part. Writes docs/results/review.md, review.json and review.svg.

$ python scripts/review_helps.py voc2012:../shared/data/VOCdevkit --backbone MINCLIP.json:MINCLIP.safetensors   # about 20 minutes
$ python scripts/review_helps.py scenes:120 --rounds 2 --answers 50 --seeds 1 --epochs 2 --out /tmp/review      # about one minute

Every finished training is kept in --work; the same command goes on from there.
"""

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taglens.labels.hiding import keep_known
from taglens.labels.states import PartialLabels
from taglens.metrics import evaluate
from taglens.outputs import write_json, write_text
from taglens.recognizer import Recognizer
from taglens.review.ranking import order
from taglens.runs.config import DataConfig
from taglens.runs.prepare import Prepared, prepare
from taglens.runs.train import score_rows
from taglens.sweeps.variants import parse_variants
from taglens.training.config import TrainConfig
from taglens.training.fit import fit

ARMS = {"queue": "answers from the queue", "random": "random answers"}
ENOUGH = 10
"""Test positives a class needs to count in the second column."""


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    method: str
    training: TrainConfig
    known: float
    rounds: int
    answers: int


@dataclass(frozen=True)
class Step:
    """One training and the questions that followed it."""

    scores: dict[str, float]
    asked: list[list[int]]
    """(image, label) of the questions for the next round."""
    positives: int
    """How many of them were answered yes."""


def main() -> None:
    """Run what is missing and write the page."""
    options = _options()
    plan = Plan(options.method, TrainConfig(epochs=options.epochs), options.known, options.rounds, options.answers)
    prepared = prepare(DataConfig(data=options.data, backbone=options.backbone))
    if prepared.test is None:
        raise SystemExit(f"{options.data}: no test part to measure on")
    # Steps of other settings must not be taken for these.
    settings = json.dumps([options.data, options.backbone, asdict(plan)], sort_keys=True)
    work = options.work / hashlib.sha256(settings.encode()).hexdigest()[:12]
    results = {seed: {arm: simulate(prepared, plan, seed, arm, work) for arm in ARMS} for seed in range(options.seeds)}
    write_report(options.out, options, results)
    print((options.out / "review.md").read_text())


def simulate(prepared: Prepared, plan: Plan, seed: int, arm: str, work: Path) -> list[Step]:
    """Return the steps of one arm; round 0, before any answer, is trained once for both."""
    truth = prepared.train.table.labels
    known = keep_known(truth, plan.known, seed)
    steps: list[Step] = []
    for number in range(plan.rounds + 1):
        path = work / f"seed{seed}-{arm}-{number}.json"
        step = _read(path)
        if step is None:
            start = _read(work / f"seed{seed}-queue-0.json") if number == 0 else None
            if start is None:
                step = _step(prepared, plan, known, seed, arm, number)
            else:
                step = _made(start.scores, _random(known, truth, plan.answers, [seed, number]), truth)
            write_json(path, asdict(step))
        print(f"seed {seed}, {arm}, round {number}: mAP {step.scores['mAP']:.2f}, {step.positives} of {len(step.asked)} yes", flush=True)
        steps.append(step)
        known = _answered(known, truth, step.asked)
    return steps


def _step(prepared: Prepared, plan: Plan, known: PartialLabels, seed: int, arm: str, number: int) -> Step:
    recognizer = _train(prepared, plan, known, seed)
    assert prepared.test is not None
    test, truth = prepared.test, prepared.train.table.labels
    found = evaluate(score_rows(recognizer, test, np.arange(len(test.table))), test.table.labels, test.table.classes, recognizer.thresholds)
    if arm == "random":
        asked = _random(known, truth, plan.answers, [seed, number])
    else:
        probabilities = score_rows(recognizer, prepared.train, np.arange(len(prepared.train.table)))
        asked = _from_queue(probabilities, known, known.unknown & truth.known, recognizer.thresholds, plan.answers)
    return _made(_scores(found.to_json()), asked, truth)


def _made(scores: dict[str, float], asked: NDArray[np.int64], truth: PartialLabels) -> Step:
    return Step(scores, asked.tolist(), int(truth.positive[tuple(asked.T)].sum()))


def _random(known: PartialLabels, truth: PartialLabels, count: int, seed: list[int]) -> NDArray[np.int64]:
    askable = np.argwhere(known.unknown & truth.known)
    return askable[np.random.default_rng(seed).permutation(len(askable))[:count]]


def _from_queue(
    probabilities: NDArray[np.float32], known: PartialLabels, askable: NDArray[np.bool_], thresholds: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    queue = order(probabilities, known, thresholds=thresholds, closed=~askable, limit=count)
    return np.stack([queue.image, queue.label], axis=1)


def _train(prepared: Prepared, plan: Plan, known: PartialLabels, seed: int) -> Recognizer:
    table, backbone = prepared.train.table, prepared.backbone
    [variant] = parse_variants([plan.method])
    recognizer = Recognizer.create(backbone, variant.method, variant.config(), table.classes, prepared.prompt_names, seed=seed)
    training = replace(plan.training, seed=seed)
    fit(recognizer.method, backbone.texts(), prepared.train.features, known, training, accelerator="cpu", progress=False)
    recognizer.refresh()
    return recognizer


def _answered(known: PartialLabels, truth: PartialLabels, asked: list[list[int]]) -> PartialLabels:
    values = np.array(known.values)
    for image, label in asked:
        values[image, label] = truth.values[image, label]
    return PartialLabels(values)


def _scores(found: dict[str, Any]) -> dict[str, float]:
    enough = [entry["ap"] for entry in found["per_class"].values() if entry["positives"] >= ENOUGH and entry["ap"] is not None]
    return {"mAP": found["mAP"], "mAP_enough": float(np.mean(enough)) if enough else found["mAP"], "classes_enough": len(enough)}


def _read(path: Path) -> Step | None:
    return Step(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def write_report(out: Path, options: argparse.Namespace, results: dict[int, dict[str, list[Step]]]) -> None:
    """Write the table, the numbers and the curve."""
    numbers = {
        str(seed): {arm: [asdict(step) | {"asked": len(step.asked)} for step in steps] for arm, steps in arms.items()}
        for seed, arms in results.items()
    }
    write_json(out / "review.json", numbers)
    write_text(out / "review.md", _page(options, results))
    _plot(out / "review.svg", {arm: _collect(results, arm, "mAP") for arm in ARMS}, options.answers)


def _collect(results: dict[int, dict[str, list[Step]]], arm: str, score: str) -> NDArray[np.float64]:
    """Return (seed, round)."""
    return np.array([[step.scores[score] for step in results[seed][arm]] for seed in results])


def _page(options: argparse.Namespace, results: dict[int, dict[str, list[Step]]]) -> str:
    backbone = Path(options.backbone.partition(".json:")[0]).name
    classes = int(next(iter(results.values()))["queue"][0].scores["classes_enough"])
    gain = (_collect(results, "queue", "mAP") - _collect(results, "random", "mAP"))[:, -1]
    return f"""# Review helps

`{options.data.partition(":")[0]}`, backbone `{backbone}`, method `{options.method}`, {options.epochs} epochs: {options.known:.0%} of the
labels known, then {options.rounds} rounds of {options.answers} answers, once to the questions of the queue (`taglens.review.ranking`)
and once to random ones. Both train anew after each round. mAP on the test part in percent, mean and range over {len(results)} seeds;
enough: of the {classes} classes with at least {ENOUGH} positives in the test part; yes: how many of the last answers were yes.

{_table(options, results)}

After the last round the queue is ahead in {int((gain > 0).sum())} of {len(gain)} seeds: {", ".join(f"{value:+.2f}" for value in gain)}.

![mAP after each round](review.svg)

Made by `python scripts/review_helps.py {options.data} --backbone ...{backbone}...`; the numbers of every step: [review.json](review.json).
"""


def _table(options: argparse.Namespace, results: dict[int, dict[str, list[Step]]]) -> str:
    queue, random = (_collect(results, arm, "mAP") for arm in ARMS)
    queue_enough, random_enough = (_collect(results, arm, "mAP_enough").mean(0) for arm in ARMS)
    queue_yes, random_yes = (np.mean([[step.positives for step in results[seed][arm]] for seed in results], axis=0) for arm in ARMS)
    lines = ["| answers | queue | random | difference | enough: queue | enough: random | yes: queue | yes: random |", "|---" * 8 + "|"]
    for number in range(options.rounds + 1):
        yes = ["", ""] if not number else [f"{queue_yes[number - 1]:.0f}", f"{random_yes[number - 1]:.0f}"]
        cells = [
            str(number * options.answers),
            _mean(queue[:, number]),
            _mean(random[:, number]),
            f"{np.mean(queue[:, number] - random[:, number]):+.2f}",
            f"{queue_enough[number]:.2f}",
            f"{random_enough[number]:.2f}",
            *yes,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _mean(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


def _plot(path: Path, curves: dict[str, NDArray[np.float64]], answers: int) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "review"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 4), layout="constrained")
    for (arm, values), colour in zip(curves.items(), ("#d1480a", "#7d8b99"), strict=True):
        given = np.arange(values.shape[1]) * answers
        axes.fill_between(given, values.min(0), values.max(0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(given, values.mean(0), color=colour, marker="o", label=ARMS[arm])
    axes.set(xlabel="answers given", ylabel="mAP on the test part, percent")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="tiny")
    parser.add_argument("--method", default="semantic_aware[prompts=template,hidden=64]", help="as taglens sweep names it")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--known", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--answers", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/review_helps"))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
