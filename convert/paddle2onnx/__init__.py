"""From a Paddle program to a finished ONNX file, unproven.

- supported.py: the opsets and operators that Paddle2ONNX writes
- pir_normalization.py, export.py: the program that it is given, and the call itself
- fixups/: what it gets wrong, before and after it
- weight_offload.py, external_data.py: large weights that pass it by, and refer to a file
- finish.py, simplify_on_disk.py: simplified by onnxslim, with metadata, and checked
"""
