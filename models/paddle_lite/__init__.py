"""Paddle Lite's .nb files, read without Paddle Lite."""
