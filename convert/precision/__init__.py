"""A proven ONNX file in fp16, bf16 or int8, held back unless it still answers as well."""
