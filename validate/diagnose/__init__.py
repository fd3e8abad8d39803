"""Who made a backend differ: evidence, and the cause that it names."""
