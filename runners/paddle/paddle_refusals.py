"""What this Paddle lacks for a program that it does not load or run, in a sentence."""

import re

_OTHER_PADDLE = (
    "The model was saved by another Paddle, or with operators of its own: open it with the Paddle "
    "that saved it, and save it again with the one that is here"
)
_OTHER_DEVICE = (
    "The model was saved for another device, as one in half precision is for GPUs: give the model "
    "in float32"
)
_KNOWN = (
    (r"Operator \((\w+)\) is not registered", "has no operator {0}", _OTHER_PADDLE),
    (
        r"Op \w+ should have corresponding OpInfo (?:pd_op\.)?(\w+)",
        "has no operator {0}",
        _OTHER_PADDLE,
    ),
    (r"Unknown id (\w+) for decompress dialect", "has no operators '{0}'", _OTHER_PADDLE),
    (r"op \[\] kernel output args \(0\)", "does not know one of the operators", _OTHER_PADDLE),
    (
        r"op \[(?:\w+\.)?(\w+)\] kernel output args \(0\)",
        "has no kernel of {0} for this device and type",
        _OTHER_DEVICE,
    ),
    (
        r"\b(\w+) does not exist\.\s*\[Hint: Expected attributes",
        "misses the attribute {0} of an operator",
        _OTHER_PADDLE,
    ),
    (
        r"no kernels which are registered in the (\w+) operator",
        "has no kernel of {0} for this device and type",
        _OTHER_DEVICE,
    ),
    (
        r"kernel with key \((\w+),.*?(\w+)\) of kernel `(\w+)` is not registered",
        "has no {1} kernel of {2} for {0}",
        _OTHER_DEVICE,
    ),
    (
        r"[Kk]ernel `(\w+)` is not registered",
        "has no kernel of {0}",
        _OTHER_DEVICE,
    ),
)  # Paddle's text, what it says of this Paddle, and what to do


def why_refused(text: str) -> str:
    """What Paddle's text says that it lacks, as a sentence's end, and what to do; or empty."""
    flat = " ".join(text.split())
    for pattern, lacks, next_step in _KNOWN:
        found = re.search(pattern, flat)
        if found:
            return f"{lacks.format(*found.groups())}. {next_step}"
    return ""
