"""The feeds under an ONNX file's own input names."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from paddleport.errors import FeedError
from paddleport.models.artifact import Artifact
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.models.resolve import SourceModel
from paddleport.runners.preprocessing.prepare_image import takes_pixels
from paddleport.tensors import Feed, ShapeRange, TensorSpec
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.pixel_feeds import PixelInput

T = TypeVar("T")
_NHWC = (0, 2, 3, 1)


class OnnxFeeds:
    """Turns a Paddle model's feeds into the ONNX file's: by name where they are the same.

    Attributes:
        notes: how they were matched, if not by name.
        free_batch: whether the file takes any batch size.
        pixels: the input of a file that normalises pictures itself; ``None`` for any other.
    """

    def __init__(self, source: SourceModel, onnx: Artifact) -> None:
        """Read the file's inputs.

        Raises:
            FeedError: the file takes another number of inputs, or 8-bit pictures and it is not
                known how they are to be normalised for Paddle.
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
        self.pixels = _pixel_input(source, onnx, inputs)
        if self.pixels is not None:
            self.notes += (f"fed 8-bit pictures, {inputs[0]}: the file normalises them itself",)

    def of(self, feeds: Sequence[NamedFeed]) -> list[Feed]:
        """The tensors of every feed under the file's names."""
        return [self._of(feed) for feed in feeds]

    def of_tensors(self, tensors: Feed) -> Feed:
        """Tensors as Paddle takes them, under the file's names.

        Raises:
            FeedError: the file takes 8-bit pictures, not distinguishable from normalised ones.
        """
        if self.pixels is not None:
            raise FeedError(
                f"the file takes 8-bit pictures ({self.pixels.spec}), and this is normalised"
            )
        return self._renamed(tensors)

    def ranges(self, shapes: Mapping[str, ShapeRange]) -> dict[str, ShapeRange]:
        """What Paddle's inputs are fed with, as the file's."""
        if self.pixels is not None:
            shapes = {name: _channels_last(found) for name, found in shapes.items()}
        return self._renamed(shapes)

    def _of(self, feed: NamedFeed) -> Feed:
        return self.of_tensors(feed.tensors) if feed.pixels is None else self._renamed(feed.to_file)

    def _renamed(self, feed: Mapping[str, T]) -> dict[str, T]:
        return {self._names[name]: value for name, value in feed.items()}


def _pixel_input(
    source: SourceModel, onnx: Artifact, inputs: Sequence[TensorSpec]
) -> PixelInput | None:
    """The file's input, where it takes 8-bit pictures and the Paddle model does not."""
    ours = source.program.inputs
    if len(inputs) != 1 or not takes_pixels(inputs[0]) or takes_pixels(ours[0]):
        return None
    paddle = source.preprocess or onnx.preprocess
    if paddle is None:
        raise FeedError(
            f"{onnx.path} takes 8-bit pictures ({inputs[0]}), and it is not known how Paddle's "
            f"are normalised ({source.preprocess_unknown}): name a folder with an inference.yml"
        )
    spec = TensorSpec(ours[0].name, inputs[0].dtype, inputs[0].shape)
    return PixelInput(spec=spec, paddle=paddle, file=onnx.preprocess or paddle)


def _channels_last(found: ShapeRange) -> ShapeRange:
    """The range of [N, C, H, W] as that of [N, H, W, C]."""
    low, best, high = (
        tuple(shape[axis] for axis in _NHWC) if len(shape) == len(_NHWC) else shape
        for shape in (found.min, found.opt, found.max)
    )
    return ShapeRange(low, best, high)
