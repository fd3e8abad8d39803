"""ONNX files: read, measured, cast."""
