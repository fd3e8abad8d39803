"""What a model's answers mean, and the table of all tasks.

``base`` is the contract; ``classification`` is pictures to classes; ``raw_tensors`` is any model,
whose outputs are the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from paddleport.errors import UsageError, unknown_name
from paddleport.runners.tasks.base import Outputs, Task
from paddleport.runners.tasks.classification import Classification
from paddleport.runners.tasks.raw_tensors import Tensors
from paddleport.tensors import TensorSpec

TASKS: Mapping[str, type[Task[Any]]] = {kind.name: kind for kind in (Classification, Tensors)}
"""Every task by its name; of several that fit a model the first is meant."""


def task_named(
    name: str,
    *,
    labels: tuple[str, ...] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Task[Any]:
    """A task by its name.

    Args:
        name: one of ``TASKS``.
        labels: class names by index, if the model has them.
        options: the task's own, such as ``topk``.

    Raises:
        UsageError: no such task, or an option that it has not or that is of another type.
    """
    if name not in TASKS:
        raise UsageError(unknown_name("task", name, TASKS))
    kind, given = TASKS[name], dict(options or {})
    known = {item.name: item.type for item in fields(kind) if item.name != "labels"}
    for key, value in given.items():
        if key not in known:
            raise UsageError(unknown_name(f"{name} option", str(key), known))
        wanted = known[key]
        if isinstance(wanted, type) and type(value) is not wanted:
            raise UsageError(f"{name} option {key}={value!r}: {wanted.__name__} is taken")
    return kind(labels=labels, **given)


def shapes_of(outputs: Sequence[Outputs]) -> list[tuple[int, ...]]:
    """The shape of each output for one example, for ``task_of``; 0 where examples differ.

    Args:
        outputs: of each example, alone in its batch.
    """
    found = []
    for name in outputs[0]:
        shapes = {item[name].shape for item in outputs}
        same = len({len(shape) for shape in shapes}) == 1
        sizes = [set(size) for size in zip(*shapes, strict=True)] if same else []
        found.append(tuple(size.pop() if len(size) == 1 else 0 for size in sizes))
    return found


def task_of(
    inputs: Sequence[TensorSpec],
    outputs: Sequence[Sequence[int | None]],
    labels: tuple[str, ...] | None = None,
) -> Task[Any]:
    """The task of a model, by its inputs and the shapes of its outputs for one example."""
    return next(kind for kind in TASKS.values() if kind.fits(inputs, outputs))(labels=labels)
