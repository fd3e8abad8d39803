"""Who takes part in a validation: the open sessions, and the file, options and feeds of each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from paddleport import runners
from paddleport.errors import BackendUnavailableError, ConversionError, PortError
from paddleport.models.artifact import Artifact
from paddleport.models.resolve import SourceModel
from paddleport.runners.runner_options import RunnerOptions
from paddleport.runners.vendor_message import one_line
from paddleport.tensors import Feed, ShapeRange
from paddleport.validate.diagnose.conversions import Conversions
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.onnx_feeds import OnnxFeeds
from paddleport.validate.parity.validation_plan import BEST, PLAIN, Plan, assign_extras
from paddleport.validate.session import PLAIN_PADDLE, Session


class BackendSessions:
    """Backends by the name of their row: ``onnxruntime``, or ``paddle plain`` for the reference.

    Attributes:
        source, onnx: the two files.
        plan: what is asked, with a reference.
        conversions: makes what backends load that take neither file; ``None`` makes nothing.
        onnx_feeds: turns the Paddle model's feeds into the ONNX file's.
        sessions: by row name, those that are open.
    """

    def __init__(
        self,
        source: SourceModel,
        onnx: Artifact,
        plan: Plan,
        onnx_feeds: OnnxFeeds,
        conversions: Conversions | None = None,
    ) -> None:
        """Nothing is started yet; raises as ``assign_extras`` does."""
        self.source, self.onnx, self.plan, self.onnx_feeds = source, onnx, plan, onnx_feeds
        self.conversions = conversions
        self._made: dict[str, Artifact] = {}
        self.sessions: dict[str, Session] = {}
        self._fed: dict[str, ShapeRange] = {}
        self._assigned = assign_extras(plan)

    @property
    def reference(self) -> str:
        """The reference's row."""
        name = self.reference_backend
        return f"{name} plain" if name == PLAIN else f"{name} (reference)"

    @property
    def reference_backend(self) -> str:
        """The backend of the reference."""
        return self.plan.reference or PLAIN

    @property
    def speed_reference(self) -> str:
        """The row whose speed is the one to beat: native Paddle at its best here."""
        return BEST if self.plan.reference == BEST else PLAIN

    def will_feed(self, feeds: Sequence[NamedFeed]) -> None:
        """What is fed to all, which is what some backends compile for."""
        shapes = {name: [feed.tensors[name].shape for feed in feeds] for name in feeds[0].tensors}
        self._fed = {
            name: ShapeRange.covering(found) for name, found in shapes.items() if all(found)
        }

    def start(self, row: str) -> Session:
        """Open a row's session, in place of one that it may have had."""
        session = self.open(row, self.options_for(row))
        self.sessions[row] = session
        return session

    def open(self, row: str, options: RunnerOptions) -> Session:
        """Another session of a row's backend; the caller's to close."""
        name = backend_of(row)
        return Session(
            name,
            self.artifact(row),
            options,
            memory_limit_bytes=self.plan.memory_limit_bytes,
            timeout_s=self.plan.timeout_s,
        )

    def close(self) -> None:
        """End every process."""
        for session in self.sessions.values():
            session.close()

    def options_for(self, row: str) -> RunnerOptions:
        """The plainest for the reference; else the plan's, with its share of the extras."""
        if row == self.reference:
            plain = PLAIN_PADDLE if self.reference_backend == PLAIN else RunnerOptions()
            return replace(plain, threads=self.plan.threads, shapes=self._shapes(row))
        plan, extras = self.plan, self._assigned[backend_of(row)].extras
        return RunnerOptions(
            device=plan.device,
            precision=plan.precision,
            threads=plan.threads,
            extras=extras,
            shapes=self._shapes(row),
        )

    def extras_notes(self, row: str) -> tuple[str, ...]:
        """What is to be said of the extras that a candidate did not get."""
        return self._assigned[row].notes

    def _shapes(self, row: str) -> dict[str, ShapeRange]:
        """The shapes that a row's backend compiles for: those asked for, else those fed."""
        if not runners.runner_class(backend_of(row)).compiles_for_shapes:
            return {}
        given = {**self._fed, **self.plan.shapes}
        return given if self.reads_paddle(row) else self.onnx_feeds.ranges(given)

    def tensors(self, row: str, feeds: Sequence[NamedFeed]) -> list[Feed]:
        """Feeds under the names that a row's backend takes."""
        if self.reads_paddle(row):
            return [feed.tensors for feed in feeds]
        return self.onnx_feeds.of(feeds)

    def artifact(self, row: str) -> Artifact:
        """What a row's backend loads: one of the two files, or what is made of the ONNX file.

        Raises:
            BackendUnavailableError: nothing makes a format that it loads; or the target that does
                refuses this model, and nobody named the backend.
            PortError: making it fails.
        """
        name = backend_of(row)
        formats = runners.runner_class(name).formats
        given = self.conversions.given(formats) if self.conversions is not None else None
        if given is not None and name != self.reference_backend:
            return given
        for artifact in (self.source.model, self.onnx):
            if artifact.format in formats:
                return artifact
        if self.conversions is None:
            raise BackendUnavailableError(
                f"{name} loads {' or '.join(formats)}, and nothing here was asked to make it"
            )
        if name not in self._made:
            try:
                self._made[name] = self._made_for(name, self.conversions, self._shapes(row))
            except PortError as error:
                if self.plan.backends is not None:
                    raise
                raise BackendUnavailableError(str(error)) from error
        return self._made[name]

    def needs_making(self, row: str) -> bool:
        """Whether what a row's backend loads is yet to be made, which may take a while."""
        name = backend_of(row)
        formats = runners.runner_class(name).formats
        return name not in self._made and not {self.source.model.format, self.onnx.format} & {
            *formats
        }

    def _made_for(
        self, name: str, conversions: Conversions, shapes: Mapping[str, ShapeRange]
    ) -> Artifact:
        try:
            return conversions.loadable(runners.runner_class(name).formats, shapes)
        except PortError:
            raise
        except Exception as error:  # a target of somebody else's raises what it likes
            raise ConversionError(
                f"what {name} loads can't be made: {type(error).__name__}: {one_line(error)}"
            ) from error

    def reads_paddle(self, row: str) -> bool:
        """Whether a row's backend is fed as the Paddle model; else it is as the ONNX file."""
        formats = runners.runner_class(backend_of(row)).formats
        if "paddle" in formats:
            return True
        if self.onnx.format in formats or self.conversions is None:
            return False
        return self.conversions.made_of_paddle(formats)


def backend_of(row: str) -> str:
    """The backend's name in a row's."""
    return row.split()[0]
