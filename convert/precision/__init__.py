"""A proven ONNX file in fp16, bf16 or int8, held back unless it still answers as well.

- lowering.py: the precision step
- gate_inputs.py, gate_check.py: what the gate compares answers on, and what it found
- fp32_layers.py: layers that would make a failed file pass
"""
