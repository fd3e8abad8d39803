"""Paddle to ONNX, and to a file you can trust."""
