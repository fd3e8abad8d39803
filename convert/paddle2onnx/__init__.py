"""Paddle to raw ONNX: the export, what is normalised before it and repaired after it."""
