"""Sweeps: what is done, skipped, resumed and refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from safetensors.numpy import load_file

from taglens.cli.main import main
from taglens.cli.report import Metric
from taglens.datasets.scenes.dataset import write_scenes
from taglens.datasets.source import DataOptions
from taglens.errors import RunError, TagLensError
from taglens.labels.hiding import keep_known
from taglens.runs.config import DataConfig, RunConfig
from taglens.runs.prepare import prepare
from taglens.runs.record import table_hashes
from taglens.runs.train import train_run
from taglens.sweeps.config import SweepConfig
from taglens.sweeps.plan import claim_folder, runs_of
from taglens.sweeps.results import COLUMNS, compare, read_sweep, summary_row
from taglens.sweeps.sweep import seconds_left, sweep
from taglens.sweeps.variants import VARIANTS, names_from, parse_variant, parse_variants
from taglens.sweeps.worker import SharedData, Worker
from taglens.training.config import TrainConfig

SCENES = DataConfig(data="scenes:60")
QUICK = TrainConfig(epochs=1)


def config(**changes):
    asked = {"data": SCENES, "methods": ("zero_shot", "linear_probe"), "known": (0.3,), "training": QUICK, "tuning_fits": 0}
    return SweepConfig(**(asked | changes))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A sweep of two methods, two proportions and two seeds."""
    out = tmp_path_factory.mktemp("sweep") / "done"
    outcomes = sweep(config(known=(0.3, 0.6), seeds=2), out, workers=2)
    return out, outcomes


def test_a_row_and_a_folder_for_each_run(finished):
    out, outcomes = finished
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert len(rows) == len(outcomes) == 8
    assert [(row["method"], row["known"], row["seed"]) for row in rows][:3] == [
        ("zero_shot", "0.3", "0"),
        ("zero_shot", "0.3", "1"),
        ("zero_shot", "0.6", "0"),
    ]
    assert tuple(rows[0])[:10] == (
        "method", "known", "seed", "mAP", "mAP_interpolated", "CF1", "OF1", "epoch", "seconds", "trainable_parameters",
    )  # fmt: skip
    assert tuple(rows[0]) == COLUMNS
    assert all(0 < float(row["mAP"]) <= 100 for row in rows)
    folder = out / "runs" / "linear_probe-known0.6-seed1"
    assert {path.name for path in folder.iterdir()} == {
        "metrics.json", "history.csv", "predictions.safetensors", "recognizer.json", "weights.safetensors",
    }  # fmt: skip


def test_seeds_change_the_mask_alone(finished):
    out, _ = finished
    first, second = (json.loads((out / "runs" / f"linear_probe-known0.3-seed{seed}" / "metrics.json").read_text()) for seed in (0, 1))
    assert first["hashes"]["names"] == second["hashes"]["names"]
    assert first["hashes"]["labels"] != second["hashes"]["labels"]
    assert first["training"] == second["training"]
    other = runs_of(config(training=TrainConfig(epochs=1, seed=7), seeds=2))[3]
    assert (other.seed, other.config(config(training=TrainConfig(seed=7))).training.seed) == (1, 7)
    same = json.loads((out / "runs" / "zero_shot-known0.3-seed0" / "metrics.json").read_text())
    assert same["hashes"] == first["hashes"], "methods meet the same mask"


def test_stored_predictions_are_those_of_the_metrics(finished):
    from taglens.metrics import evaluate
    from taglens.recognizer import Recognizer

    folder = finished[0] / "runs" / "linear_probe-known0.6-seed0"
    stored = load_file(folder / "predictions.safetensors")
    metrics = json.loads((folder / "metrics.json").read_text())
    found = evaluate(stored["probabilities"], stored["labels"], list(metrics["per_class"])).to_json()
    assert found["mAP"] == pytest.approx(metrics["mAP"])
    assert Recognizer.load(folder).classes == tuple(metrics["per_class"])


def test_finished_runs_are_skipped_and_the_sweep_may_grow(finished):
    out, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.json")}
    outcomes = sweep(config(methods=("zero_shot", "linear_probe", "probe2=linear_probe"), known=(0.3, 0.6), seeds=2), out, workers=1)
    assert {outcome.run.variant.label for outcome in outcomes} == {"probe2"}
    assert all(path.stat().st_mtime_ns == time_of for path, time_of in before.items())
    assert len(list(csv.DictReader((out / "summary.csv").open()))) == 12


