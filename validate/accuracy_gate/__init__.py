"""Whether a lower precision still gives the same answers."""
