"""Paddle to ONNX in one call: exported, simplified, checked, loaded, compared, then named."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.embed import pixel_input
from paddleport.convert.paddle2onnx.opsets import DEFAULT_OPSET, check_opset
from paddleport.convert.steps import Progress, Request, convert_and_compare
from paddleport.convert.tools import Tools
from paddleport.errors import (
    ConversionError,
    OutputError,
    UsageError,
)
from paddleport.files import writing_atomically
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import read_onnx_model
from paddleport.models.resolve import SourceModel, resolve
from paddleport.tensors import Array, TensorSpec
from paddleport.validate.compare.comparison import (
    OutputComparison,
    Verdict,
    overall,
)
from paddleport.validate.feeds.pixels import PixelInput

DEFAULT_TIMEOUT_S = 300.0
_CHUNK = 1 << 20  # bytes
_DIFFERS = ("differs from", "Next: paddleport validate says why; --keep keeps the file")
_UNPROVEN = (
    "is not proven against",
    "Give it telling input with --feed NAME=FILE.npy; --keep keeps the file",
)


@dataclass(frozen=True)
class Conversion:
    """A finished conversion and how it was judged.

    Attributes:
        path: where the file is; ``None`` if it does not agree and was not kept.
        verdict: against native Paddle on the feeds.
        comparisons: one an output.
        source: what was converted.
        opset: read back from the file.
        mends: what was rewritten because Paddle2ONNX would have got it wrong.
        nodes_before: nodes that Paddle2ONNX wrote.
        nodes: nodes in the file.
        size_bytes: of the file.
        not_simplified: why onnxslim's result was not taken; empty where it was.
        feeds: names of the feeds that were compared.
        pixels: the input, where the file takes 8-bit pictures and normalises them itself.
    """

    path: Path | None
    verdict: Verdict
    comparisons: tuple[OutputComparison, ...]
    source: SourceModel
    opset: int
    mends: tuple[str, ...]
    nodes_before: int
    nodes: int
    size_bytes: int
    not_simplified: str
    feeds: tuple[str, ...]
    pixels: TensorSpec | None = None

    @property
    def explanation(self) -> str:
        """One line on a conversion that does not agree; empty for one that does."""
        if self.verdict == "agrees":
            return ""
        reasons = "; ".join(item.reason for item in self.comparisons if item.reason)
        what, next_step = _UNPROVEN if self.verdict == "unproven" else _DIFFERS
        return (
            f"the conversion of {self.source.name} at opset {self.opset} {what} native Paddle: "
            f"{reasons}. {next_step}"
        )

    @property
    def onnx(self) -> Artifact:
        """The file as a model to open a runner on.

        Raises:
            ConversionError: the conversion does not agree and was not kept.
        """
        if self.path is None:
            raise ConversionError(self.explanation)
        return read_onnx_model(self.path)


def to_onnx(
    model: SourceModel | str | Path,
    output: Path | str | None = None,
    *,
    opset: int = DEFAULT_OPSET,
    weights: str = "auto",
    allow_upgrade: bool = False,
    keep: bool = False,
    simplify: bool = True,
    embed_preprocess: bool = False,
    shapes: Mapping[str, Sequence[int]] | None = None,
    feed: Mapping[str, Array] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    tools: Tools | None = None,
    progress: Progress = lambda step, share: None,
) -> Conversion:
    """Convert a Paddle model, and give the file its name only when it is proven the same.

    Args:
        model: a zoo name, a folder, tar or file, or what ``resolve`` found.
        output: the .onnx file; by default ``NAME.onnx`` in the current folder.
        opset: 7 to 21.
        weights: for a zoo name, as ``resolve`` takes it.
        allow_upgrade: accept a higher opset where the model needs one.
        keep: keep what does not agree, as ``NAME.differs.onnx`` or ``NAME.unproven.onnx``.
        simplify: fold and fuse with onnxslim.
        embed_preprocess: take pictures as they are cropped, uint8 NHWC, and normalise them in
            the graph; ``feed`` is such a picture then.
        shapes: input name to shape, for the comparison with native Paddle.
        feed: input name to tensor, instead of made-up feeds.
        timeout_s: for the export, in seconds.
        tools: processes that were started earlier; they are closed at the end.
        progress: told each step and the share done.

    Raises:
        UsageError: there is no preprocessing to embed.
        ConversionError: Paddle2ONNX, ONNX's checker or ONNX Runtime said no.
        PortError: as ``resolve`` and ``make_feeds`` do, and for a target that can't be written.
    """
    check_opset(opset)
    source = model if isinstance(model, SourceModel) else resolve(model, weights=weights)
    target = Path(output) if output is not None else Path(f"{source.name}.onnx")
    _check_target(target)
    pixels = _pixels(source) if embed_preprocess else None
    with tempfile.TemporaryDirectory(prefix="paddleport-") as folder:
        finished = Path(folder) / "finished.onnx"
        request = Request(
            opset, allow_upgrade, simplify, timeout_s, shapes or {}, feed or {}, pixels
        )
        checked, feeds, comparisons = convert_and_compare(
            source, finished, request, tools or Tools(), progress
        )
        verdict, size_bytes = overall(comparisons), finished.stat().st_size
        path: Path | None = target
        if verdict != "agrees":
            path = target.with_suffix(f".{verdict}.onnx") if keep else None
        if path is not None:
            with finished.open("rb") as source_file, writing_atomically(path) as stream:
                shutil.copyfileobj(source_file, stream, _CHUNK)
    return Conversion(
        path,
        verdict,
        tuple(comparisons),
        source,
        checked.opset,
        checked.mends,
        checked.nodes_before,
        checked.nodes,
        size_bytes,
        checked.not_simplified,
        tuple(item.name for item in feeds),
        None if pixels is None else pixels.spec,
    )


def _pixels(source: SourceModel) -> PixelInput:
    rules = source.preprocess
    spec = pixel_input(source.program.inputs, rules, source.preprocess_unknown)
    if rules is None:  # which is refused by now
        raise UsageError(source.preprocess_unknown)
    return PixelInput(spec, rules, rules)


def _check_target(target: Path) -> None:
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give a file: -o {target / 'model.onnx'}")
    if target.suffix != ".onnx":
        raise OutputError(f"{target} has another ending than .onnx; try -o {target}.onnx")
