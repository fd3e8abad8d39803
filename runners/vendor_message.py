"""What a vendor's library says when it fails, in one line."""

import re
import textwrap

MESSAGE_CHARACTERS = 300
_CPP_PLACE = re.compile(r"\s*\(at /\S+:\d+\)")
_PADDLE_ERROR = re.compile(r"\w+Error: ")
_SOURCE_PLACE = re.compile(r"Exception from \S+:\d+:$|Check '.*' failed at \S+:\d+:$")


def one_line(error: Exception) -> str:
    """A vendor's message as one line of at most ``MESSAGE_CHARACTERS``.

    Paddle puts a C++ traceback before its reason, or the lines of whoever saved the model after
    "In user code:"; OpenVINO the places in its own source.
    """
    lines = [_CPP_PLACE.sub("", line).strip() for line in str(error).splitlines()]
    if "Error Message Summary:" in lines:
        lines = lines[lines.index("Error Message Summary:") + 1 :]
    elif "In user code:" in lines:
        reasons = [index for index, line in enumerate(lines) if _PADDLE_ERROR.match(line)]
        lines = lines[reasons[-1] if reasons else 0 :]
    telling = (line for line in lines if line.strip("-") and not _SOURCE_PLACE.match(line))
    return textwrap.shorten(" ".join(telling), MESSAGE_CHARACTERS) or type(error).__name__
