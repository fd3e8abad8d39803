"""Paddle, or one line that says why it can't be had; a worker imports this and little else."""

import importlib
from typing import Any

from paddleport.errors import BackendUnavailableError


def import_paddle() -> Any:
    """The ``paddle`` module.

    Raises:
        BackendUnavailableError: it is not installed, or something that it needs is missing.
    """
    try:
        return importlib.import_module("paddle")
    except ImportError as error:
        raise BackendUnavailableError(
            f"paddle cannot be imported ({error}): pip install 'paddleport[cpu]'"
        ) from error
