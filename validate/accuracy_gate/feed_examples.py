"""Feeds of any kind as a gate's examples: those that are given, or made-up ones."""

from collections.abc import Sequence
from dataclasses import replace

from paddleport.errors import FeedError
from paddleport.tensors import Array, Feed, GivenFeeds, TensorSpec, check_feed, listed_feeds
from paddleport.validate.accuracy_gate.gate_set import GateSet, batch_of, collected
from paddleport.validate.feeds.made_feed import made_feed
from paddleport.validate.feeds.make_feeds import concrete_inputs
from paddleport.validate.feeds.value_ranges import NO_RANGES, InputRanges

MADE_FEEDS = 200  # where none are given


def matched_inputs(
    inputs: Sequence[TensorSpec], others: Sequence[TensorSpec]
) -> tuple[TensorSpec, ...]:
    """Another file's inputs in the order of ``inputs``: by name where all names are the same.

    Raises:
        FeedError: there are more or fewer of them.
    """
    if len(inputs) != len(others):
        raise FeedError(
            f"one file takes {len(inputs)} inputs and the other {len(others)}: they are not the "
            "same model"
        )
    named = {spec.name: spec for spec in others}
    if {spec.name for spec in inputs} != set(named):
        return tuple(others)
    return tuple(named[spec.name] for spec in inputs)


def feed_set(
    inputs: Sequence[TensorSpec],
    given: GivenFeeds | None,
    samples: int = MADE_FEEDS,
    ranges: InputRanges = NO_RANGES,
) -> GateSet:
    """Feeds of any kind: those given, or ``samples`` that are made up.

    Raises:
        FeedError: the model does not take what is given.
    """
    feeds = listed_feeds(given)
    if not feeds:
        specs = concrete_inputs(inputs, {}, ranges.longest)
        tensors = (made_feed(specs, index, ranges.values).tensors for index in range(samples))
        made = ([feed[spec.name] for spec in specs] for feed in tensors)
        names = [f"made {index}" for index in range(samples)]
        return collected(names, made, None, f"{samples} made feeds")
    examples = [example for feed in feeds for example in _examples(inputs, feed)]
    names = [f"given {index}" for index in range(len(examples))]
    return collected(names, examples, None, f"{len(examples)} given feeds")


def _examples(inputs: Sequence[TensorSpec], feed: Feed) -> list[list[Array]]:
    check_feed([replace(spec, shape=(None, *spec.shape[1:])) for spec in inputs], feed)
    counts = {len(feed[spec.name]) // batch_of(spec) for spec in inputs}
    if len(counts) != 1:
        raise FeedError(
            "the first axis of every --feed tensor counts the examples, and these have "
            f"{' and '.join(map(str, sorted(counts)))}"
        )
    return [
        [_part(feed[spec.name], index, batch_of(spec)) for spec in inputs]
        for index in range(counts.pop())
    ]


def _part(tensor: Array, index: int, size: int) -> Array:
    return tensor[index * size : (index + 1) * size]
