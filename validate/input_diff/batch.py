"""Which picture of a batch shows a given one."""

from paddleport.models.card import Preprocess
from paddleport.progress import Progress
from paddleport.tensors import Array
from paddleport.validate.input_diff.alignment import best_offset, block_means, luminance
from paddleport.validate.input_diff.geometry import our_resize
from paddleport.validate.input_diff.kernels import Kernel, resample
from paddleport.validate.input_diff.layouts import layouts

_BLOCKS = 48  # along the shorter side of what is compared
_AS_WELL = 0.98  # of the best likeness: the first such row is taken


def row_of(picture: Array, batch: Array, preprocess: Preprocess, progress: Progress) -> int:
    """The first row of a batch that shows the picture as well as any does.

    Args:
        picture: [H, W, 3] uint8.
        batch: four axes, of any layout.
        preprocess: the model's; its size is where the picture is looked for.
        progress: told how far it is.
    """
    if len(batch) == 1:
        return 0
    size = our_resize((picture.shape[0], picture.shape[1]), preprocess).size
    whole = resample(picture, size, Kernel("OpenCV", "area"))
    scores = []
    for row in range(len(batch)):
        progress("look for the picture in the batch", 0.05 * row / len(batch))
        scores.append(_likeness(whole, batch[row]))
    least = _AS_WELL * max(scores)
    return next(row for row, score in enumerate(scores) if score >= least)


def _likeness(whole: Array, tensor: Array) -> float:
    scores = [0.0]
    for layout in layouts(tensor, batch=True):
        factor = max(1, min(layout.picture.shape[:2]) // _BLOCKS)
        part = block_means(luminance(layout.picture), factor)
        blocks = block_means(luminance(whole), factor)
        if all(have >= want for have, want in zip(blocks.shape, part.shape, strict=True)):
            scores.append(best_offset(blocks, part)[0])
    return max(scores)
