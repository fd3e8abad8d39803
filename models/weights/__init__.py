"""Where a named model's weights come from.

``obtain`` decides; ``pretrained`` goes through a card's sources: ``download`` fetches an archive,
``archive`` unpacks it, ``hub`` takes files from the Hugging Face hub.
"""
