"""Modules as ONNX files: `to_onnx`, and `converts` for classes of one's own."""

from nodegraph.export.onnx.conversion import Conversion, converts
from nodegraph.export.onnx.model import onnx_model, to_onnx

__all__ = ["Conversion", "converts", "onnx_model", "to_onnx"]
