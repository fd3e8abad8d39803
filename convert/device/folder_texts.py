"""The texts of a device folder: its README, its programs, and the preprocessing as constants."""

import json
import re
from collections.abc import Sequence
from importlib.resources import files

from paddleport.models.artifact import Artifact
from paddleport.models.preprocess import Preprocess
from paddleport.tensors import format_shape
from paddleport.validate.device.manifest import DeviceTensor, Manifest

PROGRAM = "run_feeds"
_LANGUAGES = ("py", "cpp")
_PACKAGE = "paddleport.convert.device"

PREPROCESS_FIELDS = {
    "resize_short": "pixels: the shorter side is resized to it, the other to round(side * "
    "(resize_short / shorter side)), halves to the even number; null: not so",
    "resize": "[height, width] in pixels that the picture is resized to; null: not so",
    "crop": "[height, width] in pixels of the crop from the centre, its top and left offset "
    "rounded down; null: the whole picture",
    "interpolation": "of the resize, by the name that resize_backend has for it",
    "scale": "what an 8-bit pixel value, 0 to 255, is multiplied with, without a unit",
    "mean": "subtracted after that from each channel, in the order of channels, without a unit",
    "std": "what is divided by after that, likewise",
    "channels": "the order of the colour channels in the tensor",
    "resize_backend": "what resizes: cv2 is OpenCV's cv::resize on 8-bit pixels, pil is Pillow's "
    "Image.resize, which averages over more pixels",
    "channel_num": "channels of the tensor: where there are 4, the last one is zeros",
    "layout": "the order of the tensor's axes: examples, channels, rows from the top, columns "
    "from the left",
    "dtype": "of the tensor; every step after the crop is computed in it",
    "value": "how a value of the tensor comes from an 8-bit pixel",
}
"""What stands in ``preprocess.json``, and what each field means with its unit."""


def preprocess_text(rules: Preprocess) -> str:
    """The constants of a preprocessing with what each of them means."""
    values = {
        **rules.to_dict(),
        "resize_backend": rules.resize_backend,
        "channel_num": rules.channel_num,
        "layout": "NCHW",
        "dtype": "float32",
        "value": "(pixel * scale - mean) / std",
    }
    whole = {"schema": 1, **values, "meaning": PREPROCESS_FIELDS}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def program_files(manifest: Manifest) -> dict[str, str]:
    """Programs that run the feeds with this format's runtime, by the name of their file."""
    folder = files(_PACKAGE).joinpath("programs")
    found = {}
    for language in _LANGUAGES:
        program = folder.joinpath(f"{manifest.format}.{language}.txt")
        if program.is_file():
            found[f"{PROGRAM}.{language}"] = program.read_text("utf-8")
    return found


def readme_text(
    manifest: Manifest,
    made: Artifact,
    programs: Sequence[str],
    rules: Preprocess | None,
    labels: Sequence[str] | None,
) -> str:
    """What whoever stands at the device has to know."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # Markdown for people: nothing in it is escaped
        autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files(_PACKAGE).joinpath("folder.md.j2").read_text("utf-8")
    text: str = environment.from_string(template).render(
        manifest=manifest,
        model_files=[file.name for file in made.files],
        programs=programs,
        program=PROGRAM,
        rules=rules,
        labels=labels,
        describe=_described,
        raw_bytes=_raw_bytes,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _described(tensor: DeviceTensor) -> str:
    """Name, type and sizes, each of them once."""
    shapes = dict.fromkeys(format_shape(shape) for shape in tensor.shapes)
    return f"{tensor.name}, {tensor.dtype} {' or '.join(f'[{shape}]' for shape in shapes)}"


def _raw_bytes(tensor: DeviceTensor) -> str:
    return f"{tensor.file_name}.FEED.bin"
