"""A float32 ONNX graph in half precision: float16 or bfloat16.

``half_model`` is the door: ``value_kinds`` finds what is float32, ``half_plan`` decides for each
node, ``half_writer`` writes the graph, ``half_numbers`` converts the numbers.
"""
