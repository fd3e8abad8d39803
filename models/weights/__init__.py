"""Where a named model's weights come from."""
