"""The contract that every runtime keeps."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import numpy as np

from paddleport.errors import BackendUnavailableError, ModelFileError, PortError, UsageError
from paddleport.models.artifact import Artifact
from paddleport.progress import Progress, no_progress
from paddleport.runners.in_order import Done, Pending, in_order
from paddleport.runners.runner_options import (
    MOST_THREADS,
    CheckedOptions,
    NoExtras,
    Precision,
    RunnerOptions,
    parse_extras,
)
from paddleport.runners.vendor_call import VendorCall
from paddleport.tensors import Array, Feed, TensorSpec, check_feed, feed_signature


class Runner(ABC):
    """A model loaded and compiled in one runtime; ``with`` closes it.

    A new backend sets the class attributes and writes ``load``, ``computes_in`` and ``infer``, and
    ``release`` where objects alone do not free everything.
    Its module imports no vendor library at the top, so that listing stays free of them.

    Attributes:
        name: the entry point's name.
        formats: those of ``Artifact`` that it loads, the one that it is best given first.
        distributions: the packages that carry the vendor library, any one of which will do.
        devices: every device it can be asked for, here or on a better machine, the default first.
        precisions: every precision it can be asked for, the default first.
        uses_threads: whether ``RunnerOptions.threads`` means anything to it.
        extras_type: frozen dataclass of the ``-o`` options, with defaults.
        only_named: whether it takes part only where it is named, since it costs a build.
        timed: whether its latency means anything; not for one that exists to be exact.
        environ: variables for the process that it gets, which are read before it is imported.
        install: what to type to get it; empty is ``pip install`` of its first distribution.
        compiles_for_shapes: whether it needs ``RunnerOptions.shapes`` where dimensions are free.
        gains_from_shapes: whether it is faster with ``RunnerOptions.shapes``, and then takes no
            others.
        files_leave_shapes_out: whether a file of its format may not say what it takes, where no
            JSON file of ours does: then ``RunnerOptions.shapes`` say it.
        keeps_on_device: on an instance, whether ``place`` and ``infer_placed`` can be used.
        in_flight: on an instance, how many inferences ``start`` should have pending to be busy.
        streams: on an instance, how many inferences it computes at the same time.
        notes: on an instance, what differs from the plain case, in a few words each.
        inputs: on an instance, what ``run`` takes; ``load`` sets it.
        outputs: on an instance, what ``run`` gives, in the model's order; ``load`` sets it. An
            output of unknown rank shows as a scalar.
    """

    name: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    distributions: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    precisions: ClassVar[tuple[Precision, ...]] = ("fp32",)
    uses_threads: ClassVar[bool] = True
    extras_type: ClassVar[type[Any]] = NoExtras
    only_named: ClassVar[bool] = False
    timed: ClassVar[bool] = True
    environ: ClassVar[Mapping[str, str]] = {}
    install: ClassVar[str] = ""
    compiles_for_shapes: ClassVar[bool] = False
    gains_from_shapes: ClassVar[bool] = False
    files_leave_shapes_out: ClassVar[bool] = False
    keeps_on_device: bool = False
    in_flight: int = 1
    streams: int = 1
    notes: tuple[str, ...] = ()
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def __init__(self, model: Artifact, options: RunnerOptions | None = None):
        """Load and compile.

        Raises:
            BackendUnavailableError: the runtime, device or precision asked for is not to be had.
            ModelFileError: the runtime does not take the file.
            UsageError: an option that the backend does not know.
        """
        options = options or RunnerOptions()
        if model.format not in self.formats:
            raise UsageError(
                f"{self.name} loads {' or '.join(self.formats)}, and {model.path} is {model.format}"
            )
        _check_name(model.path)
        self.options = options
        checked = self.check_options(options)
        self.device, self.precision = checked.device, checked.precision
        self.extras = checked.extras
        self._closed = False
        self._accepted: object = None
        self.load(model)

    @classmethod
    def check_options(cls, options: RunnerOptions) -> CheckedOptions:
        """The device, precision and typed extras that ``options`` come to, before any loading.

        Raises:
            BackendUnavailableError: the backend never has this device or precision.
            UsageError: threads that cannot be, or an option that the backend does not know.
        """
        extras = parse_extras(cls.name, cls.extras_type, options.extras)
        device = cls.device_for(options.device, extras)
        if device not in cls.devices:
            raise BackendUnavailableError(
                f"{cls.name} has no device '{device}', only {', '.join(cls.devices)}"
            )
        precision = options.precision or cls.precisions[0]
        if precision not in cls.precisions:
            raise BackendUnavailableError(
                f"{cls.name} does not compute in {precision}, only {', '.join(cls.precisions)}"
            )
        if not 1 <= options.threads <= MOST_THREADS:
            raise UsageError(f"--threads {options.threads} is not possible: 1 to {MOST_THREADS}")
        return CheckedOptions(device, precision, extras)

    @classmethod
    def takes_extra(cls, options: RunnerOptions, key: str, text: str) -> bool:
        """Whether it takes ``-o key=text`` as well; its provider or device may not.

        Raises:
            BackendUnavailableError: as ``check_options`` does, of ``options`` themselves.
        """
        if key not in cls.option_names():
            return False
        try:
            cls.check_options(replace(options, extras={**options.extras, key: text}))
        except UsageError:
            return False
        return True

    @classmethod
    def with_extra(cls, options: RunnerOptions, key: str, text: str) -> RunnerOptions:
        """``options`` with ``-o key=text``, where nothing else was asked and it is taken."""
        if key in options.extras or not cls.takes_extra(options, key, text):
            return options
        return replace(options, extras={**options.extras, key: text})

    @classmethod
    def device_for(cls, asked: str | None, extras: Any) -> str:
        """The device asked for, or the default one."""
        return asked or cls.devices[0]

    @classmethod
    def devices_of(cls, distribution: str | None) -> tuple[str, ...]:
        """The devices that an installed package is built for: ``cuda`` takes one named -gpu."""
        for_gpu = distribution is None or distribution.endswith("-gpu")
        either = len(cls.devices) > 1
        return tuple(item for item in cls.devices if item != "cuda" or for_gpu or not either)

    @classmethod
    def found_version(cls) -> str | None:
        """The version of the vendor's package that is installed, by what costs milliseconds."""
        found = cls.found_distribution()
        return version(found) if found else None

    @classmethod
    def found_distribution(cls) -> str | None:
        """The first of its distributions that is installed."""
        for distribution in cls.distributions:
            try:
                version(distribution)
            except PackageNotFoundError:
                continue
            return distribution
        return None

    @classmethod
    def how_to_install(cls) -> str:
        """Why a backend without its vendor library can't be used, and what to type."""
        command = cls.install or f"pip install {cls.distributions[0]}"
        return f"{' or '.join(cls.distributions)} is not installed: {command}"

    @classmethod  # noqa: B027  # most have nothing to build
    def make_ready(
        cls, model: Artifact, options: RunnerOptions, progress: Progress = no_progress
    ) -> None:
        """Build, before a process for the runner is started, what takes longer than loading may.

        ``load`` does it all the same, where nobody called this; ``progress`` is called where
        something is built.

        Raises:
            PortError: as ``load`` does.
        """

    @property
    @abstractmethod
    def computes_in(self) -> Precision:
        """The precision read back from the runtime after loading."""

    @abstractmethod
    def load(self, model: Any) -> None:
        """Load and compile ``model`` as the options say, and set ``inputs`` and ``outputs``."""

    @abstractmethod
    def infer(self, feed: Feed) -> dict[str, Array]:
        """Run once on a checked feed; the arrays returned are the caller's."""

    def start(self, feed: Feed) -> Pending[dict[str, Array]]:
        """Begin one run on a checked feed, which is not written to before its result is taken.

        This one has computed when it returns; a runtime that can do better overrides it.
        """
        return Done(self.infer(feed))

    def place(self, feed: Feed) -> object:
        """Copy a feed to the device's memory, for ``infer_placed``; only where it is kept there."""
        raise NotImplementedError

    def infer_placed(self, placed: object) -> None:
        """Run once on what ``place`` gave, leave the outputs there, and wait for the device."""
        raise NotImplementedError

    def release(self) -> None:  # noqa: B027  # most runtimes free everything with their objects
        """Give the runtime's memory and threads back."""

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The keys that ``-o`` takes for this backend."""
        return tuple(item.name for item in fields(cls.extras_type))

    def run(self, feed: Feed) -> dict[str, Array]:
        """Check ``feed``, run once, synchronously, and return fresh arrays by output name.

        Raises:
            FeedError: the feed is not what the model takes.
        """
        self._check(feed)
        return self.infer(feed)

    def run_many(self, feeds: Iterable[Feed]) -> Generator[dict[str, Array], None, None]:
        """``run`` on every feed, in order, several at a time where the runtime can.

        Feeds are taken ``in_flight`` ahead of the answers, in the thread that asks for those.

        Raises:
            FeedError: in the place of a feed that is not what the model takes; it is the last.
        """
        yield from in_order(self.start_checked, feeds, self.in_flight)

    def start_checked(self, feed: Feed) -> Pending[dict[str, Array]]:
        """Check ``feed`` and begin one run on it; raises as ``run`` does."""
        self._check(feed)
        return _UntilClosed(self, self.start(feed))

    def check_open(self) -> None:
        """Raise UsageError if it is closed."""
        if self._closed:
            raise UsageError(f"this {self.name} runner is closed")

    def _check(self, feed: Feed) -> None:
        self.check_open()
        signature = feed_signature(feed)
        if signature != self._accepted:  # one like the last is not checked again, to save time
            check_feed(self.inputs, feed)
            self._accepted = signature

    def close(self) -> None:
        """Release the runtime; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.release()

    def __enter__(self) -> "Runner":
        return self

    def vendor(self, failure: type[PortError], what: str) -> AbstractContextManager[None]:
        """Around one vendor call: what it raises becomes ``failure``, in one line.

        A vendor library that can't be imported becomes ``BackendUnavailableError``.
        """
        return VendorCall(self.name, self.how_to_install, failure, what)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _UntilClosed(Pending[dict[str, Array]]):
    """What was started, which nobody can have when its runner is closed."""

    def __init__(self, runner: Runner, started: Pending[dict[str, Array]]) -> None:
        self._runner, self._started = runner, started

    def result(self) -> dict[str, Array]:
        self._runner.check_open()
        return self._started.result()

    def cancel(self) -> object:
        return self._started.cancel()


def _check_name(path: Path) -> None:
    """Refuse a file name that vendors' libraries can't be handed: they take UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ModelFileError(
            f"{path} is no name that a runtime can open, since it is no UTF-8 as Python read it: "
            "rename it, or set LC_ALL=C.UTF-8"
        ) from None


def owned(tensor: Any) -> Array:
    """``tensor`` as an array that shares no memory with the runtime."""
    return np.array(tensor, copy=True)
