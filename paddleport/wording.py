"""Phrases that several rooms write."""


def counted(count: int, noun: str) -> str:
    """``1 picture``, ``1,024 pictures``: for nouns whose plural is an s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
