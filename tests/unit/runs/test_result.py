"""What came out of a run, in one readable line."""

from pathlib import Path

import numpy as np

from taglens.labels.states import PartialLabels
from taglens.labels.table import LabelTable
from taglens.metrics import evaluate
from taglens.recognizer import Recognizer
from taglens.runs.result import RunResult
from taglens.training.fit import FitResult

STORED = Path(__file__).parents[2] / "golden" / "run-format-1"


def test_a_line_says_what_a_run_was_and_reached():
    recognizer = Recognizer.load(STORED)
    assert repr(recognizer) == "Recognizer(linear_probe on tiny: 24 classes, 6,168 trainable parameters)"
    labels = PartialLabels(np.array([[1, 0], [0, 1]], np.int8))
    table = LabelTable(("a.jpg", "b.jpg"), ("dog", "cat"), labels)
    right, wrong = (evaluate(np.abs(labels.values - turn), labels, table.classes) for turn in (0, 1))
    fit = FitResult(history=[], epoch=3, held_out=np.array([0]), stopped=None)
    result = RunResult(recognizer=recognizer, labels=table, fit=fit, evaluation=right, baseline=wrong, seconds=12.4)
    assert repr(result) == "RunResult(linear_probe on tiny, 2 images, 2 classes: mAP 100.0, zero-shot 50.0; epoch 3, 12 s)"
