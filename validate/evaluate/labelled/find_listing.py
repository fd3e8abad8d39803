"""Which form somebody's labelled data has."""

from pathlib import Path

from paddleport.errors import UsageError
from paddleport.validate.evaluate.labelled.class_folders import ClassFolders, class_folder_names
from paddleport.validate.evaluate.labelled.list_file import LIST_NAME, ListFile
from paddleport.validate.evaluate.labelled.listing import Listing


def find_listing(data: Path, *, list_file: Path | None, root: Path | None) -> Listing:
    """The listing of labelled data.

    Raises:
        UsageError: there is no such data.
    """
    if list_file is not None:
        return ListFile(list_file, root or data, list_file.name)
    if data.is_file():
        return ListFile(data, root or data.parent, data.name)
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder or list")
    if (data / LIST_NAME).is_file():
        return ListFile(data / LIST_NAME, root or data, data.name)
    if class_folder_names(data):
        return ClassFolders(data)
    raise UsageError(
        f"{data} holds neither {LIST_NAME} ('path label' per line) nor one folder per class"
    )
