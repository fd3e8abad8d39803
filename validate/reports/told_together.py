"""Rows of which the same is to be said are named together."""

from collections.abc import Iterable


def told_together(sentences: Iterable[tuple[str, str]]) -> list[tuple[tuple[str, ...], str]]:
    """Names and what is said of them: each sentence once, in the order of its first name.

    Args:
        sentences: a name and its sentence; an empty one says nothing.
    """
    names: dict[str, list[str]] = {}
    for name, sentence in sentences:
        if sentence:
            names.setdefault(sentence, []).append(name)
    return [(tuple(found), sentence) for sentence, found in names.items()]
