"""What a vendor's library says when it fails, in one line."""

import re
import textwrap

MESSAGE_CHARACTERS = 300
_SOURCE_PLACE = re.compile(r"Exception from \S+:\d+:$|Check '.*' failed at \S+:\d+:$")


def one_line(error: Exception) -> str:
    """A vendor's message as one line of at most ``MESSAGE_CHARACTERS``.

    Paddle puts a C++ traceback before its reason, OpenVINO the places in its own source.
    """
    lines = [line.strip() for line in str(error).splitlines()]
    if "Error Message Summary:" in lines:
        lines = lines[lines.index("Error Message Summary:") + 1 :]
    telling = (line for line in lines if line.strip("-") and not _SOURCE_PLACE.match(line))
    return textwrap.shorten(" ".join(telling), MESSAGE_CHARACTERS) or type(error).__name__
