"""One way to an ONNX file, from Paddle2ONNX to ONNX Runtime, in a conversion's two processes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddleport.convert.paddle2onnx.blamed_operator import operator_behind
from paddleport.convert.paddle2onnx.declared_inputs import Narrowing
from paddleport.convert.paddle2onnx.export import (
    REDUCED_PARAMS,
    RawExport,
    explain_crash,
    export_raw,
)
from paddleport.convert.paddle2onnx.finish import FinishedFile, check_file, finish
from paddleport.convert.paddle2onnx.weight_offload import LEAST_TOTAL_BYTES
from paddleport.convert.tools import Tools
from paddleport.errors import (
    BackendUnavailableError,
    ConversionError,
    PortError,
    WorkerCrashed,
)
from paddleport.models.artifact import onnx_artifact
from paddleport.models.onnx.onnx_file import total_size
from paddleport.models.resolve import SourceModel
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed, GivenFeeds
from paddleport.validate.feeds.pixel_feeds import PixelInput
from paddleport.validate.session import Session

_logger = logging.getLogger(__name__)
_NAMING_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class OnnxRequest:
    """What ``convert`` was asked for where its target is ONNX, as its arguments have it.

    Its ``pixels`` are the input of a file that normalises pictures itself, if it is to.
    """

    opset: int
    allow_upgrade: bool
    simplify: bool
    timeout_s: float
    shapes: Mapping[str, Sequence[int]]
    feed: GivenFeeds
    explain: bool = True
    pixels: PixelInput | None = None


@dataclass(frozen=True, kw_only=True)
class OnnxCandidate:
    """A file that ONNX's checker and ONNX Runtime take.

    Attributes:
        raw: what Paddle2ONNX wrote.
        path: the file.
        finished: what was found in it.
        narrowing: what it takes less than its program.
        session: ONNX Runtime with it.
        outputs: what it gives, one mapping per feed.
    """

    raw: RawExport
    path: Path
    finished: FinishedFile
    narrowing: Narrowing
    session: Session
    outputs: list[dict[str, Array]]


class OnnxAttempts:
    """Makes ONNX files of one model, each in a folder of its own."""

    def __init__(
        self, tools: Tools, source: SourceModel, request: OnnxRequest, folder: Path
    ) -> None:
        """Nothing is made yet."""
        self.tools, self.source, self.request = tools, source, request
        self._folder = folder
        self._made = 0

    def export(
        self, opset: int, shapes: Mapping[str, Sequence[int]] | None = None, *, batch: bool = False
    ) -> RawExport:
        """Run Paddle2ONNX; where it ends the process, once more with all weights.

        Args:
            opset: to write.
            shapes: what inputs are fixed to before.
            batch: fix their batch, too.

        Raises:
            ConversionError: it fails, refuses, or crashes; its process is then another one.
        """
        folder = self._new_folder()
        try:
            return self._export(folder, opset, shapes, batch)
        except WorkerCrashed as error:
            self.tools.renew_paddle()
            reason = explain_crash(error)
            if not (folder / REDUCED_PARAMS).exists() or error.would_come_again:
                raise reason from None
        try:
            return self._export(self._new_folder(), opset, shapes, batch, str(reason))
        except WorkerCrashed as error:
            self.tools.renew_paddle()
            raise explain_crash(error) from None

    def candidate(
        self,
        raw: RawExport,
        feeds: Sequence[Feed],
        narrowing: Narrowing | None = None,
        before_large_check: Callable[[], object] = lambda: None,
    ) -> OnnxCandidate:
        """Finish, check and run a file; unsimplified where the simplified one fails.

        Args:
            raw: what Paddle2ONNX wrote.
            feeds: what it is run on.
            narrowing: what it is to declare and to say.
            before_large_check: called before a large file is checked, which takes memory.

        Raises:
            ConversionError: ONNX's checker or ONNX Runtime refuses it; the operator is named.
            BackendUnavailableError: ONNX Runtime is not installed.
        """
        narrowing = narrowing or Narrowing()
        why_not = "--no-simplify"
        if self.request.simplify:
            try:
                return self._candidate(raw, feeds, narrowing, "", before_large_check)
            except ConversionError as error:
                why_not = f"what onnxslim gives fails: {error}"
                _logger.info("%s", why_not)
        try:
            return self._candidate(raw, feeds, narrowing, why_not, before_large_check)
        except ConversionError as error:
            raise self._with_operator(error, raw) from None

    def _new_folder(self) -> Path:
        self._made += 1
        folder = self._folder / f"attempt.{self._made}"
        folder.mkdir()
        return folder

    def _export(
        self,
        folder: Path,
        opset: int,
        shapes: Mapping[str, Sequence[int]] | None,
        batch: bool,
        not_offloaded: str = "",
    ) -> RawExport:
        return self.tools.paddle.call(
            export_raw,
            self.request.timeout_s,
            self.source.model,
            folder,
            opset=opset,
            allow_upgrade=self.request.allow_upgrade,
            shapes=shapes,
            fix_batch=batch,
            not_offloaded=not_offloaded,
        )

    def _candidate(
        self,
        raw: RawExport,
        feeds: Sequence[Feed],
        narrowing: Narrowing,
        why_not: str,
        before_large_check: Callable[[], object],
    ) -> OnnxCandidate:
        path, timeout_s = self._new_folder() / "finished.onnx", self.request.timeout_s
        try:
            finished = self.tools.onnx.call(
                finish,
                timeout_s,
                raw,
                path,
                simplify=not why_not,
                why_not=why_not,
                source=self.source,
                embed=self.request.pixels is not None,
                narrowing=narrowing,
            )
            if total_size(path) >= LEAST_TOTAL_BYTES:
                before_large_check()
            self.tools.onnx.call(check_file, timeout_s, path)
        except WorkerCrashed as error:
            self.tools.renew_onnx()
            raise ConversionError(f"ONNX's tools ended with {error.reason} on the file") from None
        if finished.opset != raw.opset:
            raise ConversionError(
                f"the file came out at opset {finished.opset}, {raw.opset} was exported"
            )
        session, outputs = self.run(path, feeds)
        return OnnxCandidate(
            raw=raw,
            path=path,
            finished=finished,
            narrowing=narrowing,
            session=session,
            outputs=outputs,
        )

    def run(self, path: Path, feeds: Sequence[Feed]) -> tuple[Session, list[dict[str, Array]]]:
        """ONNX Runtime with a file, and what it gives.

        Raises:
            ConversionError: it does not load or run it.
            BackendUnavailableError: it is not installed.
        """
        try:
            session = Session(
                "onnxruntime", onnx_artifact(path), RunnerOptions(), worker=self.tools.onnx
            )
        except BackendUnavailableError:
            raise
        except PortError as error:
            self.tools.renew_onnx()  # a session that does not come about ends its process
            raise _does_not_run(error, path) from None
        try:
            return session, session.run_all(feeds)
        except WorkerCrashed as error:
            self.tools.renew_onnx()
            raise _does_not_run(error, path) from None
        except PortError as error:
            raise _does_not_run(error, path) from None

    def _with_operator(self, error: ConversionError, raw: RawExport) -> ConversionError:
        """The refusal of a file, by the operator of the program that it is about."""
        message = str(error)
        refused = next((item for item in _FILE_REFUSED if message.startswith(item)), "")
        if not refused:
            return error
        try:
            operator = self.tools.onnx.call(operator_behind, _NAMING_TIMEOUT_S, raw, message)
        except PortError:
            self.tools.renew_onnx()
            return error
        if not operator:
            return error
        blamed = f"Paddle2ONNX writes the operator {operator} wrong, and {_FILE_REFUSED[refused]}"
        return ConversionError(blamed + message.removeprefix(refused))


_DOES_NOT_RUN = "Paddle2ONNX wrote a file that does not run"
_FILE_REFUSED = {
    "Paddle2ONNX wrote a file that ONNX's checker refuses": "ONNX's checker refuses the file",
    _DOES_NOT_RUN: "the file does not run",
}


def _does_not_run(error: PortError, path: Path) -> ConversionError:
    return ConversionError(f"{_DOES_NOT_RUN}: {str(error).replace(str(path), 'it')}")
