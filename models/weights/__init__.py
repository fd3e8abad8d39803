"""Where a named model's weights come from.

``obtain`` decides; ``download`` fetches an archive, ``archive`` unpacks it.
"""
