"""The rows of an evaluation: each backend in each precision, and the file that it loads."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from paddleport import runners
from paddleport.convert.converted_file import refuse_conversion_options
from paddleport.convert.loadable import loadable
from paddleport.convert.paddle2onnx.supported import DEFAULT_OPSET
from paddleport.convert.prepare import Prepared, fed_shapes
from paddleport.convert.rows_asked import RowsAsked, extras_of
from paddleport.errors import BackendUnavailableError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors, read_onnx_model
from paddleport.models.preprocess import Preprocess
from paddleport.models.recognize import read_artifact
from paddleport.progress import Progress, no_progress
from paddleport.runners.base import Runner
from paddleport.runners.predictor import MOST_STREAMS, extras_for_pictures
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import TensorSpec
from paddleport.validate.evaluate.rows.row_request import RowRequest, RowSource
from paddleport.validate.parity.validation_plan import PLAIN

if TYPE_CHECKING:
    from paddleport.models.resolve import SourceModel
    from paddleport.runners.profile import Profile

REFERENCE = f"{PLAIN} fp32"
"""Native Paddle's row, with its oneDNN kernels: what a user of Paddle gets."""
_EXACT = "reference"  # in float64 and slow: only where it is named
WITHOUT_ONEDNN = "try -o onednn=false: Paddle's own kernels may do what oneDNN's do not"
_BY_FILE = ("fp16", "bf16", "int8")


def evaluation_rows(
    asked: RowsAsked,
    preprocess: Preprocess,
    source: "SourceModel | None",
    *,
    progress: Progress = no_progress,
) -> list[RowRequest]:
    """Every row, native Paddle's first, and those that can't be with their reason.

    Args:
        asked: what is wanted.
        preprocess: how pictures are fed.
        source: the Paddle model; ``None`` where there are only files.
        progress: called where something is converted.

    Raises:
        PortError: the conversion is not proven, or a named row can't be.
    """
    made = _RowMaker(asked, preprocess, source, progress)
    rows = [made.reference()] if asked.reference else []
    if asked.profile is not None:
        rows.append(made.profiled(asked.profile))
    if asked.profile is None or asked.backends:
        for name in asked.backends or runners.default_names():
            if asked.backends or name != _EXACT:
                rows += made.rows(name)
    found: dict[str, RowRequest] = {}
    for row in rows:  # native Paddle may be asked for by its name, too
        found.setdefault(row.name, row)
    if not any(row.sources for row in rows):
        raise UsageError("there is no backend to evaluate: paddleport backends")
    return list(found.values())


