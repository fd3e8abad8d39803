"""Write what the commands print into README.md and docs/, or check that it still stands there.

python docs/readme.py            runs each ``$ ...`` of a console block and writes what it prints
python docs/readme.py --check    fails if the output differs in more than measured numbers

A block of Python with a title is a file of that name for the commands after it; one of YAML shows
the file of that name in this repository.
"""

import re
import sys
import tempfile
from pathlib import Path

from digits import lay_out_digits
from page_commands import PageCommands

DOCS = Path(__file__).parent
PAGES = (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
_BLOCK = re.compile(
    r'```(?P<kind>console|python|yaml)(?: title="(?P<title>[^"\n]+)")?\n(?P<text>.*?)```', re.DOTALL
)
_NUMBER = re.compile(r"\d+(\.\d+)*(e[+-]\d+)?")


def comparable(output: str) -> str:
    """Output without measured numbers and without the padding that their widths cause."""
    masked = _NUMBER.sub("#", output)
    return re.sub(r"[\s─]+", " ", masked)


def renewed(page: str, folder: Path, stale: list[str]) -> str:
    """The page with what its commands print now; ``stale`` is told of what is no longer so."""
    with PageCommands(folder) as commands:

        def new_block(match: re.Match[str]) -> str:
            kind, title, text = match["kind"], match["title"], match["text"]
            if kind == "console" and text.startswith("$ "):
                command, _, output = text[2:].partition("\n")
                now = commands.printed(command)
                if comparable(now) != comparable(output):
                    stale.append(f"$ {command}\n{now}")
                return f"```console\n$ {command}\n{now}```"
            if kind == "python" and title:
                commands.write(title, text)
            if kind == "yaml" and title:
                now = (DOCS.parent / title).read_text()
                if now != text:
                    stale.append(f"{title}\n{now}")
                return f'```yaml title="{title}"\n{now}```'
            return match[0]

        return _BLOCK.sub(new_block, page)


def main() -> None:
    """Rewrite or check every block."""
    stale: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        lay_out_digits(Path(folder))
        new = {page: renewed(page.read_text(), Path(folder), stale) for page in PAGES}
    if "--check" not in sys.argv:
        for page, text in new.items():
            page.write_text(text)
    elif stale:
        sys.exit("the pages no longer show what is printed:\n\n" + "\n".join(stale))


if __name__ == "__main__":
    main()
