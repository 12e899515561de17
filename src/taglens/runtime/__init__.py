"""Predictions from an exported ONNX file with NumPy, Pillow and ONNX Runtime only: nothing here imports torch."""

from taglens.runtime.description import ModelDescription
from taglens.runtime.predictor import ModelOutput, OnnxPredictor

__all__ = ["ModelDescription", "ModelOutput", "OnnxPredictor"]
