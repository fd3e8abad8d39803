"""Class names: the 1000 of ImageNet, and label files as PaddleClas writes them."""

import errno
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from paddleport.errors import ModelFileError, ModelNotFoundError
from paddleport.models.metadata import CONTROL

MAX_LABEL_BYTES = 16 * 1024 * 1024
"""The largest label file that is read: 22,000 ImageNet names take 1 MB."""

_NUMBERED = re.compile(r"(\d+)(?: (.*))?")


@cache
def imagenet_labels() -> tuple[str, ...]:
    """The 1000 ImageNet class names by index.

    The data file is PaddleClas 2.6's ``ppcls/utils/imagenet1k_label_list.txt``, unchanged
    (Copyright PaddlePaddle Authors, Apache-2.0).
    """
    resource = files("paddleport.models").joinpath("imagenet_labels.txt")
    return parse_labels(resource.read_text(encoding="utf-8"), "imagenet_labels.txt")


def read_labels(path: Path) -> tuple[str, ...]:
    """Read class names by index from a file: ``id name`` on each line, or bare names in order.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelFileError: the file is no list of labels.
    """
    try:
        if not path.is_file():  # never a device or a pipe, which may have no end
            raise ModelNotFoundError(f"no label file {path}")
        with path.open("rb") as stream:
            content = stream.read(MAX_LABEL_BYTES + 1)
    except (OSError, ValueError) as error:  # a name that no file can have
        if not isinstance(error, OSError) or error.errno == errno.ENAMETOOLONG:
            raise ModelNotFoundError("no label file of that name") from None
        raise ModelFileError(f"label file {path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_LABEL_BYTES:
        raise ModelFileError(f"{path} is over {MAX_LABEL_BYTES >> 20} MB: no label file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ModelFileError(
            f"{path} is not UTF-8 text: a label file has one 'id name' per line"
        ) from None
    return parse_labels(text, str(path))


def parse_labels(text: str, name: str) -> tuple[str, ...]:
    """Class names by index from the text of a label file.

    PaddleClas splits ``id name`` at the first space. A list in which some line starts with
    no number is taken as bare names.

    Args:
        text: the file's content.
        name: what to call the file in an error.

    Raises:
        ModelFileError: no labels, control characters, or ids that are not 0, 1, 2, ... once each.
    """
    lines = re.split(r"\r?\n", text.rstrip())  # not splitlines: a name may hold U+2028
    if CONTROL.search("".join(lines)) or not all(line.strip() for line in lines):
        raise ModelFileError(f"{name} is not a label file: it needs one 'id name' per line")
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if not all(numbered):
        return tuple(line.strip() for line in lines)
    by_id = {int(match[1]): (match[2] or "").strip() for match in numbered if match}
    if sorted(by_id) != list(range(len(lines))):
        raise ModelFileError(
            f"{name} has {len(lines)} lines, so its ids must be 0 to {len(lines) - 1}, once each"
        )
    return tuple(by_id[index] for index in range(len(lines)))
