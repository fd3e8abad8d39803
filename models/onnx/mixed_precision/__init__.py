"""A float32 ONNX graph in half precision: float16 or bfloat16."""