@pytest.mark.parametrize("metric", get_args(Metric))
def test_the_test_is_of_the_number_that_the_table_shows(finished, metric, monkeypatch):
    monkeypatch.setattr("taglens.sweeps.results.FEWEST_POSITIVES", 3)  # of 20 test pictures no class has ten
    found = read_sweep(finished[0])
    grid = found.grid(metric)
    compared = compare(found, "linear_probe", "zero_shot", metric=metric, samples=100)
    means = {known: [np.mean(grid.at(name, known)) for name in ("linear_probe", "zero_shot")] for known in found.known}
    for known, (first, second) in means.items():
        assert compared.by_known[known].difference == pytest.approx(first - second, abs=1e-4)
    assert compared.overall.difference == pytest.approx(np.mean([first - second for first, second in means.values()]), abs=1e-4)


def work(config, out):
    """Carry out a sweep as its workers do, but in this process; return all metrics by the name of the run."""
    worker = Worker(config, out, SharedData.of(config.data, prepare(config.data, progress=False)).open())
    return {run.name: worker.carry_out(run) for run in runs_of(config)}


def test_names_that_clip_cannot_know(tmp_path):
    """Codes and shuffled names reach the prompts; a method without prompts does not notice."""
    found = work(config(class_names=("own", "codes", "shuffled")), tmp_path)
    score = {metrics["method"]: metrics["mAP"] for metrics in found.values()}
    assert list(score) == [f"{method}{names}" for names in ("", " (codes)", " (shuffled)") for method in ("zero_shot", "linear_probe")]
    assert score["linear_probe"] == score["linear_probe (codes)"] == score["linear_probe (shuffled)"]
    assert score["zero_shot"] > max(score["zero_shot (codes)"], score["zero_shot (shuffled)"]) + 5
    saved = json.loads((tmp_path / "runs" / "zero_shot_(codes)-known0.3-seed0" / "recognizer.json").read_text())
    assert saved["prompt_names"][:2] == ["class a1", "class a2"]


def test_names_from_another_source():
    names = [f"name {number}" for number in range(300)]
    codes = names_from("codes", names)
    assert codes[:10] == (*(f"class a{number}" for number in range(1, 10)), "class b1")
    assert codes[9 * 26] == "class aa1"
    assert len(set(codes)) == 300
    shuffled = names_from("shuffled", names, seed=3)
    assert sorted(shuffled) == sorted(names)
    assert all(own != other for own, other in zip(names, shuffled, strict=True)), "no class keeps its own name"
    assert shuffled != names_from("shuffled", names, seed=4)
    assert names_from("own", names) == tuple(names)


def test_a_skipped_picture_shifts_no_mask(tmp_path):
    """The mask is drawn over all rows, then the bad picture leaves it: the same in a run and in a sweep."""
    table = write_scenes(tmp_path / "scenes", 40, seed=0).split("train")
    (tmp_path / "scenes" / table.images[3]).write_bytes(b"no picture")
    table.write(tmp_path / "labels.csv")
    options = DataOptions(images=table.root)
    data = DataConfig(data=str(tmp_path / "labels.csv"), backbone="tiny", options=options, on_bad="skip", cache=tmp_path / "cache")
    (swept,) = work(config(data=data, methods=("zero_shot",), known=(0.5,)), tmp_path / "s").values()
    run = RunConfig(data=data, method="zero_shot", known=0.5, training=QUICK)
    trained = train_run(run, tmp_path / "run", progress=False, say=lambda _: None).labels
    assert swept["hashes"] == table_hashes(trained)
    rows = [row for row in range(len(table)) if row != 3]
    assert trained.images == tuple(table.images[row] for row in rows)
    assert (trained.labels.values == keep_known(table.labels, 0.5).values[rows]).all()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        # a setting of training
        ({"training": TrainConfig(epochs=2)}, "training.epochs: 1 in the folder, 2 now"),
        # less than before would leave runs that nobody asked for
        ({"known": (0.1,)}, r"known: \[0.3\] in the folder, \[0.1\] now"),
        # other options of the same method
        ({"methods": ("zero_shot", "linear_probe=coop")}, 'methods.linear_probe.method: "linear_probe" in the folder, "coop" now'),
        # other data
        ({"data": DataConfig(data="scenes:80")}, 'data.data: "scenes:60" in the folder, "scenes:80" now'),
        # another way of hiding
        ({"setting": "positives_only"}, 'setting: "proportion" in the folder, "positives_only" now'),
    ],
)
def test_other_settings_are_refused_with_the_difference(tmp_path, changes, difference):
    from taglens.sweeps.plan import describe

    claim_folder(tmp_path / "s", describe(config(), {"backbone": "a"}))
    with pytest.raises(RunError, match=difference):
        claim_folder(tmp_path / "s", describe(config(**changes), {"backbone": "a"}))
    with pytest.raises(RunError, match=r"found.backbone: \"a\" in the folder, \"b\" now"):
        claim_folder(tmp_path / "s", describe(config(), {"backbone": "b"}))


