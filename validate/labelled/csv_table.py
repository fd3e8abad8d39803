"""A table of pictures as CSV, whose first line names the columns."""

import csv
from collections.abc import Iterator

from paddleport.errors import UsageError
from paddleport.validate.labelled.column_names import LABELS, PATHS, column
from paddleport.validate.labelled.listing import ListedPicture
from paddleport.validate.labelled.path_listing import PathListing
from paddleport.validate.labelled.text_file import text_lines

_DELIMITERS = (",", "\t", ";", "|")


class CsvTable(PathListing):
    """A CSV, TSV or the like with a column for the path and one for the label."""

    def entries(self) -> Iterator[ListedPicture]:
        """In the file's order."""
        name = self._file.name
        lines = text_lines(self._file)
        header = next(lines, "")
        delimiter = max(_DELIMITERS, key=header.count)
        columns = next(csv.reader([header], delimiter=delimiter), [])
        path = column(columns, PATHS, "picture", name)
        label = column(columns, LABELS, "label", name)
        ended = (f"{line}\n" for line in lines)
        rows = csv.reader(ended, delimiter=delimiter)
        try:
            for row in rows:
                if not any(cell.strip() for cell in row):
                    continue
                if len(row) <= max(path, label) or not (row[path].strip() and row[label].strip()):
                    raise UsageError(
                        f"{name} line {rows.line_num + 1} has no '{columns[path].strip()}' or no "
                        f"'{columns[label].strip()}'"
                    )
                yield self.entry(row[path].strip(), row[label].strip())
        except csv.Error as error:
            raise UsageError(f"{name} line {rows.line_num + 1} is not CSV: {error}") from None
