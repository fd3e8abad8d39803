"""The float64 reference: the ONNX graph in float64, exactly and with rounding imitated."""

from collections.abc import Mapping, Sequence

from paddleport.errors import PortError
from paddleport.models.artifact import Artifact
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Array, Feed
from paddleport.validate.session import Session

_RUNNER = "reference"
_SEEDS = (1, 2)


class Float64Reference:
    """What the ONNX graph means; it may be unable to say, and then says why.

    Attributes:
        unavailable: why there is no exact answer; empty where there is one.
        outputs: exact ones for every feed, in order; ``None`` where it is unavailable.
        error: what kept it from answering.
        session: its process, while it lives.
        runner: the name of the backend that it is.
    """

    runner = _RUNNER

    def __init__(self, onnx: Artifact) -> None:
        """Nothing is loaded yet."""
        self._onnx = onnx
        self._rounded: dict[tuple[float, tuple[int, ...]], list[list[Mapping[str, Array]]]] = {}
        self._feeds: Sequence[Feed] = ()
        self.outputs: list[dict[str, Array]] | None = None
        self.error: PortError | None = None
        self.session: Session | None = None

    @property
    def unavailable(self) -> str:
        """Why there is no exact answer; empty where there is one."""
        return "" if self.error is None else str(self.error)

    def compute(self, feeds: Sequence[Feed]) -> None:
        """Compute every feed exactly, and keep the outputs."""
        self._feeds = feeds
        try:
            self.session = Session(_RUNNER, self._onnx, RunnerOptions())
            self.outputs = self.session.run_all(feeds)
        except PortError as error:
            self.error = error
            self.close()

    def feed(self, index: int) -> Feed:
        """One of the feeds that were computed, under the ONNX file's names."""
        return self._feeds[index]

    def rounded(
        self, unit_roundoff: float, indices: Sequence[int]
    ) -> list[list[Mapping[str, Array]]]:
        """CandidateOutputs with rounding of a narrower format imitated, one list per seed.

        Args:
            unit_roundoff: of the format.
            indices: which of the feeds.

        Raises:
            PortError: the process ended.
        """
        key = (unit_roundoff, tuple(indices))
        if key not in self._rounded:
            feeds = [self._feeds[index] for index in indices]
            found: list[list[Mapping[str, Array]]] = []
            for seed in _SEEDS:
                extras = {"rounding": repr(unit_roundoff), "seed": str(seed)}
                session = Session(_RUNNER, self._onnx, RunnerOptions(extras=extras))
                try:
                    found.append(list(session.run_all(feeds)))
                finally:
                    session.close()
            self._rounded[key] = found
        return self._rounded[key]

    def close(self) -> None:
        """End its process."""
        if self.session is not None:
            self.session.close()
            self.session = None
