"""What every backend is fed.

``make_feeds`` makes the feeds of a model, as a ``named_feed`` each; ``pixel_feeds`` those of a file
that normalises pictures itself; ``onnx_feeds`` turns them into the ONNX file's.
"""
