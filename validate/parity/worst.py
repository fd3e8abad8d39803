"""The worst feeds of a validation, saved so that they can be fed again."""

import io
from pathlib import Path

import numpy as np

from paddleport.files import write_atomically
from paddleport.validate.parity.validation import Validation


def save_worst(validation: Validation, folder: Path) -> list[Path]:
    """Write the worst feed of each kind for each backend, and return the files.

    Each is ``BACKEND-KIND.npz`` with the Paddle model's input names as keys, as ``--feed FILE.npz``
    takes it; 8-bit pixels where the ONNX file normalises pictures itself.
    """
    feeds = {feed.name: feed for feed in validation.feeds}
    written = []
    for row in validation.report.rows:
        worst = row.worst
        if worst is None or row.verdict == "reference":
            continue
        for item in worst.worst_feeds:
            buffer = io.BytesIO()
            np.savez_compressed(buffer, allow_pickle=False, **dict(feeds[item.feed].to_file))
            path = folder / f"{row.name.replace(' ', '-')}-{item.kind}.npz"
            write_atomically(path, buffer.getvalue())
            written.append(path)
    return written
