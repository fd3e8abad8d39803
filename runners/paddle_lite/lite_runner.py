"""Paddle Lite on this machine's CPU, in the interpreter that the user has it in."""

from collections.abc import Sequence
from typing import ClassVar

from paddleport.errors import BackendUnavailableError, FeedError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.paddle_lite.nb_file import NbFile, read_nb
from paddleport.runners.base import Runner
from paddleport.runners.paddle_lite.lite_interpreter import device_here, lite_interpreter
from paddleport.runners.paddle_lite.lite_process import LiteProcess
from paddleport.runners.runner_options import Precision
from paddleport.tensors import Array, Feed

_LOAD_TIMEOUT_S, _RUN_TIMEOUT_S = 120.0, 300.0
_THREADS_NOTE = "its Python interface to .nb files sets no threads and no power mode"
_LISTS_NOTE = "no numpy in its interpreter: tensors pass through lists, which takes time"


class PaddleLiteRunner(Runner):
    """An .nb file in a process of another Python, which is not ours and may die.

    It computes on one thread. A batch is one inference, whatever its size.
    """

    name: ClassVar[str] = "paddle-lite"
    formats: ClassVar[tuple[str, ...]] = ("paddle-lite",)
    distributions: ClassVar[tuple[str, ...]] = ("paddlelite",)
    uses_threads: ClassVar[bool] = False

    @classmethod
    def found_version(cls) -> str | None:
        """Of the package in the user's interpreter; ``None`` where that can't be used."""
        try:
            return lite_interpreter().version
        except BackendUnavailableError:
            return None

    @classmethod
    def how_to_install(cls) -> str:
        """What is the matter with the interpreter, and what to type."""
        try:
            return f"paddlelite {lite_interpreter().version} can be used"
        except BackendUnavailableError as error:
            return str(error)

    @property
    def computes_in(self) -> Precision:
        """By the kernels that the file's operators have."""
        return _precision_of(self._file)

    def load(self, model: Artifact) -> None:
        """Start the interpreter and open the file there."""
        self._file = read_nb(model.path)
        _check_device(model, self._file)
        if not model.inputs or not model.outputs:
            raise ModelFileError(
                f"{model.path} alone does not say what it takes: {model.path.name}.json, which "
                "paddleport convert writes, must stand beside it"
            )
        self._process: LiteProcess = lite_interpreter().open()
        self.inputs, self.outputs = model.inputs, model.outputs
        try:
            with self.vendor(ModelFileError, "does not take this file"):
                given, _ = self._process.ask(
                    "load", _LOAD_TIMEOUT_S, file=str(model.path.absolute())
                )
            self._takes = _order(model, "input", given["inputs"])
            self._gives = _order(model, "output", given["outputs"])
        except BaseException:
            self._process.close()
            raise
        threads = self._process.threads
        ran_on = f"{threads or 1} thread{'s' if threads not in (None, 1) else ''}"
        self.notes = (f"{ran_on}: {_THREADS_NOTE}", *(() if given["numpy"] else (_LISTS_NOTE,)))

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Send the tensors, and take copies of what it gives."""
        with self.vendor(FeedError, "can't compute this feed"):
            arrays = [feed[name] for name in self._takes]
            _, found = self._process.ask("run", _RUN_TIMEOUT_S, arrays)
        given = dict(zip(self._gives, found, strict=True))
        return {spec.name: given[spec.name] for spec in self.outputs}

    def release(self) -> None:
        """End its process."""
        self._process.close()


def _precision_of(file: NbFile) -> Precision:
    lower: tuple[Precision, ...] = ("int8", "fp16")
    return next((item for item in lower if file.precisions.get(item)), "fp32")


def _check_device(model: Artifact, file: NbFile) -> None:
    here = device_here()
    if file.device not in (here, "host"):
        raise ModelFileError(
            f"{model.path} is optimised for {file.device}, which this machine is not: make one "
            f"that runs here with paddleport convert MODEL --to paddle-lite --lite-target "
            f"{here or 'x86'}"
        )


def _order(model: Artifact, kind: str, own: Sequence[str]) -> list[str]:
    """Our names of its inputs or outputs, in its order; by place where it has other names.

    Raises:
        ModelFileError: there are more or fewer.
    """
    named = [spec.name for spec in (model.inputs if kind == "input" else model.outputs)]
    if len(named) != len(own):
        raise ModelFileError(
            f"{model.path} has the {kind}s {', '.join(own)}, and beside it stands that they are "
            f"{', '.join(named)}: convert again"
        )
    return list(own) if set(own) == set(named) else named
