"""What every backend is fed.

``make_feeds`` makes the feeds of a model, as a ``named_feed`` each; ``made_feed`` one that is made
up; ``pixel_feeds`` those of a file that normalises pictures itself; ``onnx_feeds`` turns them into
the ONNX file's. ``value_ranges`` reads from the Paddle program what integer inputs may hold:
``value_intervals`` follows them through it, ``table_lookups`` finds where they number rows,
``table_bounds`` the widest range that fits, ``value_roles`` masks, lengths and sizes.
"""
