"""Feeds and answers that a converted file carries, read from it and made again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from paddleport.errors import PortError
from paddleport.models.metadata import checked_tensors
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array, Feed
from paddleport.validate.compare.comparison import FeedName, Outputs, output_pairs
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.feeds.packed_tensors import digest, places, unpack
from paddleport.validate.feeds.reference_record import LOWERED, VERSION, FedModel

_MOST_SAMPLES = 16


@dataclass(frozen=True, kw_only=True)
class StoredReference:
    """Feeds and the answers that belong to them, read from a file.

    Attributes:
        feeds: under the Paddle model's input names, in their order.
        answers: native Paddle's, one mapping per feed; at places only where there are too many.
        kept: of each feed and output, the whole tensor's shape, and how many places were kept.
        left_out: why feeds are missing, a sentence each.
        lowered_by: the backend whose answers these are, of a file in a lower precision that
            passed its gate there; empty where they are native Paddle's.
    """

    feeds: tuple[NamedFeed, ...]
    answers: Outputs
    kept: Sequence[Mapping[str, tuple[tuple[int, ...], int | None]]]
    left_out: tuple[str, ...] = ()
    lowered_by: str = ""

    @property
    def names(self) -> list[FeedName]:
        """For a comparison."""
        return [FeedName(feed.name, feed.kind, feed.batch) for feed in self.feeds]

    def without(self, feeds: Mapping[int, str]) -> "StoredReference":
        """Without some feeds, by number, and why."""
        chosen = [index for index in range(len(self.feeds)) if index not in feeds]
        return replace(
            self,
            feeds=tuple(self.feeds[index] for index in chosen),
            answers=[self.answers[index] for index in chosen],
            kept=[self.kept[index] for index in chosen],
            left_out=(*self.left_out, *feeds.values()),
        )

    def at_kept_places(self, outputs: Outputs) -> Outputs:
        """Somebody's outputs for the feeds, at the places of the answers.

        An output of another shape, or one that has no partner, is left as it is: it compares as
        one that differs.
        """
        return [
            self._at_places(number, mapping) if len(mapping) == len(self.answers[number]) else {}
            for number, mapping in enumerate(outputs)
        ]

    def shape_differences(self, outputs: Outputs) -> list[str]:
        """What has another number or shape of outputs than native Paddle, a sentence each."""
        found = []
        for kept, mapping, feed in zip(self.kept, outputs, self.feeds, strict=True):
            if len(mapping) != len(kept):
                return [f"{len(mapping)} outputs, the reference has {len(kept)}"]
            for ours, theirs in output_pairs(self.answers[0], mapping):
                shape, others = kept[ours][0], mapping[theirs].shape
                if shape != others:
                    found.append(
                        f"{feed.name}: output {theirs} is {list(others)}, the reference's "
                        f"{list(shape)}"
                    )
        return found

    def _at_places(self, number: int, outputs: Mapping[str, Array]) -> dict[str, Array]:
        found = {}
        for ours, theirs in output_pairs(self.answers[number], outputs):
            tensor, (shape, most) = outputs[theirs], self.kept[number][ours]
            if most is not None and tensor.shape == shape:
                tensor = tensor.ravel()[places(tensor.size, most)]
            found[theirs] = tensor
        return found


def read_reference(
    record: Any, preprocess: Preprocess | None, backend: str = ""
) -> StoredReference:
    """What ``reference_record`` kept.

    Args:
        record: of a file's provenance.
        preprocess: the file's own.
        backend: whose answers to take instead of native Paddle's, where ``with_lowered`` has them.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    if not isinstance(record, Mapping) or record.get("version") != VERSION:
        raise ValueError("its reference answers are of another version of paddleport")
    try:
        model, entries = _fed_model(record, preprocess), list(record["feeds"])
        stored: list[NamedFeed | str] = []
        made: list[NamedFeed] | None = None
        for entry in entries:
            if "tensors" in entry:
                tensors = {str(name): unpack(item)[0] for name, item in entry["tensors"]}
                stored.append(_named(entry, tensors))
                continue
            made = model.feeds() if made is None else made
            stored.append(_made_again(entry, made[entry["number"] :][:1]))
        answers, kept = [], []
        lowered = bool(backend) and all(backend in entry.get(LOWERED, {}) for entry in entries)
        for entry in entries:
            own = entry[LOWERED][backend] if lowered else entry["answers"]
            found = {str(name): unpack(item) for name, item in own}
            answers.append({name: item[0] for name, item in found.items()})
            kept.append({name: item[1:] for name, item in found.items()})
        if not entries or len({tuple(mapping) for mapping in answers}) != 1:
            raise ValueError("feeds with other outputs than the first")
    except (KeyError, TypeError, AttributeError, PortError) as error:
        raise ValueError(f"its reference answers are damaged: {error!r}") from None
    missing = {index: item for index, item in enumerate(stored) if isinstance(item, str)}
    blank = NamedFeed(name="", kind="given", tensors={})
    whole = StoredReference(
        feeds=tuple(blank if isinstance(item, str) else item for item in stored),
        answers=answers,
        kept=kept,
        lowered_by=backend if lowered else "",
    )
    return whole.without(missing)


def stored_of(feeds: Sequence[NamedFeed], answers: Outputs) -> StoredReference:
    """The same of feeds that were made, and answers that were computed, just now."""
    return StoredReference(
        feeds=tuple(replace(feed, tensors=feed.to_file) for feed in feeds),
        answers=answers,
        kept=[{name: (found.shape, None) for name, found in one.items()} for one in answers],
    )


def fed_as(feed: NamedFeed, names: Sequence[str]) -> Feed:
    """A stored feed under a file's input names: by name where they are the same, else in order."""
    tensors = feed.tensors
    if set(tensors) == set(names) or len(tensors) != len(names):
        return tensors
    return dict(zip(names, tensors.values(), strict=True))


def _fed_model(record: Mapping[str, Any], preprocess: Preprocess | None) -> FedModel:
    pixels = record["pixels"]
    return FedModel(
        inputs=checked_tensors(list(record["inputs"]), "reference.inputs"),
        preprocess=preprocess,
        shapes={str(name): tuple(map(int, shape)) for name, shape in record["shapes"].items()},
        samples=min(int(record["samples"]), _MOST_SAMPLES),
        pixels=None if pixels is None else checked_tensors([pixels], "reference.pixels")[0],
    )


def _made_again(entry: Mapping[str, Any], made: Sequence[NamedFeed]) -> NamedFeed | str:
    """The feed, or why it is not the one that was compared."""
    if made and digest(made[0].to_file) == entry["sha256"]:
        return replace(made[0], tensors=made[0].to_file)
    return (
        f"{entry['name']}: made again it has other bytes than when the file was converted (numpy "
        f"{np.__version__} or OpenCV draw it another way)"
    )


def _named(entry: Mapping[str, Any], tensors: Mapping[str, Array]) -> NamedFeed:
    if digest(tensors) != entry["sha256"]:
        raise ValueError(f"the feed {entry['name']} has other bytes than its digest")
    return NamedFeed(name=str(entry["name"]), kind=entry["kind"], tensors=tensors)
