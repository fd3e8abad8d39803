"""A conversion with its weights kept out of Paddle2ONNX, held against the ordinary one.

Every function runs inside a worker, which holds Paddle and the ONNX tools.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from operators import matrix

from paddleport.convert.paddle2onnx import export, simplify_on_disk, weight_offload
from paddleport.convert.paddle2onnx import finish as check
from paddleport.convert.paddle2onnx.export import RawExport, export_raw
from paddleport.errors import ConversionError
from paddleport.models.artifact import Artifact

_NEVER = 1 << 62


def swapped(raw: RawExport) -> RawExport:
    """Two weights of one shape in each other's place."""
    for index, first in enumerate(raw.offloaded):
        for other in raw.offloaded[index + 1 :]:
            if other.spec == first.spec:
                places = {first: other.offset, other: first.offset}
                kept = [
                    replace(item, offset=places.get(item, item.offset)) for item in raw.offloaded
                ]
                return replace(raw, offloaded=tuple(kept))
    raise ValueError("no two weights of one shape are offloaded")


def export_small(*arguments: Any, **options: Any) -> RawExport:
    """As ``export_raw``, with weights of any size kept out."""
    with mock.patch.multiple(weight_offload, LEAST_TOTAL_BYTES=1, LEAST_BYTES=1):
        return export_raw(*arguments, **options)


def export_swapped(*arguments: Any, **options: Any) -> RawExport:
    """The same with two of them swapped."""
    return swapped(export_small(*arguments, **options))


def export_copied(*arguments: Any, **options: Any) -> RawExport:
    """The same where Paddle2ONNX seems to have read a weight."""
    with mock.patch.object(export, "why_not_restorable", lambda *_: "it read one"):
        return export_small(*arguments, **options)


def _export_light_with(do: Callable[[], None], *arguments: Any, **options: Any) -> RawExport:
    convert = export._paddle2onnx

    def only_whole(model: Artifact, opset: int) -> bytes:
        if model.weights_file is not None and model.weights_file.name == export.REDUCED_PARAMS:
            do()
        return convert(model, opset)

    with mock.patch.object(export, "_paddle2onnx", only_whole):
        return export_small(*arguments, **options)


def _refuse() -> None:
    raise ConversionError("no such weight")


def export_refused(*arguments: Any, **options: Any) -> RawExport:
    """The same where Paddle2ONNX takes no program with weights kept out."""
    return _export_light_with(_refuse, *arguments, **options)


def export_crashed(*arguments: Any, **options: Any) -> RawExport:
    """The same where it dies of it."""
    return _export_light_with(os.abort, *arguments, **options)


def exported(model: Artifact, folder: Path, opset: int, *, total: int = 1) -> RawExport:
    """The half that takes Paddle, keeping all weights out of a model of ``total`` bytes."""
    folder.mkdir(parents=True)
    with mock.patch.multiple(weight_offload, LEAST_TOTAL_BYTES=total, LEAST_BYTES=1):
        return export_raw(model, folder, opset=opset, allow_upgrade=True)


def finished(
    raw: RawExport, target: Path, *, simplify: bool = True, in_memory: bool = False
) -> str:
    """The other half without provenance; gives why it was not simplified.

    Only where it may be done ``in_memory`` may onnxslim fail with the weights on disk.
    """
    source: Any = SimpleNamespace(preprocess=None, labels=None)
    failed = AssertionError("onnxslim failed with the weights on disk")
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(check, "onnx_provenance", lambda *_, **__: {}))
        stack.enter_context(mock.patch.object(simplify_on_disk, "LEAST_BYTES", 100))  # no shapes
        if not in_memory:
            stack.enter_context(mock.patch.object(check, "load_external", side_effect=failed))
        done = check.finish(raw, target, simplify=simplify, source=source)
    check.check_file(target)
    return done.not_simplified


def compared(
    model: Artifact,
    opset: int,
    folder: Path,
    *,
    simplify: bool = True,
    swap: bool = False,
) -> tuple[list[str], str]:
    """The weights that were kept out, and what differs then; empty if nothing does."""
    files, found, reasons = [], {}, []
    for way, total in (("ordinary", _NEVER), ("kept out", 1)):
        place = folder / f"{opset} {simplify} {way}"
        try:
            raw = exported(model, place, opset, total=total)
            raw = swapped(raw) if swap and raw.offloaded else raw
            reasons.append(finished(raw, place / "it.onnx", simplify=simplify))
        except ConversionError as error:
            reasons.append(str(error))
            files.append(b"")
            continue
        files.append((place / "it.onnx").read_bytes())
        found[way] = raw
    if reasons[0] != reasons[1]:
        return [], f"{reasons[0] or 'done'!r} becomes {reasons[1]!r}"
    if not found:
        return [], ""
    kept = [item.name for item in found["kept out"].offloaded]
    different = "" if files[0] == files[1] else f"{len(files[0])} bytes, {len(files[1])} kept out"
    return kept, found["kept out"].not_offloaded or different


def compared_network(family: str, name: str, opset: int, folder: Path) -> tuple[list[str], str]:
    """The same of a network of the operator matrix."""
    folder.mkdir(exist_ok=True)
    return compared(matrix.build(family, name, folder), opset, folder)
