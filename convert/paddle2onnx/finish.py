"""Fix and simplify a raw conversion and check that it is ONNX; runs inside a worker."""

import contextlib
import gc
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport.convert.embed import embed_preprocess
from paddleport.convert.paddle2onnx.declared_inputs import Narrowing, declare
from paddleport.convert.paddle2onnx.export import RawExport, fixed_graph
from paddleport.convert.paddle2onnx.external_data import (
    full_size,
    load_external,
    write_model,
)
from paddleport.convert.paddle2onnx.sequence_folding import sequences_unfolded
from paddleport.convert.paddle2onnx.simplify_on_disk import weights_on_disk
from paddleport.convert.provenance import onnx_provenance
from paddleport.errors import ConversionError
from paddleport.models.onnx.onnx_file import write_metadata
from paddleport.models.resolve import SourceModel
from paddleport.runners.vendor_message import one_line

if TYPE_CHECKING:
    import onnx


_logger = logging.getLogger(__name__)
_LARGE = 30_000_000  # bytes of a model; below, looking for garbage costs more than it frees
_INITIALIZERS_ALONE = 4  # the IR version since which initializers need not be inputs


@dataclass(frozen=True, kw_only=True)
class FinishedFile:
    """What was found in the finished file.

    Attributes:
        opset: of the default domain, read back.
        nodes_before: nodes that Paddle2ONNX wrote.
        nodes: nodes after simplification.
        not_simplified: why onnxslim's result was not taken; empty where it was.
        fixups: what was rewritten because Paddle2ONNX would have got it wrong.
    """

    opset: int
    nodes_before: int
    nodes: int
    not_simplified: str
    fixups: tuple[str, ...]


def finish(
    raw: RawExport,
    target: Path,
    *,
    simplify: bool,
    source: SourceModel,
    embed: bool = False,
    why_not: str = "--no-simplify",
    narrowing: Narrowing | None = None,
) -> FinishedFile:
    """Fix and simplify ``raw``, add the metadata and write it as ``target``, unchecked.

    Args:
        raw: what Paddle2ONNX wrote.
        target: the file.
        simplify: fold and fuse with onnxslim.
        source: what it was made of.
        embed: put the normalisation of pictures in front.
        why_not: why it is not to be simplified, where it is not.
        narrowing: the sizes that it is to declare, and what there is to say of them.

    Raises:
        ConversionError: a result's shape is not what the program declares.
        OutputError: the target cannot be written.
    """
    narrowing = narrowing or Narrowing()
    proto, fixups = fixed_graph(raw)
    nodes_before = len(proto.graph.node)
    not_simplified = why_not
    if simplify:
        given = [proto]
        del proto  # a large model is not held twice
        proto, not_simplified = _simplified(raw, given, target.parent)
    declare(proto, narrowing.declared)
    if embed and source.preprocess is not None:
        embed_preprocess(proto, source.preprocess)
    proto.producer_name = "paddleport"
    # Paddle2ONNX writes IR 3 for old opsets, where every initializer must be an input as well.
    proto.ir_version = max(proto.ir_version, _INITIALIZERS_ALONE)
    write_metadata(
        proto,
        preprocess=source.preprocess,
        labels=source.labels,
        provenance=onnx_provenance(
            source,
            raw,
            fixups,
            narrowing,
            embedded=embed,
            simplified=not not_simplified,
        ),
        input_format=_pixel_format(source) if embed else "",
    )
    opset = next(item.version for item in proto.opset_import if item.domain in ("", "ai.onnx"))
    nodes = len(proto.graph.node)
    write_model(proto, target)
    return FinishedFile(
        opset=opset,
        nodes_before=nodes_before,
        nodes=nodes,
        not_simplified=not_simplified,
        fixups=fixups,
    )


def check_file(target: Path) -> None:
    """Have ONNX's checker read a file, which takes less memory than giving it the model.

    Raises:
        ConversionError: ONNX's checker or shape inference refuses it.
    """
    import onnx

    try:
        onnx.checker.check_model(str(target), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ConversionError(
            f"Paddle2ONNX wrote a file that ONNX's checker refuses: {one_line(error)}"
        ) from None


def _pixel_format(source: SourceModel) -> str:
    rules = source.preprocess
    channels = rules.channels if rules else ""
    return f"uint8 NHWC after the crop, channels {channels}; normalised inside"


def _simplified(
    raw: RawExport, given: list["onnx.ModelProto"], folder: Path
) -> tuple["onnx.ModelProto", str]:
    """The only model in ``given`` simplified, or as it was and why not.

    Where weights were offloaded they stay in their file; if that fails it is done in memory.
    """
    if raw.offloaded:
        reason = _simplify(given, folder)
        if not reason:
            return given.pop(), ""
        _logger.info("simplified in memory: %s", reason)
        given[:] = [fixed_graph(raw)[0]]
        load_external(given[0])
    not_simplified = _simplify(given)
    return given.pop() if given else fixed_graph(raw)[0], not_simplified


def _simplify(given: list["onnx.ModelProto"], on_disk: Path | None = None) -> str:
    """Put the simplified model in the place of the only one in ``given``, or nothing: why not."""
    import onnxslim

    before, is_large = _names(given[0]), full_size(given[0]) >= _LARGE
    if not is_large:
        gc.disable()  # a fifth of the time goes into looking for garbage among its small objects
    try:
        with contextlib.ExitStack() as changed:
            changed.enter_context(sequences_unfolded())
            if on_disk:
                changed.enter_context(weights_on_disk(on_disk))
            slim = onnxslim.slim(given.pop())
    except (
        Exception
    ) as error:  # onnxslim raises whatever its passes meet; the result is compared anyway
        return f"onnxslim failed: {one_line(error)}"
    finally:
        gc.enable()
    if is_large:
        gc.collect()  # cycles that hold the weights twice more
    if _names(slim) != before:
        return "onnxslim changed the model's inputs or outputs"
    given.append(slim)
    return ""


def _names(proto: "onnx.ModelProto") -> tuple[list[str], list[str]]:
    graph = proto.graph
    return [item.name for item in graph.input], [item.name for item in graph.output]
