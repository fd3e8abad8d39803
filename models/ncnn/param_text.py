"""The .param file: one line a layer, in text.

Source of the format: ncnn's "param and model file structure", and its ParamDict::load_param.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from paddleport.errors import ModelFileError
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer, is_float

_MAGIC = "7767517"
_MOST_BYTES = 64 << 20  # a line has some 100 bytes: no network has half a million layers
_MOST_PARAMETERS = 32  # ncnn's NCNN_MAX_PARAM_COUNT
_OLD_ARRAY = -23300
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_PARAMETER = re.compile(r'\s*(-?\d+)=("[^"]*"|\S+)')
_MOST_DIGITS = 15  # what ncnn reads of a number


def read_param(path: Path) -> tuple[NcnnLayer, ...]:
    """The layers, without their weights.

    Raises:
        ModelFileError: it is no .param file of text, or is damaged.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelFileError(f"{path} is no ncnn .param file: over {_MOST_BYTES >> 20} MiB")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"{path} can't be read as ncnn's text: {error}") from None
    lines = [line for line in lines if line.strip()]
    if not lines or lines[0].strip() != _MAGIC:
        raise ModelFileError(f"{path} is no ncnn .param file: it does not begin with {_MAGIC}")
    try:
        layers, blobs = (int(item) for item in lines[1].split())
    except (IndexError, ValueError):
        raise ModelFileError(f"{path} is damaged: no counts of layers and blobs") from None
    found = tuple(_layer(path, line) for line in lines[2:])
    _check_counts(path, found, layers, blobs)
    return found


def param_text(graph: NcnnGraph) -> str:
    """The .param file of a graph, laid out as pnnx does."""
    lines = [_MAGIC, f"{len(graph.layers)} {len(graph.blobs)}"]
    for layer in graph.layers:
        head = f"{layer.operator:<24} {layer.name:<24} {len(layer.inputs)} {len(layer.outputs)}"
        parts = [head, *layer.inputs, *layer.outputs]
        for number, text in layer.parameters.items():
            key = _OLD_ARRAY - number if number in layer.old_arrays else number
            parts.append(f"{key}={text}")
        lines.append(" ".join(parts))
    return "\n".join(lines) + "\n"


def _layer(path: Path, line: str) -> NcnnLayer:
    parts = line.split()
    try:
        operator, name = parts[:2]
        inputs, outputs = int(parts[2]), int(parts[3])
    except (IndexError, ValueError):
        raise ModelFileError(f"{path} is damaged: {line.strip()[:80]!r} is no layer") from None
    blobs = parts[4 : 4 + inputs + outputs]
    if inputs < 0 or outputs < 0 or len(blobs) < inputs + outputs or "=" in "".join(blobs):
        raise ModelFileError(f"{path} is damaged: layer {name} has fewer blobs than it says")
    skipped = re.compile(r"\s*" + r"\S+\s*" * (4 + inputs + outputs)).match(line)
    rest = line[skipped.end() :] if skipped else ""
    parameters, old_arrays = {}, set()
    for number, text, old in _parameters(path, name, rest):
        parameters[number] = text
        if old:
            old_arrays.add(number)
    return NcnnLayer(
        operator=operator,
        name=name,
        inputs=tuple(blobs[:inputs]),
        outputs=tuple(blobs[inputs:]),
        parameters=parameters,
        old_arrays=frozenset(old_arrays),
    )


def _parameters(path: Path, name: str, rest: str) -> Iterator[tuple[int, str, bool]]:
    """(number, text, whether an array of the old style) of each parameter of a line."""
    rest = rest.rstrip()
    at = 0
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if found is None:
            raise ModelFileError(
                f"{path} is damaged: layer {name} has {rest[at:].strip()[:40]!r} for a parameter"
            )
        at = found.end()
        number, text = int(found[1]), found[2]
        old = number <= _OLD_ARRAY
        number = _OLD_ARRAY - number if old else number
        if not 0 <= number < _MOST_PARAMETERS or not _is_value(text, old):
            raise ModelFileError(
                f"{path} is damaged: layer {name} has the parameter {found[0].strip()[:60]}"
            )
        yield number, text, old


def _is_value(text: str, old_array: bool) -> bool:
    if text[0].isalpha() or text[0] == '"':
        return not old_array
    items = text.removesuffix(",").split(",")
    if old_array:
        if not items[0].isdigit() or int(items[0]) != len(items) - 1:
            return False
        items = items[1:]
    return all(
        _NUMBER.fullmatch(item)
        and len(item) <= _MOST_DIGITS
        and (is_float(item) or -(1 << 31) <= int(item) < 1 << 31)
        for item in items
    )


def _check_counts(path: Path, layers: tuple[NcnnLayer, ...], said: int, blobs: int) -> None:
    """Hold the counts, and the blobs that layers take, against what is there."""
    if len(layers) != said:
        raise ModelFileError(f"{path} is damaged: it says {said} layers and has {len(layers)}")
    if not layers:
        raise ModelFileError(f"{path} is damaged: it has no layers")
    known: set[str] = set()
    for layer in layers:
        missing = [name for name in layer.inputs if name not in known]
        if missing:
            raise ModelFileError(
                f"{path} is damaged: layer {layer.name} takes {missing[0]}, which no layer "
                "before it gives"
            )
        for name in layer.outputs:
            if name in known:
                raise ModelFileError(f"{path} is damaged: two layers give {name}")
            known.add(name)
    if len(known) != blobs:
        raise ModelFileError(f"{path} is damaged: it says {blobs} blobs and has {len(known)}")
