"""A C++ bundle, run by its own program: tensors over a pipe, and pictures by path."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from paddleport.errors import BackendUnavailableError, FeedError, ImageError, ModelFileError
from paddleport.models.artifact import Artifact
from paddleport.models.cpp.bundle_file import FORMAT, Bundle, read_bundle
from paddleport.progress import Progress, no_progress
from paddleport.runners.base import Runner
from paddleport.runners.cpp.built_program import built_program
from paddleport.runners.cpp.engine_libraries import engines_here
from paddleport.runners.cpp.toolchain import find_toolchain
from paddleport.runners.picture_runner import PictureRunner
from paddleport.runners.piped_process import PipedProcess, PipedRefusal
from paddleport.runners.runner_options import Precision, RunnerOptions
from paddleport.tensors import Array, Feed, TensorSpec

_LOAD_TIMEOUT_S, _RUN_TIMEOUT_S = 110.0, 300.0


class CppRunner(Runner, PictureRunner):
    """A bundle's program, built here once, in a process that may die.

    It computes what the engine's own backend here computes, and costs a pipe beside it.
    """

    name: ClassVar[str] = "cpp"
    formats: ClassVar[tuple[str, ...]] = (FORMAT,)
    distributions: ClassVar[tuple[str, ...]] = ("openvino", "onnxruntime")
    only_named: ClassVar[bool] = True

    @classmethod
    def found_version(cls) -> str | None:
        """Of OpenCV, which has a say in its tensors; ``None`` where something is missing."""
        toolchain = find_toolchain()
        if toolchain.missing or all(engines_here().values()):
            return None
        return f"OpenCV {toolchain.opencv}"

    @classmethod
    def how_to_install(cls) -> str:
        """What is missing, and what to type."""
        try:
            find_toolchain().check()
        except BackendUnavailableError as error:
            return str(error)
        return next(filter(None, engines_here().values()), "it can be used")

    @classmethod
    def make_ready(
        cls, model: Artifact, options: RunnerOptions, progress: Progress = no_progress
    ) -> None:
        """Build the program, which takes longer than a model may take to load."""
        bundle = read_bundle(model.path)
        built_program(bundle.folder, bundle.engine, progress)

    @property
    def computes_in(self) -> Precision:
        """That of the bundle: the program holds its engine's own word against it, or refuses."""
        return self.precision

    def load(self, model: Artifact) -> None:
        """Build the program if need be, start it, and have it load the model."""
        bundle = read_bundle(model.path)
        program, library = built_program(bundle.folder, bundle.engine)
        arguments = ["--bundle", str(bundle.folder.absolute()), "--pipe", *library.arguments]
        arguments += ["--threads", str(self.options.threads)]
        self._process = PipedProcess([str(program), *arguments])
        try:
            with self.vendor(ModelFileError, "does not take this bundle"):
                given, _ = self._process.ask("describe", _LOAD_TIMEOUT_S)
            self._check_described(bundle, given)
        except BaseException:
            self._process.close()
            raise
        self.inputs, self.outputs = bundle.artifact.inputs, bundle.artifact.outputs
        self.picture_library = f"OpenCV {given['opencv']}"
        self.notes = (
            f"{given['engine']} {given['engine_version']} in C++ by {given['compiler']}, "
            f"{self.picture_library}",
        )

    def _check_described(self, bundle: Bundle, given: Mapping[str, Any]) -> None:
        """Hold what the program took against what it was given."""
        if given["engine"] != bundle.engine:
            raise BackendUnavailableError(
                f"cpp was asked for {bundle.engine} and its program has {given['engine']}"
            )
        threads = given["threads"]
        if threads not in (None, self.options.threads):
            raise BackendUnavailableError(
                f"cpp was asked for {self.options.threads} threads and {bundle.engine} took "
                f"{threads}: try --threads {threads}"
            )
        _check_names(bundle, "input", bundle.artifact.inputs, given["inputs"])
        _check_names(bundle, "output", bundle.artifact.outputs, given["outputs"])

    def infer(self, feed: Feed) -> dict[str, Array]:
        """Send the tensors, and take what it gives."""
        with self.vendor(FeedError, "can't compute this feed"):
            arrays = [feed[spec.name] for spec in self.inputs]
            _, found = self._process.ask("run", _RUN_TIMEOUT_S, arrays)
        return self._by_name(found)

    def prepared(self, picture: Path) -> Array:
        """What ``prepare`` answers."""
        (tensor,) = self._of_picture("prepare", picture)
        return tensor

    def classified(self, picture: Path) -> dict[str, Array]:
        """What ``classify`` answers, its tensors."""
        return self._by_name(self._of_picture("classify", picture))

    def release(self) -> None:
        """End its process."""
        self._process.close()

    def _of_picture(self, what: str, picture: Path) -> list[Array]:
        self.check_open()
        try:
            _, found = self._process.ask(what, _RUN_TIMEOUT_S, picture=str(picture))
        except PipedRefusal as error:
            raise ImageError(str(error)) from None
        return found

    def _by_name(self, found: Sequence[Array]) -> dict[str, Array]:
        return {spec.name: item for spec, item in zip(self.outputs, found, strict=True)}


def _check_names(
    bundle: Bundle, kind: str, own: Sequence[TensorSpec], given: Sequence[Mapping[str, Any]]
) -> None:
    """The program's order is the bundle's, by names that the engine read of the model."""
    ours, theirs = [spec.name for spec in own], [str(item["name"]) for item in given]
    if ours != theirs:
        raise ModelFileError(
            f"{bundle.folder} has the {kind}s {', '.join(theirs)}, and its bundle.json says that "
            f"they are {', '.join(ours)}: convert again"
        )
