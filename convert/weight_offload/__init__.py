"""Large weights pass by Paddle2ONNX and onnxslim, which hold each several times."""
