"""A gate for a build: exit code 1 if any runtime is less accurate than native Paddle.

    python examples/accuracy_gate.py MODEL DATA FOLDER [WEIGHTS]

MODEL is a folder with a Paddle model that says how pictures are fed (an inference.yml), or a name
of the zoo, for which WEIGHTS may be a .pdparams checkpoint. DATA has labelled pictures: a folder
for each class, val_list.txt, a CSV, or shards. The reports are written into FOLDER. Exit code 2:
too few pictures to tell; the reason says how many would do.
"""

import sys
from pathlib import Path

import paddleport as pp


def main(model: str, data: Path, folder: Path, weights: str = "auto") -> int:
    """Evaluate every backend that is usable here, and say what became of each."""
    report = pp.evaluate(model, data, weights=weights, out=folder)
    for row in report.rows:
        print(f"{row.name:<18} {row.verdict:<10} top-1 {row.top1.share:.2%} {row.reason}".rstrip())
    for file in report.write(folder):
        print(file)
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:]))
