"""Predictions from an exported ONNX file, with NumPy, Pillow and ONNX Runtime only.

Reads what ``export`` wrote into the file and nothing else: no PyTorch, no tables, no run folders.
"""

from taglens.runtime.description import ModelDescription
from taglens.runtime.predictor import ModelOutput, OnnxPredictor

__all__ = ["ModelDescription", "ModelOutput", "OnnxPredictor"]
