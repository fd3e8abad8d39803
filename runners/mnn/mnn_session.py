"""What both of MNN's ways to run a file have in common: settings, types, and what it prints."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.runners.printed_by_vendors import CapturedPrints
from paddleport.tensors import Array

# Interpreter::HintMode, SessionMode and SessionInfoCode of MNN, which Python has no names for.
STRICT_CHECK, WINOGRAD_LEVEL, DYNAMIC_QUANT = 1, 3, 5
WITHOUT_CALLBACKS, INPUTS_INSIDE, FIXED_BACKEND = 1, 2, 8

# 3, MNN's own, takes Winograd tiles so large that fp32 is wrong by 5e-4 (ResNet-18 of faces); by
# 1 it is 2e-6, and at most a tenth slower; by 0 no better, and half as slow again.
HINTS = ((STRICT_CHECK, 1), (WINOGRAD_LEVEL, 1), (DYNAMIC_QUANT, 0))
MODES = (WITHOUT_CALLBACKS, INPUTS_INSIDE, FIXED_BACKEND)


def session_settings(threads: int) -> dict[str, Any]:
    """Every setting that could lower the precision; none is left to MNN.

    MNN's own are "normal": on ARM half floats where the CPU has them, and 8-bit arithmetic on
    files with 8-bit weights. On x86 3.6.1 computes the same bits in each, by which nothing of
    these can be shown there.
    """
    return {
        "backend": "CPU",
        "precision": "high",
        "memory": "high",
        "power": "normal",
        "numThread": threads,
    }


class MnnSession(ABC):
    """One .mnn file, ready to run.

    Attributes:
        inputs: the dtype that MNN holds each in, by name.
        outputs: their names; of what type they are is known when they are there.
    """

    inputs: Mapping[str, str]
    outputs: Sequence[str]

    @abstractmethod
    def run(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Run once on tensors of the dtypes in ``inputs``; the arrays returned are the caller's.

        Raises:
            MnnError: MNN does not compute this feed.
        """


class MnnError(Exception):
    """What MNN says of a file or a feed that it does not take."""


class NeedsModule(Exception):
    """A file that MNN's interpreter refuses, and that its module may run."""


def mnn_error(printed: CapturedPrints, otherwise: str) -> MnnError:
    """The last lines that MNN has printed; it raises nothing, or says to look there."""
    lines = [line.strip() for line in printed.text().splitlines()]
    telling = [line for line in lines if line and not line.startswith(("MNN use ", "The device "))]
    return MnnError("; ".join(dict.fromkeys(telling[-3:])) or otherwise)


def check_threads(asked: int, taken: int) -> None:
    """Hold the threads that MNN took against those it was asked for.

    Raises:
        BackendUnavailableError: they are fewer, as they are where there are not so many CPUs.
    """
    if taken != asked:
        raise BackendUnavailableError(
            f"mnn was asked for {asked} threads and took {taken}: try --threads {taken}"
        )


def dense(values: Array) -> Array:
    """The same values, one after the other in memory."""
    return np.ascontiguousarray(values).reshape(values.shape)


def pattern(shape: Sequence[int], dtype: str) -> Array:
    """Values of which no two neighbours are equal, to see in which order they come back."""
    return np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
