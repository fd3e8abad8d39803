"""What tensors of a model are called in ncnn's text, which ends a name at a space or 255 bytes."""

import hashlib
import string
from urllib.parse import quote

from paddleport.models.artifact import Artifact

BATCHED = "without_batch_axis"
"""The setting of the target's step that names the tensors whose first axis ncnn does not have."""

_STEP = "ncnn"  # of the provenance, the target's name

_LONGEST = 200  # bytes; ncnn reads 255, and a name that is taken gets a number
_KEPT = string.punctuation.replace("%", "")


def blob_name(name: str) -> str:
    """The name of an input or output as it stands in a .param file: itself, in the plain case.

    Spaces, control characters and what is no ASCII are written as in an address; of a long name
    the rest is a digest.
    """
    safe = quote(name, safe=_KEPT) or "%"
    if len(safe) <= _LONGEST:
        return safe
    return f"{safe[: _LONGEST - 17]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def recorded_batched(model: Artifact) -> frozenset[str] | None:
    """Names of the tensors whose first axis ncnn does not have; ``None`` where nobody says."""
    for item in reversed(model.provenance.get("steps", ())):
        if item.get("step") == _STEP:
            return frozenset(item.get("options", {}).get(BATCHED, ()))
    return None