def test_a_sweep_of_a_version_without_views_goes_on(tmp_path):
    from taglens.sweeps.plan import describe

    before = describe(config(), {})
    del before["settings"]["data"]["views"]
    claim_folder(tmp_path / "s", before)
    with pytest.raises(RunError, match=r"data\.views: 1 in the folder, 2 now"):
        claim_folder(tmp_path / "s", describe(config(data=DataConfig(data="scenes:60", views=2)), {}))
    assert claim_folder(tmp_path / "s", describe(config(), {}))


def test_a_sweep_keeps_to_the_map_that_it_began_with(tmp_path):
    """The map that was used counts, not what was asked for; earlier versions knew the plain one only and did not say it."""
    from taglens.sweeps.plan import describe

    claim_folder(tmp_path / "s", describe(config(), {"backbone": "a"}))
    with pytest.raises(RunError, match=r'found\.map: "plain" in the folder, "self_attention" now'):
        claim_folder(tmp_path / "s", describe(config(), {"backbone": "a", "map": "self_attention"}))
    for asked in ("auto", "plain"):
        data = DataConfig(data="scenes:60", map=asked)
        assert claim_folder(tmp_path / "s", describe(config(data=data), {"backbone": "a", "map": "plain"}))


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(RunError, match="holds no sweep"):
        claim_folder(tmp_path, {})


@pytest.mark.slow
def test_interrupted_killed_and_resumed(tmp_path):
    """Ctrl-C ends it quietly; after SIGKILL no worker is left; finished runs stay as they are, the rest is done by the next call."""
    out = tmp_path / "sweep"
    line = ["sweep", "scenes:60", "--methods", "zero_shot", "linear_probe", "coop", "--known", "0.3", "0.6", "--training.epochs", "1"]
    command = [sys.executable, "-m", "taglens.cli.main", *line, "--jobs", "1", "--out", str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = _started(command, environment, until="6 runs")  # its worker is about to start
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does
    shown = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "finished runs are kept; the same command goes on from there" in " ".join(shown.split())
    assert "Traceback" not in shown
    process = _started(command, environment, until="tuning 3/")
    os.killpg(process.pid, signal.SIGINT)
    assert "finished runs are kept" in " ".join(process.communicate(timeout=60)[1].split())
    assert process.returncode == 130
    tried = (out / "tuning.csv").read_text().splitlines()[1:]
    assert 3 <= len(tried) < 20
    process = _started(command, environment, until="2/6")
    workers = _children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert _all_end(workers)
    kept = {path: path.read_bytes() for path in out.glob("runs/*/metrics.json")}
    assert 2 <= len(kept) < 6
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(kept)} finished before, {6 - len(kept)} to do" in done.stderr
    assert all(path.read_bytes() == content for path, content in kept.items())
    assert len(list(csv.DictReader((out / "summary.csv").open()))) == 6
    rows = (out / "tuning.csv").read_text().splitlines()[1:]
    assert len(rows) == 20
    assert {line.rsplit(",", 2)[0] for line in tried} <= {line.rsplit(",", 2)[0] for line in rows}, "no fit was repeated"
    assert not list(out.glob("runs/*/.*")), "no half-written file is left"


def _started(command, environment, until):
    """Start a sweep in a process group of its own and wait for a line on the screen."""
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    for text in process.stderr:
        if text.startswith(until):
            return process
    raise AssertionError(f"the sweep ended before {until}")


def _children(pid: int) -> list[int]:
    parents = {int(path.name): _stat(path) for path in Path("/proc").iterdir() if path.name.isdigit()}
    return [child for child, parent in parents.items() if parent == pid]


