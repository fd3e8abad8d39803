"""What ``serve`` is to serve: models by name, each opened by a backend, and how that is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddleport.errors import UsageError

if TYPE_CHECKING:
    from paddleport.progress import Progress
    from paddleport.runners.predictor import PredictorSpec
    from paddleport.runners.runner_options import RunnerOptions
    from paddleport.serve.hosting.model_host import ModelHost


@dataclass(frozen=True, kw_only=True)
class ServedModels:
    """How every model of one server is prepared.

    Attributes:
        options: of the runners.
        topk: classes in an answer.
        opset, weights: of a conversion; ``None`` and ``auto`` where none was given.
    """

    options: "RunnerOptions"
    topk: int
    opset: int | None
    weights: str

    def prepare(
        self, model: str, backend: str, progress: "Progress"
    ) -> "tuple[PredictorSpec, str]":
        """What opens it, converted first where that is needed; and a warning, or none."""
        from paddleport.convert.prepare import prepare_predictor
        from paddleport.runners.tasks.classification import Classification

        ready, spec = prepare_predictor(
            model,
            backend,
            self.options,
            task=None,
            batch_size=None,
            opset=self.opset,
            weights=self.weights,
            progress=progress,
        )
        if spec.task == Classification.name:
            spec = replace(spec, task_options={"topk": self.topk})
        return spec, ready.warning

    def later(
        self, path: Path, find: Callable[[], Path], backend: str
    ) -> "tuple[PredictorSpec, Callable[[], PredictorSpec]]":
        """What is known of a model before it is prepared, and what prepares it.

        Args:
            path: where it lies now.
            find: where it lies when it is prepared.
            backend: that opens it.
        """
        from paddleport.models.artifact import Artifact
        from paddleport.models.recognize import format_of
        from paddleport.progress import no_progress
        from paddleport.runners.predictor import PredictorSpec

        known = Artifact(format=format_of(path) or "paddle", files=(path,))
        return PredictorSpec(model=known, backend=backend, options=self.options), (
            lambda: self.prepare(str(find()), backend, no_progress)[0]
        )


def models_by_name(texts: Sequence[str]) -> dict[str, str]:
    """``NAME=PATH``, ``PATH`` or a zoo name as what each is called and what is opened.

    Raises:
        UsageError: a name that can't be one, or two models of one name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, model = _named(text)
        if name in found:
            raise UsageError(
                f"two models would be called {name}: give one another name with NAME={model}"
            )
        found[name] = model
    return found


def _named(text: str) -> tuple[str, str]:
    from paddleport.models.zoo import registry as zoo
    from paddleport.serve.hosting.model_repository import NAME, model_of, served_name

    name, equals, model = text.partition("=")
    is_given = bool(equals) and not Path(text).exists()
    if not is_given:
        model = text
    if not model:
        raise UsageError(f"{text!r} names no model: write NAME=MODEL, or MODEL")
    path = Path(model)
    if not path.exists():
        if not path.suffix and "/" not in model and model not in zoo.names():
            raise UsageError(f"{zoo.unknown_model(model)}; nor is there a file or folder {model}")
    elif (found := model_of(path)) is not None:
        model = str(found)
    if not is_given:
        name = path.resolve().name if path.is_dir() else served_name(path.name)
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{text!r} gives no name to serve it by: letters, digits, '_', '.' and '-' are taken, "
            f"as in my-model={model}"
        )
    return name, model


def with_backends(models: Mapping[str, str], backends: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Each model with each backend: by its name with the first, by NAME-BACKEND with the others.

    Raises:
        UsageError: two would have one name.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, model in models.items():
        for backend in dict.fromkeys(backends):
            own = name if backend == backends[0] else f"{name}-{backend}"
            if own in found:
                raise UsageError(f"two models would be called {own}: NAME=PATH gives another name")
            found[own] = model, backend
    return found


def state_of(host: "ModelHost") -> dict[str, Any]:
    """A model's line in the table, and in JSON."""
    state = host.state
    proof = state.proof.get("result", "")
    return {
        "model": host.name,
        "backend": host.spec.backend,
        "state": "ready" if state.ready else "not ready",
        "proof": proof,
        "sentence": state.proof.get("sentence", ""),
        "warning": state.proof.get("warning", ""),
        "reason": state.reason,
    }
