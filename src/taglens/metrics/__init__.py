"""How good the probabilities are, in the field's own definitions (numpy only).

Probabilities and labels are arrays of shape (image, label); unknown labels count for nothing anywhere.
"""

from taglens.metrics.average_precision import average_precision
from taglens.metrics.evaluate import Evaluation, evaluate
from taglens.metrics.f1 import PrecisionRecallF1, precision_recall_f1

__all__ = ["Evaluation", "PrecisionRecallF1", "average_precision", "evaluate", "precision_recall_f1"]
