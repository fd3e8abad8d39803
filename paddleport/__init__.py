"""Carries a Paddle inference model to any runtime, and proves that it is still the same model."""

__version__ = "0.1.0"
