"""Convert once, find it again: a cache of conversions that were proven the same."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.paddle2onnx.opsets import DEFAULT_OPSET, check_opset
from paddleport.convert.provenance import tool_versions
from paddleport.errors import NotProvenError
from paddleport.models.artifact import Artifact
from paddleport.models.cache import cached_folder
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.tensors import Array

if TYPE_CHECKING:
    from paddleport.convert.steps import Progress
    from paddleport.models.resolve import SourceModel

_FILE = "model.onnx"


def cached_onnx(
    source: "SourceModel",
    *,
    opset: int = DEFAULT_OPSET,
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: Mapping[str, Array] | None = None,
    proven: bool = True,
    progress: "Progress" = lambda step, share: None,
) -> Artifact:
    """The conversion of a model, from the cache or made now with all of ``to_onnx``'s checks.

    The key holds the model's hash, the opset, the preprocessing and labels written into the
    file, and the versions of every tool: what changes any of them is another entry.

    Args:
        source: what to convert.
        opset: 7 to 21.
        shapes: for the comparison, as ``to_onnx`` takes them.
        feed: likewise.
        proven: whether a conversion that is not proven the same is an error; ``validate`` takes
            it, from an entry of its own, since it exists to say what is wrong with it.
        progress: told each step and the share done.

    Raises:
        ConversionError: it fails, or is not proven the same.
        PortError: as ``to_onnx`` does.
    """
    check_opset(opset)

    def build(folder: Path, *, keep: bool = False) -> None:
        from paddleport.convert.pipeline import to_onnx  # much that a cached file has no use for

        done = to_onnx(
            source,
            folder / _FILE,
            opset=opset,
            shapes=shapes,
            feed=feed,
            keep=keep,
            progress=progress,
        )
        if done.path is None:
            raise NotProvenError(done.explanation)
        done.path.replace(folder / _FILE)

    entry = f"conversions/{source.name}-{_key(source, opset)}"
    try:
        found = cached_folder(entry, build)
    except NotProvenError:
        if proven:
            raise
        found = cached_folder(f"{entry}-not-proven", lambda folder: build(folder, keep=True))
    return read_onnx_model(found / _FILE)


def _key(source: "SourceModel", opset: int) -> str:
    parts = {
        "sha256": source.sha256,
        "weights": source.weights,
        "opset": opset,
        "preprocess": asdict(source.preprocess) if source.preprocess else None,
        "labels": source.labels,
        "tools": tool_versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
