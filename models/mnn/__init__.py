"""MNN's files: a reader, and the graph that they hold as ONNX."""