class _RowMaker:
    def __init__(
        self,
        asked: RowsAsked,
        preprocess: Preprocess,
        source: "SourceModel | None",
        progress: Progress,
    ) -> None:
        self._asked, self._preprocess, self._source = asked, preprocess, source
        self._progress = progress
        self._onnx, self._extras = cache(self._converted), extras_of(asked)

    def reference(self) -> RowRequest:
        """Native Paddle in fp32, on the CPU."""
        plain = replace(self._asked, device=None)
        return replace(self._native(PLAIN, "fp32", plain), named=True)

    def profiled(self, profile: "Profile") -> RowRequest:
        """A tuned configuration, as ``run --profile`` opens it."""
        kind = runners.runner_class(profile.backend)
        if reason := runners.why_not(profile.backend):
            raise BackendUnavailableError(f"{profile.backend} can't be used here: {reason}")
        if "paddle" in kind.formats:
            model, inputs = self._program, self._source.program.inputs if self._source else ()
        else:
            model = self._tuned(profile.file) if profile.file else self._onnx()
            inputs = onnx_tensors(model.path)[0] if model.format == "onnx" else model.inputs
        options = self._for_pictures(kind, profile.runner_options, inputs, streams=1)
        return RowRequest(
            name=f"{profile.backend} {profile.precision} tuned",
            backend=profile.backend,
            precision=profile.precision,
            sources=(RowSource(make=partial(self._file, kind, model), options=options),),
            named=True,
        )

    def rows(self, name: str) -> Iterator[RowRequest]:
        """A backend in every precision that is wanted."""
        named = self._asked.backends is not None
        if reason := _why_not(name):
            yield RowRequest(name=name, backend=name, precision="", skipped=reason)
            return
        kind = runners.runner_class(name)
        native = "paddle" in kind.formats
        if native and self._source is None:
            reason = f"{name} runs Paddle's own program, and there is only the ONNX file"
            if named:
                raise UsageError(f"{reason}: name the model's folder, and --onnx FILE")
            yield RowRequest(name=name, backend=name, precision="", skipped=reason)
            return
        for precision in self._asked.precisions or (None,):
            shown = precision or kind.precisions[0]
            try:
                if native:
                    yield replace(self._native(name, precision, self._asked), named=named)
                else:
                    yield from self._of_files(name, precision, named=named)
            except BackendUnavailableError as error:
                if named:
                    raise
                if name != PLAIN or not self._asked.reference:  # else it is there in fp32
                    yield RowRequest(
                        name=f"{name} {shown}", backend=name, precision=shown, skipped=str(error)
                    )

    @property
    def _program(self) -> Artifact:
        if self._source is None:
            raise UsageError("there is no Paddle model to run: name its folder")
        return self._source.model

    def _native(self, name: str, precision: Precision | None, asked: RowsAsked) -> RowRequest:
        kind = runners.runner_class(name)
        program = self._program
        inputs = self._source.program.inputs if self._source else ()
        options = self._options(kind, precision, asked, inputs)
        shown = precision or kind.precisions[0]
        return RowRequest(
            name=f"{name} {shown}",
            backend=name,
            precision=shown,
            sources=(RowSource(make=lambda: program, options=options),),
            advice=WITHOUT_ONEDNN if name == PLAIN else "",
        )

    def _of_files(
        self, name: str, precision: Precision | None, *, named: bool
    ) -> Iterator[RowRequest]:
        kind = runners.runner_class(name)
        shown = precision or kind.precisions[0]
        asked = _titles(self._asked.files)
        files = [(self._given(path), title) for path, title in asked.items()]
        own = not files
        for onnx, title in files or [(self._onnx(), "")]:
            of_file = f"{name} {title}" + (f" {precision}" if precision else "")
            yield RowRequest(
                name=f"{name} {shown}" if own else of_file,
                backend=name,
                precision=shown,
                sources=tuple(self._sources(kind, precision, onnx, own=own)),
                named=named,
            )

    def _sources(
        self, kind: type[Runner], precision: Precision | None, onnx: Artifact, *, own: bool
    ) -> Iterator[RowSource]:
        """The file itself in a precision that the runtime computes in; else a file in it."""
        inputs, _ = onnx_tensors(onnx.path)
        by_file = own and precision in _BY_FILE and self._source is not None
        if not by_file or (precision != "int8" and precision in kind.precisions):
            options = self._options(kind, precision, self._asked, inputs)
            yield RowSource(make=partial(self._file, kind, onnx), options=options)
        if by_file and precision is not None:
            yield RowSource(
                make=lambda: self._file(kind, self._lowered(onnx, precision, kind.formats)),
                options=self._options(kind, None, self._asked, inputs),
                note=f"a file in {precision}",
            )

    def _options(
        self,
        kind: type[Runner],
        precision: Precision | None,
        asked: RowsAsked,
        inputs: Sequence[TensorSpec],
    ) -> RunnerOptions:
        extras = self._extras.get(kind.name, {})
        options = RunnerOptions(
            device=asked.device, precision=precision, threads=asked.threads, extras=extras
        )
        kind.check_options(options)
        return self._for_pictures(kind, options, inputs, min(asked.threads, MOST_STREAMS))

    def _for_pictures(
        self,
        kind: type[Runner],
        options: RunnerOptions,
        inputs: Sequence[TensorSpec],
        streams: int,
    ) -> RunnerOptions:
        """As ``run`` opens it."""
        options = replace(options, extras=extras_for_pictures(kind, options, streams))
        ready = Prepared(
            title="",
            model=Artifact(format="", files=()),
            inputs=tuple(inputs),
            preprocess=self._preprocess,
            labels=None,
            warning="",
        )
        return replace(options, shapes=fed_shapes(ready, kind, self._asked.batch_size))

    def _converted(self) -> Artifact:
        from paddleport.convert.artifact_cache import cached_onnx  # no file has a use for it

        if self._source is None:
            raise UsageError("there is no Paddle model to convert: --onnx FILE")
        opset = DEFAULT_OPSET if self._asked.opset is None else self._asked.opset
        return cached_onnx(self._source, opset=opset, progress=self._progress)

    def _tuned(self, path: Path) -> Artifact:
        found = read_artifact(path)
        refuse_conversion_options(found, opset=self._asked.opset)
        return found

    def _given(self, path: Path) -> Artifact:
        found = read_onnx_model(path)
        refuse_conversion_options(found, opset=self._asked.opset)
        if found.preprocess not in (None, self._preprocess):
            raise UsageError(
                f"{path} was converted for another preprocessing than the model's, so no picture "
                "can be prepared once for both: evaluate it alone, as MODEL with --no-reference"
            )
        return found

    def _lowered(self, onnx: Artifact, precision: Precision, formats: Sequence[str]) -> Artifact:
        from paddleport.convert.variants import lowered_variant  # the file may be made already

        if self._source is None:
            raise UsageError("there is no Paddle model to convert: --onnx FILE")
        self._progress(f"convert to {precision}", None)
        return lowered_variant(
            self._source,
            onnx,
            precision=precision,
            formats=formats,
            calibrate=self._asked.calibrate,
        )

    def _file(self, kind: type[Runner], onnx: Artifact) -> Artifact:
        return loadable(onnx, kind.formats, source=self._source, progress=self._progress)


def _titles(files: Sequence[Path]) -> dict[Path, str]:
    """A title for each file, which is there once: its name, and the folders that tell two apart."""
    found = list(dict.fromkeys(Path(os.path.abspath(path)) for path in files))
    titles = {}
    for path in found:
        for length in range(1, len(path.parts) + 1):
            end = path.parts[-length:]
            if sum(other.parts[-length:] == end for other in found) == 1:
                titles[path] = "/".join(end)
                break
    return titles


def _why_not(name: str) -> str:
    """Why a backend can't be used here, also where its plug-in can't be imported."""
    try:
        return runners.why_not(name)
    except BackendUnavailableError as error:
        return str(error)
