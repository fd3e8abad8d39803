"""The feeds under an ONNX file's own input names."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from paddleport.errors import FeedError
from paddleport.models.card import OnnxModel
from paddleport.models.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.tensors import Feed
from paddleport.validate.feeds import NamedFeed

T = TypeVar("T")


class OnnxFeeds:
    """Turns a Paddle model's feeds into the ONNX file's: by name where they are the same.

    Attributes:
        notes: how they were matched, if not by name.
        free_batch: whether the file takes any batch size.
    """

    def __init__(self, source: SourceModel, onnx: OnnxModel) -> None:
        """Read the file's inputs.

        Raises:
            FeedError: the file takes another number of inputs.
        """
        inputs, _ = onnx_tensors(onnx.path)
        ours, theirs = ([spec.name for spec in found] for found in (source.program.inputs, inputs))
        self.free_batch = all(spec.shape and spec.shape[0] is None for spec in inputs)
        if len(ours) != len(theirs):
            raise FeedError(
                f"{onnx.path} takes {', '.join(theirs) or 'nothing'}, the Paddle model takes "
                f"{', '.join(ours)}: they are not the same model"
            )
        same = set(ours) == set(theirs)
        self._names = dict(zip(ours, ours if same else theirs, strict=True))
        pairs = ", ".join(f"{one} as {other}" for one, other in self._names.items())
        self.notes: tuple[str, ...] = () if same else (f"fed in order: {pairs}",)

    def of(self, feeds: Sequence[NamedFeed]) -> list[Feed]:
        """The tensors of every feed under the file's names."""
        return [self.renamed(feed.tensors) for feed in feeds]

    def renamed(self, feed: Mapping[str, T]) -> dict[str, T]:
        """One feed, or whatever goes by input, under the file's names."""
        return {self._names[name]: value for name, value in feed.items()}
