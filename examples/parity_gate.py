"""A gate for a build: exit code 1 if any runtime gives other numbers than native Paddle.

    python examples/parity_gate.py MODEL FOLDER

MODEL is a name of the zoo or a folder with a Paddle model; the reports are written into FOLDER.
"""

import sys
from pathlib import Path

import paddleport as pp
from paddleport.validate import Plan


def main(model: str, folder: Path) -> int:
    """Validate, write the reports, and say which step or backend is to blame."""
    known = {card.name for card in pp.models()}
    report = pp.validate(
        model,
        weights="seeded" if model in known else "auto",
        plan=Plan(quick=True, seconds_each=0.5),
    )
    for row in report.rows:
        print(f"{row.name:<16} {row.verdict:<10} {row.cause} {row.step} {row.reason}".rstrip())
        if row.verdict == "differs":
            print(f"  {row.explanation}")
    for file in report.write(folder):
        print(file)
    return {"agrees": 0, "differs": 1}.get(report.verdict, 2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
