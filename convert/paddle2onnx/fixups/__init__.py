"""What Paddle2ONNX 2.1.0 gets wrong: fixed where a small rewrite does it, else refused by name.

- program_fixups.py: rewrites of the program, and the pass over it before Paddle2ONNX reads it
- replacements.py: operators that are written in ONNX here; onnx_subgraphs.py writes them
- unsupported_settings.py: what has no fixup and is refused
- graph_fixups.py, declared_shapes.py: what is wrong in the graph that it writes
- pir_operations.py: the program as operations that can be read and rewritten

Every entry of a table has a network in tests/operators, and a test that fails once Paddle2ONNX
gets it right.
"""
