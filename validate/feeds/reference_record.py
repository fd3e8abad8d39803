"""A few feeds and native Paddle's answers to them, small enough to stand in a file's provenance.

A feed that can be made again is stored as its digest, another one as it is; a large answer is
stored at fixed places. Who has the file can so hold whatever runs it against native Paddle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array, GivenFeeds, TensorSpec
from paddleport.validate.compare.comparison import Outputs
from paddleport.validate.feeds.make_feeds import make_feeds
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.packed_tensors import digest, is_packable, pack
from paddleport.validate.feeds.pixel_feeds import PixelInput

REFERENCE = "reference"
"""The key of a file's provenance."""

LOWERED = "lowered"
VERSION = 1
_ANSWER_BYTES = 150_000  # of all answers, before they are packed: 200 kB of text at most
_FEED_BYTES = 30_000  # of all feeds that can't be made again


@dataclass(frozen=True, kw_only=True)
class FedModel:
    """All that its feeds are made from.

    Attributes:
        inputs: of the Paddle model.
        preprocess: how pictures are fed to it.
        shapes: input name to shape, where some are free.
        samples: drawn pictures, where it is fed with pictures.
        pixels: the input of a file that normalises pictures itself.
    """

    inputs: Sequence[TensorSpec]
    preprocess: Preprocess | None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    samples: int = 0
    pixels: TensorSpec | None = None

    def feeds(self) -> list[NamedFeed]:
        """As ``make_feeds`` makes them of this alone."""
        pixels, rules = None, self.preprocess
        if self.pixels is not None:
            if rules is None:
                return []
            pixels = PixelInput(self.pixels, rules, rules)
        return make_feeds(
            self.inputs,
            preprocess=rules,
            samples=self.samples,
            shapes=self.shapes,
            pixels=pixels,
        )


def reference_record(
    model: FedModel,
    feeds: Sequence[NamedFeed],
    answers: Outputs,
    *,
    given: GivenFeeds | None = None,
) -> dict[str, Any]:
    """What a file's provenance keeps; nothing where it can't be kept, or is too large.

    Args:
        model: what it was fed by.
        feeds: those that were compared.
        answers: native Paddle's, one mapping per feed.
        given: what the feeds are where they were given.
    """
    if not all(is_packable(tensor) for mapping in answers for tensor in mapping.values()):
        return {}
    made = [] if given else [digest(feed.to_file) for feed in model.feeds()]
    kept: list[tuple[dict[str, Any], Mapping[str, Array]]] = []
    left = _FEED_BYTES
    for index, (feed, outputs) in enumerate(zip(feeds, answers, strict=True)):
        entry: dict[str, Any] = {
            "name": feed.name,
            "kind": feed.kind,
            "number": index,
            "sha256": digest(feed.to_file),
        }
        if entry["sha256"] not in made[index : index + 1]:
            size = sum(tensor.nbytes for tensor in feed.to_file.values())
            if size > left or not all(map(is_packable, feed.to_file.values())):
                continue
            left -= size
            entry["tensors"] = [[name, pack(tensor)] for name, tensor in feed.to_file.items()]
        kept.append((entry, outputs))
    if not kept:
        return {}
    packed = _packed([outputs for _, outputs in kept])
    return {
        "version": VERSION,
        "inputs": [_plain(spec) for spec in model.inputs],
        "shapes": {name: list(shape) for name, shape in model.shapes.items()},
        "samples": model.samples,
        "pixels": None if model.pixels is None else _plain(model.pixels),
        "feeds": [{**entry, "answers": one} for (entry, _), one in zip(kept, packed, strict=True)],
    }


def with_lowered(
    record: Mapping[str, Any], answers: Mapping[str, Sequence[Mapping[str, Array]]]
) -> dict[str, Any]:
    """A record with the answers of a file in a lower precision that passed its gate.

    A lower precision is let pass by what its answers mean, over many examples. A few are held
    against what the same file gave then, which its rounding does not blur.

    Args:
        record: with a feed for each answer.
        answers: by backend, one mapping per feed.
    """
    usable = {
        backend: _packed(outputs)
        for backend, outputs in answers.items()
        if all(is_packable(tensor) for mapping in outputs for tensor in mapping.values())
    }
    feeds = [
        {**entry, LOWERED: {backend: packed[index] for backend, packed in usable.items()}}
        for index, entry in enumerate(record["feeds"])
    ]
    return {**record, "feeds": feeds}


def _packed(outputs: Sequence[Mapping[str, Array]]) -> list[list[list[Any]]]:
    """Of each feed, names and packed tensors, all of them within the limit."""
    widest = max((tensor.itemsize for one in outputs for tensor in one.values()), default=1)
    most = max(1, _ANSWER_BYTES // (max(1, sum(map(len, outputs))) * widest))
    return [[[name, pack(found, most)] for name, found in one.items()] for one in outputs]


def _plain(spec: TensorSpec) -> dict[str, Any]:
    return {**asdict(spec), "shape": list(spec.shape)}
