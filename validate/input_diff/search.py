"""Find out where a tensor's pixels come from: from coarse likeness to exact agreement."""

from collections.abc import Callable

from paddleport.models.card import Preprocess
from paddleport.progress import Progress
from paddleport.tensors import Array
from paddleport.validate.input_diff.boxes import box_leads, climb
from paddleport.validate.input_diff.geometry import crop_offsets, our_resize
from paddleport.validate.input_diff.kernels import Kernel, opencv_kernel
from paddleport.validate.input_diff.layouts import Layout
from paddleport.validate.input_diff.locating import Lead, locate, locate_any_size
from paddleport.validate.input_diff.placement import View
from paddleport.validate.input_diff.refining import filled_places, places_around, refine
from paddleport.validate.input_diff.trials import Trials
from paddleport.validate.input_diff.turns import TURNS

_CLIMBED = (
    Kernel("Pillow", "bilinear"),
    Kernel("OpenCV", "linear"),
    Kernel("floats", "antialiased bilinear"),
    Kernel("Pillow", "bicubic"),
    Kernel("OpenCV", "cubic"),
)
LIKE = 0.8
"""Share of the variance; what shares less with a picture may show any other."""

_REPRODUCED = 0.5  # levels of root mean square: rounding, not another rule


def search(
    picture: Array,
    readings: list[Layout],
    preprocess: Preprocess,
    *,
    floor: float,
    progress: Progress,
) -> Trials:
    """Try all that people are known to do, the model's own way first.

    Layouts, turns and sizes are narrowed down by correlation, first of block means and then of
    whole pixels, which also finds the crop at any offset. Interpolations, roundings and offsets
    around those are tried one by one. The search ends early where nothing is left unexplained.

    Args:
        picture: [H, W, 3] uint8 BGR.
        readings: layouts of the tensor.
        preprocess: the model's.
        floor: error in levels that the tensor's own precision makes.
        progress: told what is going on and its share.
    """

    def part(step: str, start: float, end: float) -> Callable[[float], None]:
        progress(step, start)
        return lambda share: progress(step, start + share * (end - start))

    trials = Trials(picture, readings, preprocess, floor)
    part("compare as the model is fed", 0.0, 0.0)
    _try_ours(trials)
    if trials.settled:
        return trials
    refine(trials, filled_places(trials), part("look for a frame", 0.05, 0.1))
    if trials.settled:
        return trials
    part("look for the place in the picture", 0.1, 0.1)
    leads = locate(trials)
    refine(trials, places_around(trials, leads), part("try interpolations", 0.25, 0.6))
    if not _is_reproduced(trials):
        part("look at every size", 0.6, 0.6)
        leads = locate_any_size(trials, leads[0].view)
        refine(trials, places_around(trials, leads), part("try every size", 0.7, 0.8))
    if not _is_reproduced(trials):
        leads = box_leads(trials, leads[0].view, part("look at every part", 0.8, 0.9))
        _refine_boxes(trials, leads, part("try every part", 0.9, 1.0))
    return trials


def _is_reproduced(trials: Trials) -> bool:
    best = trials.best
    return best is not None and best.match.error <= _REPRODUCED and best.match.likeness >= LIKE


def _refine_boxes(trials: Trials, leads: list[Lead], tell: Callable[[float], None]) -> None:
    """Try interpolations; each may have its best part a pixel away from that of another."""
    if not leads:
        return
    best = max(leads, key=lambda lead: lead.score)
    for index, kernel in enumerate(_CLIMBED):
        tell(0.5 * index / len(_CLIMBED))
        best = climb(trials, best, kernel, 0.0)
        if trials.exact:
            return
    refine(trials, places_around(trials, [best]), lambda share: tell(0.5 + 0.5 * share))


def _try_ours(trials: Trials) -> None:
    height, width = trials.picture.shape[:2]
    resize = our_resize((height, width), trials.preprocess)
    kernel = opencv_kernel(trials.preprocess.interpolation)
    for reading in range(len(trials.readings)):
        for turn in TURNS:
            theirs = trials.theirs(View(reading, turn))
            centre = crop_offsets(resize.size, (theirs.shape[0], theirs.shape[1]))["centre"]
            trials.consider(View(reading, turn), resize, kernel, [centre])
            if trials.settled:
                return
