"""ONNX Runtime and its execution providers.

``ort_runner`` is the runner; ``providers`` says which provider runs and reads back whether it
does; ``tensorrt_provider`` is TensorRT's options and engines; ``sessions`` starts a session from
the optimised graph and runs one on a device's own memory.
"""
