"""Which of many names somebody meant: capitals, dashes and underscores make no difference."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher, get_close_matches

_MOST = 4  # more are a list to read, not an answer
_NEAR = 0.05  # as alike as the best, of 1


def folded(name: str) -> str:
    """What is compared of a name."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def similar_names(name: str, known: Iterable[str]) -> list[str]:
    """A few of the known names, the likeliest first.

    One that differs in capitals and dashes alone is the only answer; else those that begin with
    ``name``, or are spelt nearly alike, or have ``name`` in them.
    """
    by_fold: dict[str, str] = {}
    for candidate in known:
        by_fold.setdefault(folded(candidate), candidate)
    asked = folded(name)
    if asked in by_fold:
        return [by_fold[asked]]
    inside = sorted((fold for fold in by_fold if asked in fold and len(asked) > 2), key=len)
    begun = [fold for fold in inside if fold.startswith(asked)]
    close = get_close_matches(asked, by_fold, n=_MOST, cutoff=0.7)
    alike = [SequenceMatcher(None, asked, fold).ratio() for fold in close]
    close = [fold for fold, ratio in zip(close, alike, strict=True) if ratio > alike[0] - _NEAR]
    return [by_fold[fold] for fold in (begun or close or inside)[:_MOST]]


def unknown_of_many(kind: str, name: str, known: Sequence[str], listed_by: str) -> str:
    """The sentence for a name that none of many is: the likely ones, and what lists them all.

    Args:
        kind: what is named, as in ``unknown model 'x'``.
        name: what was asked for.
        known: every name that would have worked.
        listed_by: the command that lists them, and its verb.
    """
    quoted = [f"'{candidate}'" for candidate in similar_names(name, known)]
    hint = ""
    if quoted:
        hint = f" Did you mean {', '.join(quoted[:-1])}{' or ' * (len(quoted) > 1)}{quoted[-1]}?"
    return f"unknown {kind} '{name}'.{hint} {listed_by} all {len(known)}"
