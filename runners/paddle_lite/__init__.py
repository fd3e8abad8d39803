"""Paddle Lite, which lives in an interpreter of its own: an old Python that the user names."""
