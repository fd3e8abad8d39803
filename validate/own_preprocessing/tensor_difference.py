"""By how much two preprocessed tensors of one picture are apart."""

from dataclasses import dataclass

import numpy as np

from paddleport.models.preprocess import Preprocess
from paddleport.tensors import Array, format_shape


@dataclass(frozen=True, kw_only=True)
class TensorDifference:
    """Two tensors that are not the same bits.

    Attributes:
        levels: the largest difference, in levels of 255 of an 8-bit pixel; ``None`` where the
            tensors can't be compared.
        share: of the pixels, those of which any channel differs.
        shapes: theirs and ours, where they differ; else empty.
    """

    levels: float | None
    share: float
    shapes: str = ""

    @property
    def text(self) -> str:
        """In words."""
        if self.levels is None:
            return self.shapes
        return f"up to {self.levels:.3g} of 255 levels in {self.share:.2%} of the pixels"


def tensor_difference(
    theirs: Array, ours: Array, preprocess: Preprocess
) -> TensorDifference | None:
    """The difference; ``None`` where both are the same, bit for bit.

    Args:
        theirs: (1, C, H, W) float32, or (1, H, W, 3) uint8.
        ours: likewise.
        preprocess: the rules that ours was made by.
    """
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        shapes = (
            f"{theirs.dtype} [{format_shape(theirs.shape)}] instead of "
            f"{ours.dtype} [{format_shape(ours.shape)}]"
        )
        return TensorDifference(levels=None, share=1.0, shapes=shapes)
    if theirs.tobytes() == ours.tobytes():
        return None
    apart = np.abs(theirs.astype(np.float64) - ours)
    if ours.dtype == np.uint8:
        return _difference(apart, apart > 0, channels=3)
    level = np.ones(ours.shape[1])
    if preprocess.scale:
        level[:3] = np.abs(np.array(preprocess.std) / preprocess.scale)
    unlike = theirs.view(np.uint32) != ours.view(np.uint32)  # -0.0 is not 0.0
    return _difference(apart * level[None, :, None, None], unlike, channels=1)


def _difference(levels: Array, unlike: Array, *, channels: int) -> TensorDifference:
    largest = float(levels.max()) if np.isfinite(levels).all() else float("inf")
    return TensorDifference(levels=largest, share=float(unlike.any(axis=channels).mean()))
