"""What a file says of a model, in JSON that anybody may have written, held against its rules."""

import re

MAX_NAME = 128  # with what caches and reports add, below the 255 bytes of a file system

_NO_NAME = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff/\\:*?"<>|]')


def is_plain_name(name: str) -> bool:
    """Whether a text can name a file in a folder, on every system, and nothing outside it."""
    return (
        name.strip(". ") != ""
        and len(name.encode("utf-8", "replace")) <= MAX_NAME
        and not _NO_NAME.search(name)
    )
