"""The bodies of loops and branches in ONNX: names of their own, and no shapes that may be wrong."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from paddleport.models.onnx.graph_walk import defined, rename, subgraphs

if TYPE_CHECKING:
    import onnx

NAMES = "bodies of loops and branches used names from outside for values of their own: renamed"
SHAPES = "bodies of loops and branches declared shapes that need not hold: they are left open"
_NOT_CARRIED = 2  # inputs of a loop's body before what it carries: the iteration, the condition


def fix_bodies(proto: "onnx.ModelProto", *, without: Collection[str] = ()) -> tuple[str, ...]:
    """Rename what shadows another value, and clear the shapes that bodies declare.

    ONNX infers shapes inside bodies by itself. A declared one that it contradicts, such as that
    of a number which became a vector of one, fails its full check, right as the values may be.
    Iteration number and condition keep theirs: every runtime knows what they are.

    Returns:
        A sentence for each fixup that was needed.
    """
    found: dict[str, None] = {}
    taken = defined(proto.graph)
    for node, body in _bodies(proto.graph):
        if NAMES not in without and _make_names_unique(body, taken):
            found[NAMES] = None
        if SHAPES not in without and _clear(node, body):
            found[SHAPES] = None
    return tuple(found)


def _bodies(
    graph: "onnx.GraphProto",
) -> Iterator[tuple["onnx.NodeProto", "onnx.GraphProto"]]:
    """Every body with its node, from the outside in."""
    for node in graph.node:
        for body in subgraphs(node):
            yield node, body
            yield from _bodies(body)


def _make_names_unique(body: "onnx.GraphProto", taken: set[str]) -> bool:
    own = defined(body)
    names = {name: _free(name, taken) for name in sorted(own & taken)}
    taken |= own
    _rename_own(body, names)
    return _separate_outputs(body, taken) or bool(names)


def _free(name: str, taken: set[str]) -> str:
    number = 0
    while (new := f"{name}/body.{number}") in taken:
        number += 1
    taken.add(new)
    return new


def _rename_own(body: "onnx.GraphProto", names: dict[str, str]) -> None:
    """Give values that a body defines itself other names, wherever it uses them."""
    for item in (*body.input, *body.initializer, *body.output, *body.value_info):
        item.name = names.get(item.name, item.name)
    for node in body.node:
        for values in (node.input, node.output):
            for at, value in enumerate(values):
                values[at] = names.get(value, value)
        for inner in subgraphs(node):
            rename(inner, names)


def _separate_outputs(body: "onnx.GraphProto", taken: set[str]) -> bool:
    """Copy what a body gives twice, or gives without having computed it."""
    from onnx import helper

    made = {name for node in body.node for name in node.output}
    given: set[str] = set()
    copied = False
    for item in body.output:
        if item.name in given or item.name not in made:
            name = _free(item.name, taken)
            body.node.append(helper.make_node("Identity", [item.name], [name], name=name))
            item.name, copied = name, True
        given.add(item.name)
    return copied


def _clear(node: "onnx.NodeProto", body: "onnx.GraphProto") -> bool:
    is_loop = node.op_type == "Loop"
    carried = list(body.input)[_NOT_CARRIED:] if is_loop else []
    given = list(body.output)[1 if is_loop else 0 :]
    with_shapes = [item for item in (*carried, *given) if item.type.tensor_type.HasField("shape")]
    for item in with_shapes:
        item.type.tensor_type.ClearField("shape")
    del body.value_info[:]
    return bool(with_shapes)
