"""A device folder's side of a comparison, where the Paddle model is not at hand."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from paddleport import runners
from paddleport.errors import BackendUnavailableError, PortError
from paddleport.models.recognize import read_artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.device.folder import DeviceFolder
from paddleport.validate.diagnose.validation_outputs import ReferenceOutputs
from paddleport.validate.session import Session

NO_MODEL = "the Paddle model is not at hand"


class FolderReference:
    """The stored answers; other feeds are answered by the folder's own file, if that runs here.

    Attributes:
        outputs: what native Paddle answered when the folder was written.
    """

    def __init__(self, folder: DeviceFolder) -> None:
        """Nothing is started before it is asked."""
        self._folder = folder
        self._session: Session | None = None
        self._unavailable: PortError | None = None
        self.outputs = ReferenceOutputs(
            feeds=folder.feeds,
            outputs=folder.expected,
            again=folder.expected[0],
            float64=_NoExactAnswers(),
            preprocess=folder.preprocess,
            ask=self.ask,
        )

    def ask(self, feed: Feed) -> Mapping[str, Array]:
        """The answer of the folder's own file to another feed, under Paddle's names.

        Raises:
            PortError: no backend here was seen to agree on it, or it can't be used now.
        """
        if self._unavailable is not None:
            raise self._unavailable
        if self._session is None:
            try:
                self._session = self._open()
            except PortError as error:
                self._unavailable = error
                raise
        names = {item.paddle_name: item.name for item in self._folder.manifest.inputs}
        (outputs,) = self._session.run_all([{names[name]: item for name, item in feed.items()}])
        return outputs

    def _open(self) -> Session:
        """On a backend that agreed with native Paddle when the folder was written."""
        agreeing = [item.backend for item in self._folder.manifest.here if item.verdict == "agrees"]
        usable = [
            name for name in agreeing if name in runners.names() and not runners.why_not(name)
        ]
        if not usable:
            raise BackendUnavailableError(f"no backend here runs {self._folder.manifest.format}")
        artifact = read_artifact(self._folder.model_path)
        return Session(usable[0], artifact, RunnerOptions())

    def close(self) -> None:
        """End its process."""
        if self._session is not None:
            self._session.close()


class _NoExactAnswers:
    """Float64 without the ONNX graph: stored answers alone can't tell rounding from faults."""

    unavailable = NO_MODEL
    outputs: Sequence[Mapping[str, Array]] | None = None

    def feed(self, index: int) -> Feed:
        raise BackendUnavailableError(NO_MODEL)

    def affordable(self, indices: Sequence[int], at_least: int = 1) -> Collection[int]:
        return ()

    def rounded(
        self, unit_roundoff: float, indices: Sequence[int]
    ) -> Iterator[tuple[int, Mapping[str, Array]]]:
        raise BackendUnavailableError(NO_MODEL)
