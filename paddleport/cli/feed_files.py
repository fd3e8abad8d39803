"""``--feed``: tensors from .npy and .npz files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddleport.errors import FeedError, UsageError

if TYPE_CHECKING:
    from paddleport.tensors import Array, Feed

FeedOption = Annotated[
    list[str] | None,
    typer.Option(
        "--feed",
        metavar="NAME=FILE|FILE",
        help="An input's tensor as NAME=FILE.npy, or all of them in FILE.npz. Each further .npz, "
        "or .npy of the same NAME, is one more feed.",
    ),
]


def feeds_from(texts: list[str] | None) -> list["Feed"]:
    """``--feed`` texts as feeds: the n-th .npz and the n-th tensor of each name make the n-th.

    Raises:
        UsageError: not everything is there equally often, or a tensor is there twice.
        FeedError: a file that holds no numbers.
    """
    archives: list[str] = []
    tensors: dict[str, list[str]] = {}
    for text in texts or ():
        if text.endswith(".npz") and "=" not in text:
            archives.append(text)
        else:
            name, _ = _parts(text)
            tensors.setdefault(name, []).append(text)
    counts = {"FILE.npz": len(archives)} if archives else {}
    counts |= {name: len(found) for name, found in tensors.items()}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise UsageError(
            f"--feed is not given equally often ({found}), so its feeds are not whole: the n-th "
            ".npz and the n-th NAME=FILE.npy of each name make the n-th feed"
        )
    return [
        _whole([items[number] for items in (archives, *tensors.values()) if items])
        for number in range(max(counts.values(), default=0))
    ]


def _whole(texts: list[str]) -> "Feed":
    """One feed out of its parts."""
    feed: dict[str, Array] = {}
    for text in texts:
        part = dict([load_tensor(text)]) if "=" in text else load_tensors(Path(text))
        if twice := sorted(feed.keys() & part.keys()):
            raise UsageError(f"--feed {text} gives {', '.join(twice)} once more: leave one out")
        feed |= part
    return feed


def _parts(text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not equals or not name or not file:
        raise UsageError(f"--feed {text} is not possible: write NAME=FILE.npy, or FILE.npz")
    return name, Path(file)


def load_tensor(text: str) -> tuple[str, "Array"]:
    """``x=FILE.npy`` as a name and the array in the file.

    Raises:
        UsageError: the text has another form.
        FeedError: the file is not a .npy of numbers.
    """
    name, file = _parts(text)
    return name, load_array(file)


def load_array(path: Path) -> "Array":
    """The array in a .npy file, or the only one in a .npz.

    Raises:
        FeedError: the file is neither, or holds several.
    """
    if path.suffix == ".npz":
        arrays = load_tensors(path)
        if len(arrays) != 1:
            raise FeedError(f"{path} holds {len(arrays)} arrays, and one is wanted: save it alone")
        return next(iter(arrays.values()))
    from paddleport.validate.feeds.tensor_files import load_npy

    return load_npy(path)


def load_tensors(path: Path) -> dict[str, "Array"]:
    """All inputs from one .npz file, by name, as ``--save-worst`` writes them.

    Raises:
        FeedError: the file is not a .npz of numbers, or unpacks to too much.
    """
    from paddleport.validate.feeds.tensor_files import load_npz

    return load_npz(path)
