"""Two computations that should be one: which values of either are in the other."""

from collections.abc import Callable
from dataclasses import dataclass, field

from paddleport.errors import ModelFileError
from paddleport.validate.locate.error import output_error
from paddleport.validate.locate.graph import Graph
from paddleport.validate.locate.match import Matcher
from paddleport.validate.locate.values import Values

_CONVERTED = "p2o."  # Paddle2ONNX: before the name of the Paddle value


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
        tick: called before each value that is looked up; it may raise BudgetSpent.
        known: what was found, by name.
    """

    side: Side
    matcher: Matcher
    tick: Callable[[str], None]
    known: dict[str, tuple[str, float] | None] = field(default_factory=dict)

    def find(self, name: str) -> tuple[str, float] | None:
        """Where a value is on the other side.

        A tensor of the value's own name that holds something else speaks against one that bears
        the name of another value: an operator that changes next to nothing may then be wrong.
        """
        if name not in self.known:
            if name not in self.side.values:
                return None  # it could not be fetched: taken for lost, and searched behind
            self.tick(name)
            own = f"{_CONVERTED}{name}"
            found = self.matcher.find(self.side.values.load(name), own)
            taken = found and found[0] != own and own in self.matcher and self._is_named(found[0])
            self.known[name] = None if taken else found
        return self.known[name]

    def present(self, name: str) -> bool:
        """Whether it is there."""
        return self.find(name) is not None

    def place(self, name: str) -> str:
        """The other side's name of a value that was found; empty if it was not."""
        found = self.known.get(name)
        return found[0] if found else ""

    def _is_named(self, tensor: str) -> bool:
        named = tensor.removeprefix(_CONVERTED)
        return named != tensor and named in self.side.values
