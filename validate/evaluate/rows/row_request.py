"""What a pass over labelled pictures is made of: the model, and a row for each computation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.runners.runner_options import RunnerOptions


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """The model whose answers are counted.

    Attributes:
        name: of the zoo, or the folder's or file's.
        title: name, opset, weights in one line.
        weights: ``pretrained``, ``seeded`` and so on.
        sha256: over its files.
        preprocess: how pictures are fed.
        classes: how many it tells apart.
        labels: their names, if known.
        published: the card's figures as shares of 1; none where its classes are others.
    """

    name: str
    title: str
    weights: str
    sha256: str
    preprocess: Preprocess
    classes: int
    labels: tuple[str, ...] | None = field(default=None, repr=False)
    published: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """One way to compute a row.

    Attributes:
        make: gives the file that the backend loads.
        options: what it is opened with.
        note: what the row says where it was computed in this way; empty for the plain one.
    """

    make: Callable[[], Artifact]
    options: RunnerOptions
    note: str = ""

    @classmethod
    def of_file(cls, model: Artifact, options: RunnerOptions, note: str) -> "RowSource":
        """One whose file is there already; it can be pickled."""
        return cls(make=partial(_as_it_is, model), options=options, note=note)


@dataclass(frozen=True, kw_only=True)
class RowRequest:
    """One backend in one precision.

    Attributes:
        name: unique, such as ``openvino bf16``.
        backend: a runner's name.
        precision: what was asked for or what the backend starts with; it is read back later.
        sources: the first that the backend is to be had with is taken: a runtime that does not
            compute in a precision by itself is given a file in it.
        named: whether somebody asked for the backend, so that it must be available.
        skipped: why it is not run; empty where it is.
        advice: what to try where its process dies.
    """

    name: str
    backend: str
    precision: str
    sources: tuple[RowSource, ...] = ()
    named: bool = False
    skipped: str = ""
    advice: str = ""


def _as_it_is(model: Artifact) -> Artifact:
    return model
