"""TensorRT and TensorRT-RTX: one runner on Polygraphy's loaders, two libraries."""
