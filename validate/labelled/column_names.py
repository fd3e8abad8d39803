"""Which columns of somebody's table hold the picture and its label."""

from collections.abc import Collection, Sequence

from paddleport.errors import UsageError
from paddleport.validate.labelled.listing import some

_PATHS = """
path file filename filepath image imagepath imagefile imagefilename imagename img imgpath imgname
picture relativepath fullpath imageid
"""
_LABELS = """
label labels labelid labelidx labelindex labelname target targets y class classid classidx
classindex classname category categoryid cls synset wnid groundtruth finelabel
"""
PATHS = frozenset(_PATHS.split())
LABELS = frozenset(_LABELS.split())
PICTURES = frozenset(("image", "img", "picture", "jpg", "jpeg", "png", "imagebytes", "bytes"))


def column(names: Sequence[str], known: Collection[str], what: str, table: str) -> int:
    """The place of the one column that holds ``what``.

    Args:
        names: of all columns.
        known: the usual names, without case, spaces, ``_`` and ``-``.
        what: ``picture`` or ``label``, for messages.
        table: its file's name, likewise.

    Raises:
        UsageError: none of the columns is called so, or several are.
    """
    found = [place for place, name in enumerate(names) if _plain(name) in known]
    if len(found) == 1:
        return found[0]
    if found:
        several = some(names[place] for place in found)
        raise UsageError(
            f"{table} has {len(found)} columns that may be the {what}: {several}. Keep one of them"
        )
    likely = "path" if what == "picture" else "label"
    raise UsageError(
        f"{table} has no column for the {what}, only {some(names)}: its first line names the "
        f"columns, call it '{likely}'"
    )


def _plain(name: str) -> str:
    return "".join(character for character in name.strip().lower() if character not in " _-")
