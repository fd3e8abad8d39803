"""Accuracy on labelled pictures: one pass, several backends, and what the numbers prove."""
