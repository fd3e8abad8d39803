"""Write what the commands print into README.md and docs/, or check that it still stands there.

python docs/readme.py            runs each ``$ paddleport ...`` of a console block and writes
python docs/readme.py --check    fails if the output differs in more than measured numbers
"""

import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from digits import lay_out_digits

DOCS = Path(__file__).parent
PAGES = (DOCS.parent / "README.md", *sorted(DOCS.glob("*.md")))
_BLOCK = re.compile(r"```console\n\$ paddleport (?P<words>[^\n]*)\n(?P<output>.*?)```", re.DOTALL)
_NUMBER = re.compile(r"\d+(\.\d+)*(e[+-]\d+)?")


def printed(words: str, folder: str) -> str:
    """What a command prints, stdout then stderr, run where there are the digits and no more."""
    done = subprocess.run(
        [sys.executable, "-m", "paddleport", *shlex.split(words)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    lines = (done.stdout + done.stderr).strip().splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def comparable(output: str) -> str:
    """Output without measured numbers and without the padding that their widths cause."""
    masked = _NUMBER.sub("#", output)
    return re.sub(r"[\s─]+", " ", masked)


def main() -> None:
    """Rewrite or check every block."""
    stale = []

    with tempfile.TemporaryDirectory() as folder:
        lay_out_digits(Path(folder))

        def renewed(match: re.Match[str]) -> str:
            output = printed(match["words"], folder)
            if comparable(output) != comparable(match["output"]):
                stale.append(f"$ paddleport {match['words']}\n{output}")
            return f"```console\n$ paddleport {match['words']}\n{output}```"

        new = {page: _BLOCK.sub(renewed, page.read_text()) for page in PAGES}
    if "--check" not in sys.argv:
        for page, text in new.items():
            page.write_text(text)
    elif stale:
        sys.exit("the pages no longer show what is printed:\n\n" + "\n".join(stale))


if __name__ == "__main__":
    main()
