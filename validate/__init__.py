"""Is it still the same model, and how fast."""
