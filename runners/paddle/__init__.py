"""Native Paddle Inference, and with its TensorRT engine: what the model means."""
