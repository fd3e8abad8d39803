"""ONNX files: read, walked, measured, put in half precision.

``onnx_file`` reads files and their metadata, ``onnx_header`` does so without the onnx package;
``graph_walk`` knows bodies and names; ``cost`` counts operations, with the shapes of
``static_shapes``; ``mixed_precision`` rewrites float32 graphs.
"""
