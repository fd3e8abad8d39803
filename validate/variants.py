"""Stub of the variants, to be replaced by their author."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from paddleport.models.card import Preprocess
from paddleport.tensors import Array


@dataclass(frozen=True)
class Variant:
    """One."""

    name: str
    sentence: str
    tensor: Array


def input_variants(
    tensor: Array, preprocess: Preprocess | None, picture: Array | None
) -> Iterator[Variant]:
    """One."""
    yield Variant("channels swapped", "Swap.", np.ascontiguousarray(tensor[:, ::-1]))
