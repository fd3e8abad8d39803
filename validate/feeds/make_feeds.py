"""What every runtime is fed: the same bytes, made once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from paddleport.errors import FeedError, UsageError
from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array, Feed, GivenFeeds, TensorSpec, check_feed, listed_feeds
from paddleport.validate.feeds.made_feed import is_picture, made_feed
from paddleport.validate.feeds.named_feed import (
    DEFAULT_LENGTH,
    DEFAULT_SIZE,
    SAMPLE_SIZE,
    NamedFeed,
    extreme_pictures,
    named_pictures,
)
from paddleport.validate.feeds.pixel_feeds import (
    PixelInput,
    extreme_pixels,
    given_pixels,
    pixel_feeds,
)
from paddleport.validate.feeds.value_ranges import NO_RANGES, InputRanges


def make_feeds(
    inputs: Sequence[TensorSpec],
    *,
    preprocess: Preprocess | None = None,
    pictures: Sequence[Path] = (),
    samples: int = 7,
    shapes: Mapping[str, Sequence[int]] | None = None,
    given: GivenFeeds | None = None,
    pixels: PixelInput | None = None,
    ranges: InputRanges = NO_RANGES,
) -> list[NamedFeed]:
    """Make the feeds for a model.

    Given tensors alone where there are any. Otherwise pictures (``pictures``, or ``samples``
    that the package draws) where the model has a preprocessing, and a feed of seeded noise with
    the statistics of normalised pictures, mean 0 and variance 1 in every channel. Without a
    preprocessing, three feeds: noise, and drawn pictures of unit variance in whatever input has
    the shape of a picture, since white noise looks alike to most networks.

    Args:
        inputs: what the model takes; free dimensions get ``shapes`` or the defaults.
        preprocess: how a picture becomes the model's only input; ``None`` feeds no pictures.
        pictures: files to feed instead of the drawn samples.
        samples: how many drawn pictures to feed where ``pictures`` is empty.
        shapes: input name to full shape.
        given: input name to tensor, or several such mappings, used as they are.
        pixels: the input of an ONNX file that normalises pictures itself. Then every feed is
            made of 8-bit pixels, for which such a file alone has an answer.
        ranges: what integer inputs may hold, as ``input_ranges`` reads it of the program.

    Raises:
        FeedError: a shape or tensor that the model does not take.
        ImageError: a picture that cannot be read.
    """
    if feeds := listed_feeds(given):
        return _given_feeds(inputs, feeds, pixels)
    if pixels is not None:
        (spec,) = concrete_inputs(inputs, shapes or {})
        batch = (shapes and spec.shape[0]) or inputs[0].shape[0] or pixels.batch
        size = _drawn_size(pixels.file, pixels.spec.shape[1:3])
        made = pixel_feeds(pixels, named_pictures(pictures, samples, size), batch)
        for feed in made:
            check_feed([spec] if shapes else inputs, feed.tensors)
        return made
    specs = concrete_inputs(inputs, shapes or {}, ranges.longest)
    fed: list[NamedFeed] = []
    if preprocess is not None and len(inputs) == 1 and not shapes:
        fed = _picture_feeds(inputs[0], preprocess, pictures, samples)
    elif pictures and preprocess is not None and shapes:
        raise UsageError(
            "--images and --shape can't be together, since pictures come in the size that the "
            "model's preprocessing makes of them: leave one of them out"
        )
    elif pictures:
        raise UsageError(
            "this model's preprocessing is not known, so it cannot be fed with pictures: "
            "give it tensors with --feed NAME=FILE.npy"
        )
    if fed:
        tensor = fed[0].tensors[inputs[0].name]
        return [*fed, made_feed([TensorSpec(inputs[0].name, inputs[0].dtype, tensor.shape)], 0)]
    return [made_feed(specs, index, ranges.values) for index in range(3)]


def _given_feeds(
    inputs: Sequence[TensorSpec], feeds: Sequence[Feed], pixels: PixelInput | None
) -> list[NamedFeed]:
    """``given`` for one feed, ``given 1``, ``given 2`` and so on for several."""
    made = []
    for number, feed in enumerate(feeds, 1):
        name = f"given {number}" if len(feeds) > 1 else "given"
        try:
            if pixels is not None:
                made.append(given_pixels(pixels, feed, name))
                continue
            check_feed(inputs, feed)
        except FeedError as error:
            raise FeedError(f"feed {name}: {error}" if len(feeds) > 1 else str(error)) from None
        made.append(NamedFeed(name=name, kind="given", tensors=dict(feed)))
    return made


def extreme_feeds(
    feeds: Sequence[NamedFeed],
    inputs: Sequence[TensorSpec],
    preprocess: Preprocess | None,
    pixels: PixelInput | None = None,
) -> list[NamedFeed]:
    """The first of ``feeds`` with an extreme in every input that has the shape of a picture.

    None where there is no such input, or the feeds were given.
    """
    first = feeds[0]
    if pixels is not None and first.kind != "given":
        return extreme_pixels(pixels, len(first.tensors[pixels.spec.name]))
    if first.kind == "given" or not any(is_picture(spec, (1, 3)) for spec in inputs):
        return []
    made: dict[str, dict[str, Array]] = {}
    for spec in inputs:
        shape = first.tensors[spec.name].shape
        if is_picture(spec, (1, 3)) and len(shape) == 4:
            for name, tensor in extreme_pictures(shape, spec.dtype, preprocess):
                made.setdefault(name, dict(first.tensors))[spec.name] = tensor
    return [NamedFeed(name=name, kind="extreme", tensors=tensors) for name, tensors in made.items()]


def batch_feeds(
    feeds: Sequence[NamedFeed], inputs: Sequence[TensorSpec], sizes: Sequence[int]
) -> list[NamedFeed]:
    """Batches of feeds that stand alone, where every input leaves its first dimension free.

    The feeds come round again where there are fewer than a batch takes, so that one picture
    stands in several positions.
    """
    free = all(spec.shape and spec.shape[0] is None for spec in inputs)
    single = [index for index, feed in enumerate(feeds) if feed.kind not in ("batch", "extreme")]
    fits = all(tensor.shape[:1] == (1,) for feed in feeds for tensor in feed.tensors.values())
    if not (free and inputs and fits and single):
        return []
    made = []
    for size in sizes:
        # in reverse, so that no feed keeps its own place
        parts = tuple(reversed([single[position % len(single)] for position in range(size)]))
        tensors = {
            spec.name: np.concatenate([feeds[part].tensors[spec.name] for part in parts])
            for spec in inputs
        }
        raw = [item for part in parts if (item := feeds[part].pixels) is not None]
        pixels = np.concatenate(raw) if raw else None
        made.append(
            NamedFeed(
                name=f"batch of {size}", kind="batch", tensors=tensors, parts=parts, pixels=pixels
            )
        )
    return made


def concrete_inputs(
    inputs: Sequence[TensorSpec], shapes: Mapping[str, Sequence[int]], longest: int | None = None
) -> list[TensorSpec]:
    """``inputs`` with every free dimension filled in.

    A free first dimension is 1, the free height and width of a 4-D input 224, any other 16. An
    input that is declared as one of ``shapes`` is follows it, and any other does in the batch.

    Args:
        inputs: of a model.
        shapes: input name to full shape.
        longest: instead of 16, where a model has no more positions than that.

    Raises:
        FeedError: a shape for an input that is not there, or one that it cannot have.
    """
    known = {spec.name: spec for spec in inputs}
    for name, shape in shapes.items():
        if name not in known:
            raise FeedError(f"--shape names '{name}', the model takes {', '.join(known)}")
        spec = known[name]
        picture = is_picture(spec, (1, 3))
        fits = len(shape) == len(spec.shape) and all(
            wanted in (None, size) and (size > 0 or (axis > 0 and not picture))  # an empty cache
            for axis, (wanted, size) in enumerate(zip(spec.shape, shape, strict=True))
        )
        if not fits:
            raise FeedError(f"--shape {name}={','.join(map(str, shape))} does not fit {spec}")
    like = {known[name].shape: tuple(shape) for name, shape in shapes.items()}
    batches = {shape[0] for shape in shapes.values() if len(shape)}
    batch = batches.pop() if len(batches) == 1 else 1
    made = []
    for spec in inputs:
        default = like.get(spec.shape) or _default_shape(spec, batch, longest)
        shape = tuple(shapes.get(spec.name) or default)
        made.append(TensorSpec(spec.name, spec.dtype, shape))
    return made


def _default_shape(spec: TensorSpec, batch: int, longest: int | None) -> list[int]:
    length = min(DEFAULT_LENGTH, longest or DEFAULT_LENGTH)
    spatial = (2, 3) if len(spec.shape) == 4 else ()
    return [
        size
        if size is not None
        else batch
        if axis == 0
        else DEFAULT_SIZE
        if axis in spatial
        else length
        for axis, size in enumerate(spec.shape)
    ]


def _picture_feeds(
    spec: TensorSpec, preprocess: Preprocess, pictures: Sequence[Path], samples: int
) -> list[NamedFeed]:
    # A model with a fixed batch gets each picture in every position.
    batch = spec.shape[0] or 1
    feeds = [
        NamedFeed(
            name=name,
            kind="picture",
            tensors={
                spec.name: np.stack([preprocess_image(picture, preprocess, name=name)] * batch)
            },
            picture=picture,
        )
        for name, picture in named_pictures(
            pictures, samples, _drawn_size(preprocess, spec.shape[2:4])
        )
    ]
    for feed in feeds:
        try:
            check_feed([spec], feed.tensors)
        except FeedError as error:
            raise FeedError(
                f"{error}: its preprocessing makes that of {feed.name}. Correct the sizes in its "
                f"inference.yml, or give tensors: --feed {spec.name}=FILE.npy"
            ) from None
    return feeds


def _drawn_size(preprocess: Preprocess, sides: Sequence[int | None]) -> tuple[int, int]:
    """Height and width of drawn pictures: the input's own where the size is left to a picture."""
    match tuple(sides):
        case (int(height), int(width)) if preprocess.size is None:
            return height, width
    return SAMPLE_SIZE
