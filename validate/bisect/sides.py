"""Two computations that should be one: which values of either are in the other."""

from collections.abc import Callable
from dataclasses import dataclass, field

from paddleport.errors import ModelFileError
from paddleport.tensors import Array
from paddleport.validate.bisect.error import output_error
from paddleport.validate.bisect.graph import Graph
from paddleport.validate.bisect.match import Matcher
from paddleport.validate.bisect.values import Values

_CONVERTED = "p2o."  # Paddle2ONNX: before the name of the Paddle value


def name_in_onnx(paddle: str) -> str:
    """How Paddle2ONNX names the tensor of a Paddle value."""
    return f"{_CONVERTED}{paddle}"


def name_in_paddle(onnx: str) -> str:
    """The Paddle value that a tensor of Paddle2ONNX is named after."""
    return onnx.removeprefix(_CONVERTED)


@dataclass(frozen=True)
class Side:
    """One of the two computations."""

    graph: Graph
    values: Values

    @property
    def names(self) -> list[str]:
        """What can be looked up: the feeds and all that depends on them."""
        return [
            *self.graph.feeds,
            *(name for name in self.values.stored if name in self.graph.varying),
        ]


@dataclass(frozen=True)
class BadOutput:
    """An output that parts: its name on both sides, and by how much."""

    paddle: str
    onnx: str
    error: float


def bad_output(paddle: Side, exact: Side, limit: float) -> BadOutput | None:
    """The output that parts and has the fewest operators behind it; ``None`` if none does.

    Raises:
        ModelFileError: the two have another number of outputs.
    """
    ours, theirs = paddle.graph.outputs, exact.graph.outputs
    if len(ours) != len(theirs):
        raise ModelFileError(
            f"the ONNX file has {len(theirs)} outputs and the Paddle program {len(ours)}: "
            "they are not the same model"
        )
    pairs = zip(ours, ours if set(ours) == set(theirs) else theirs, strict=True)
    bad = [
        BadOutput(one, other, error)
        for one, other in pairs
        if one in paddle.values and other in exact.values
        for error in [output_error(exact.values.load(other), paddle.values.load(one))]
        if error > limit
    ]
    return min(
        bad,
        key=lambda item: len(paddle.graph.behind(item.paddle, lambda _: False)),
        default=None,
    )


@dataclass
class Lookup:
    """Which values of one side are on the other: the other's name and the error.

    Attributes:
        side: whose values are looked up.
        matcher: looks among the other's.
        own: what the tensor of a value is called on the other side, if names were kept.
        tick: called before each value that is looked up; it may raise BudgetSpent.
        known: what was found, by name.
        reordered: those of them that are there in another order only.
    """

    side: Side
    matcher: Matcher
    own: Callable[[str], str]
    tick: Callable[[str], None]
    known: dict[str, tuple[str, float] | None] = field(default_factory=dict)
    reordered: set[str] = field(default_factory=set)

    def find(self, name: str) -> tuple[str, float] | None:
        """Where a value is on the other side."""
        if name not in self.known:
            if name not in self.side.values:
                return None  # it could not be fetched: taken for lost, and searched behind
            self.tick(name)
            self.known[name] = self._found(name)
        return self.known[name]

    def present(self, name: str) -> bool:
        """Whether it is there."""
        return self.find(name) is not None

    def place(self, name: str) -> str:
        """The other side's name of a value that was found; empty if it was not."""
        found = self.known.get(name)
        return found[0] if found else ""

    def _found(self, name: str) -> tuple[str, float] | None:
        """As ``find``, by name and by value.

        An operator that changes next to nothing leaves its value where its input is. If the
        tensor of the value's own name holds something else, that one is believed. Two
        transpositions may have become one, so the value of a single one may be there in another
        order; not if there is a tensor of its own name.
        """
        value, own = self.side.values.load(name), self.own(name)
        named = own in self.matcher
        found = self.matcher.find(value, own)
        if found is not None:
            return None if named and found[0] != own and self._is_idle(name, found[0]) else found
        source = self._transposed(name)
        if named or source is None:
            return None
        found = self.matcher.find_reordered(value, source=source)
        if found is not None:
            self.reordered.add(name)
        return found

    def _transposed(self, name: str) -> Array | None:
        """What is transposed into a value; ``None`` if it is made in another way."""
        maker = self.side.graph.producer.get(name)
        if maker is None or not maker.operator.rpartition(".")[2].lower().startswith("transpose"):
            return None
        sources = [item for item in maker.inputs if item in self.side.values]
        return self.side.values.load(sources[0]) if sources else None

    def _is_idle(self, name: str, place: str) -> bool:
        """Whether the operator that makes a value reads what is at the same place."""
        maker = self.side.graph.producer.get(name)
        read = [item for item in maker.inputs if item in self.side.values] if maker else []
        return any(self.matcher.holds(place, self.side.values.load(item)) for item in read)