def _stat(path: Path) -> int | None:
    try:
        return int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def _all_end(workers: list[int]) -> bool:
    """Say whether there are workers, and all of them end within seconds (Python's resource tracker is one of them)."""
    deadline = time.monotonic() + 20
    while any(_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(workers) and not any(_alive(worker) for worker in workers)


def _alive(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_failing_run_stops_no_other_and_is_told(tmp_path, capsys):
    table = tmp_path / "labels.csv"
    from taglens.datasets.source import read_data

    scenes = read_data("scenes:60", "all")
    scenes.write(table)
    line = ["sweep", str(table), "--images", str(scenes.root), "--known", "0.0001", "0.5", "--methods", "zero_shot", "--backbone", "tiny"]
    assert main([*line, "--jobs", "1", "--out", str(tmp_path / "out")]) == 1
    shown = capsys.readouterr().err
    assert "no label is known" in shown
    assert "0.5 known, seed 0: mAP" in shown
    assert len(list(csv.DictReader((tmp_path / "out" / "summary.csv").open()))) == 1


@pytest.mark.parametrize(
    ("text", "label", "method", "options", "training"),
    [
        ("coop", "coop", "coop", {}, {}),
        # a named variant stays under its name
        ("baseline", "baseline", "semantic_aware", {"head": "gradient", "decoupling": False, "prompts": "template"}, {}),
        # options go before the variant's; a label shortens
        ("b=baseline[prompts=class]", "b", "semantic_aware", {"head": "gradient", "decoupling": False, "prompts": "class"}, {}),
        # settings of training, values with signs
        ("x=coop[training.loss=hill,training.loss_options.margin=2]", "x", "coop", {}, {"loss": "hill", "loss_options": {"margin": 2}}),
        ("x=coop[training.rate=0.1, context_start=a: b]", "x", "coop", {"context_start": "a: b"}, {"rate": 0.1}),
        # an empty text and a path
        ("semantic_aware[context_start=,guide=glove:../a=b.txt]", "semantic_aware[context_start=,guide=glove:../a=b.txt]",
         "semantic_aware", {"context_start": "", "guide": "glove:../a=b.txt"}, {}),
    ],
)  # fmt: skip
def test_variants_are_read(text, label, method, options, training):
    variant = parse_variant(text)
    assert (variant.label, variant.method, dict(variant.options), dict(variant.training)) == (label, method, options, training)


def test_every_named_variant_can_be_built_and_wrong_ones_say_so():
    assert len(parse_variants(tuple(VARIANTS))) == len(VARIANTS)
    assert [variant.label for variant in parse_variants(("ablation", "coop"))] == [
        "baseline", "decoupling_only", "prompts_only", "both", "coop",
    ]  # fmt: skip
    for texts, wording in (
        (("coop", "coop"), "is there twice"),
        (("coop[per_class]",), "expected option=value"),
        (("coop[a=1", ), "expected NAME"),
        ((), "no method given"),
    ):  # fmt: skip
        with pytest.raises(TagLensError, match=wording):
            parse_variants(texts)


@pytest.mark.parametrize(
    ("changes", "wording"),
    [
        ({"seeds": 0}, "at least 1"),
        ({"known": ()}, "one or more"),
        ({"known": (0.1, 0.1)}, "different"),
        ({"known": (1.5,)}, "at most 1"),
        ({"class_names": ("own", "own")}, "different ways"),
    ],
)
def test_settings_that_cannot_be(changes, wording):
    with pytest.raises(TagLensError, match=wording):
        config(**changes)
    with pytest.raises(TagLensError, match="share a folder"):
        runs_of(config(methods=("a?=coop", "a_=coop", "a:=coop")))


def test_time_left():
    assert seconds_left({}, ["a"], 2) is None
    assert seconds_left({}, [], 2) == 0
    assert seconds_left({"a": [1, 3], "b": [8]}, ["a", "b", "c"], 2) == (2 + 8 + 4) / 2


def test_mean_over_classes_with_ten_positives():
    per_class = {name: {"ap": ap, "positives": count} for name, ap, count in (("a", 40.0, 10), ("b", 60.0, 99), ("c", 0.0, 9))}
    row = summary_row({"method": "x", "known": 0.1, "seed": 0, "mAP": 33.3, "per_class": per_class})
    assert (row["mAP_10"], row["classes_10"]) == (50.0, 2)
    empty = summary_row({"method": "x", "known": 0.1, "seed": 0, "mAP": None, "per_class": {}})
    assert empty["mAP_10"] is None


@pytest.mark.slow
def test_an_interruption_does_not_wait_for_a_long_training(tmp_path):
    """Lightning turns a plain termination into one at the end of the training: a sweep once took minutes to end."""
    line = ["sweep", "scenes:60", "--methods", "coop", "--known", "0.5", "--tuning-fits", "0", "--training.epochs", "100000"]
    command = [sys.executable, "-m", "taglens.cli.main", *line, "--jobs", "1", "--out", str(tmp_path / "sweep")]
    process = _started(command, os.environ | {"OMP_NUM_THREADS": "1"}, until="about")
    workers = _wait_for_children(process.pid)
    time.sleep(15)  # into the training
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert _all_end(workers)


def _wait_for_children(pid):
    deadline = time.monotonic() + 60
    while not (found := _children(pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found
