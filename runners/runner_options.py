"""What a runner is asked for: device, precision, threads, -o options, shapes; read and checked."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from paddleport.errors import UsageError, unknown_name
from paddleport.tensors import ShapeRange, TensorSpec, format_shape

Precision = Literal["fp32", "fp16", "bf16", "int8", "fp64"]

MOST_THREADS = 1024  # in one inference, or to decode: a runtime would start them all
MOST_IN_A_BATCH = 65_536  # pictures, of which this many fill any memory


def available_threads() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class RunnerOptions:
    """What every runtime is asked for; what it cannot give it refuses.

    Attributes:
        device: one that the backend lists; ``None`` is its first.
        precision: what the arithmetic is done in; never taken from a vendor's default.
        threads: CPU threads inside one inference.
        extras: the backend's own options, as typed by the user after ``-o``.
        shapes: input name to the shapes that it will be fed; for backends that compile for
            shapes or gain from them, and for inputs that leave some free.
    """

    device: str | None = None
    precision: Precision | None = None
    threads: int = field(default_factory=available_threads)
    extras: Mapping[str, str] = field(default_factory=dict)
    shapes: Mapping[str, ShapeRange] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckedOptions:
    """What ``RunnerOptions`` come to for one backend.

    Attributes:
        device, precision: as asked, or the backend's first.
        extras: an instance of its ``extras_type``.
    """

    device: str
    precision: Precision
    extras: Any


@dataclass(frozen=True)
class NoExtras:
    """A backend without options of its own."""


def parse_extras(backend: str, extras_type: type[Any], given: Mapping[str, str]) -> Any:
    """Turn ``-o key=value`` texts into ``extras_type``, each value by its field's type.

    Raises:
        UsageError: an unknown key, or a value that is not of the field's type.
    """
    known = {item.name: item for item in fields(extras_type)}
    values: dict[str, bool | int | float | str] = {}
    for key, text in given.items():
        if key not in known:
            if not known:
                raise UsageError(f"{backend} has no options of its own, so no '-o {key}'")
            raise UsageError(unknown_name(f"{backend} option", key, known))
        kind = known[key].type
        try:
            values[key] = _READERS[kind if isinstance(kind, type) else str](text)
        except (KeyError, ValueError):
            name = getattr(kind, "__name__", str(kind))
            raise UsageError(f"-o {key}={text} is not possible: {key} is of type {name}") from None
    return extras_type(**values)


_READERS: dict[type, Any] = {
    bool: lambda text: {
        "1": True,
        "true": True,
        "on": True,
        "0": False,
        "false": False,
        "off": False,
    }[text.lower()],
    int: int,
    float: float,
    str: str,
}


def check_streams(streams: int, threads: int) -> None:
    """Refuse streams that no thread would be left for.

    Raises:
        UsageError: fewer than one, or more than threads.
    """
    if not 1 <= streams <= threads:
        raise UsageError(f"-o streams={streams} is not possible with {threads} threads")


DEFAULT_BATCHES = (1, 1, 8)  # min, opt, max: batch 1 is what every report leads with
_EXAMPLE_SIZES = (32, 224, 640)


def ranges_for(
    inputs: Sequence[TensorSpec], given: Mapping[str, ShapeRange], backend: str
) -> dict[str, ShapeRange]:
    """A range for every input: what is given, the model's own fixed shape, or a free batch's.

    Args:
        inputs: of the model.
        given: by input name, as the user or the feeds have it.
        backend: who asks, for the messages.

    Raises:
        UsageError: a range that the model does not take, or free dimensions besides the batch
            and no range for them.
    """
    check_ranges(inputs, given)
    return {
        spec.name: given[spec.name] if spec.name in given else _default(spec, backend)
        for spec in inputs
    }


def check_ranges(inputs: Sequence[TensorSpec], given: Mapping[str, ShapeRange]) -> None:
    """Refuse ranges that the model does not take.

    Raises:
        UsageError: an input that it has not, or a shape that is not the input's.
    """
    specs = {spec.name: spec for spec in inputs}
    for name, wanted in given.items():
        if name not in specs:
            raise UsageError(unknown_name("input", name, specs))
        for shape in (wanted.min, wanted.opt, wanted.max):
            _check_fits(specs[name], shape)


def _check_fits(spec: TensorSpec, shape: Sequence[int]) -> None:
    fits = len(shape) == len(spec.shape) and all(
        own in (None, size) for own, size in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        raise UsageError(
            f"input {spec.name} can't be of shape {format_shape(shape)}: the model takes {spec}"
        )


def _default(spec: TensorSpec, backend: str) -> ShapeRange:
    first, rest = spec.shape[:1], spec.shape[1:]
    fixed = tuple(size for size in rest if size is not None)
    if len(fixed) < len(rest):
        texts = [
            ",".join(
                map(str, [*(size or batch for size in first), *(size or side for size in rest)])
            )
            for batch, side in zip(DEFAULT_BATCHES, _EXAMPLE_SIZES, strict=True)
        ]
        raise UsageError(
            f"{backend} compiles for shapes, and {spec} leaves some free: give them as "
            f"min:opt:max, such as --shape {spec.name}={':'.join(texts)}"
        )
    if not first:
        return ShapeRange((), (), ())
    low, middle, high = DEFAULT_BATCHES if first[0] is None else (first[0],) * 3
    return ShapeRange((low, *fixed), (middle, *fixed), (high, *fixed))
