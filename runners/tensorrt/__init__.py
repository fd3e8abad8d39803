"""TensorRT and TensorRT-RTX: one runner on Polygraphy's loaders, two libraries.

``trt_runner`` is the runner; ``library`` imports one of the two; ``parse`` makes a network of an
ONNX file or says why not, ``engine_build`` an engine of that, ``engine_cache`` keeps it.
"""
