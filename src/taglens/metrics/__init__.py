"""How good the probabilities are, in the field's own definitions (numpy only): one metric a file.

Probabilities and labels are arrays of shape (image, label); unknown labels count for nothing anywhere.
Knows labels' states; nothing of models, pictures or files. Logits are refused.
"""

from taglens.metrics.attention import attention_entropy, pointing_hit
from taglens.metrics.auroc import auroc
from taglens.metrics.average_precision import average_precision, mean_average_precision
from taglens.metrics.bootstrap import paired_differences
from taglens.metrics.calibration import Reliability, expected_calibration_error, reliability
from taglens.metrics.evaluate import Evaluation, evaluate
from taglens.metrics.f1 import PrecisionRecallF1, precision_recall_f1
from taglens.metrics.f_beta import MeanF, mean_f
from taglens.metrics.threshold import best_threshold, expected_f1_thresholds, expected_precision_thresholds

__all__ = [
    "Evaluation",
    "MeanF",
    "PrecisionRecallF1",
    "Reliability",
    "attention_entropy",
    "auroc",
    "average_precision",
    "best_threshold",
    "evaluate",
    "expected_calibration_error",
    "expected_f1_thresholds",
    "expected_precision_thresholds",
    "mean_average_precision",
    "mean_f",
    "paired_differences",
    "pointing_hit",
    "precision_recall_f1",
    "reliability",
]
