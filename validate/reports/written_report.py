"""What every report can do: JSON, Markdown and a page, in a notebook and as files."""

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from paddleport.files import write_atomically


class WrittenReport(ABC):
    """Plain values, Markdown and a page; in a notebook it shows itself as Markdown."""

    @property
    @abstractmethod
    def file_stem(self) -> str:
        """What the files are called, without the suffix."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the report's schema describes them."""

    @abstractmethod
    def to_markdown(self) -> str:
        """As Markdown, to paste into a pull request."""

    @abstractmethod
    def to_html(self) -> str:
        """As one HTML page that needs nothing else."""

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def files(self, folder: Path) -> list[Path]:
        """Where page, Markdown and JSON are."""
        return [folder / f"{self.file_stem}.{suffix}" for suffix in ("html", "md", "json")]

    def write(self, folder: Path) -> list[Path]:
        """Write page, Markdown and JSON into ``folder`` and return their paths."""
        texts, files = (self.to_html(), self.to_markdown(), self.to_json()), self.files(folder)
        for file, text in zip(files, texts, strict=True):
            write_atomically(file, text.encode())
        return files

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    def __str__(self) -> str:
        return self.to_markdown()
