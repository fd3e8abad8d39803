"""One model on every backend against native Paddle."""
