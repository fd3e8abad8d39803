"""Markdown out of foreign texts: whole tables, and nothing that becomes markup."""

import re
from collections.abc import Sequence

from paddleport.validate.reports import figures, tables

_MARKS = re.compile(r"[\\`*\[\]$]")  # what Markdown reads within a line


def section(title: str, table: tables.Table, note: str = "") -> list[str]:
    """A heading and a table under it; nothing where the table has no lines."""
    return [f"## {title}", note, table_block(table)] if table.lines else []


def folded(title: str, table: tables.Table, note: str = "") -> list[str]:
    """A table that is opened by a click; nothing where it has no lines."""
    return details(title, table_block(table), note) if table.lines else []


def details(title: str, body: str, note: str = "") -> list[str]:
    """Blocks of a part that is opened by a click."""
    return [f"<details><summary>{escaped(title)}</summary>", body, note, "</details>"]


def table_block(table: tables.Table) -> str:
    """A table in GitHub's form."""
    rule = ["---"] * table.texts + ["---:"] * (len(table.columns) - table.texts)
    lines = [
        [safe(cell).replace("|", "\\|") for cell in line] for line in (table.columns, *table.lines)
    ]
    lines.insert(1, rule)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def bullets(sentences: Sequence[str]) -> str:
    """A list of sentences."""
    return "\n".join(f"- {safe(sentence)}" for sentence in sentences)


def safe(text: str) -> str:
    """One line that opens no tag, link, picture, code or formula, wherever it stands."""
    return _MARKS.sub(lambda mark: f"&#{ord(mark[0])};", escaped(text))


def escaped(text: str) -> str:
    """One line that opens no tag."""
    plain = figures.one_line(figures.printable(text))
    return plain.replace("&", "&amp;").replace("<", "&lt;")
