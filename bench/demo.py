"""``make demo``: the main job on a real photo, command by command as a user would type it."""

import argparse
import importlib.resources
import json
import shlex
import subprocess
import sys
from pathlib import Path

OUT = Path("out")


def photos() -> list[Path]:
    """A cat, a cup of coffee and a rocket, which scikit-image carries (CC0 and public domain)."""
    folder = importlib.resources.files("skimage") / "data"
    return [Path(str(folder / name)) for name in ("chelsea.png", "coffee.png", "rocket.jpg")]


def paddleport(*arguments: object, quiet: bool = False) -> str:
    """Run one command, show it and what it prints, and end with its exit code if it fails."""
    words = [str(argument) for argument in arguments]
    if not quiet:
        shown = [Path(word).name if word in map(str, photos()) else word for word in words]
        print(f"\n\033[1m$ paddleport {shlex.join(shown)}\033[0m", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "paddleport", *words],
        stdout=subprocess.PIPE if quiet else None,
        text=True,
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout or ""


def main() -> None:
    """Convert, run on every usable backend, validate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--opset", default="11")
    asked = parser.parse_args()
    file = OUT / f"{asked.model}.onnx"
    opset = ("--opset", asked.opset)
    paddleport("convert", asked.model, *opset, "-o", file)
    for backend in json.loads(paddleport("backends", "--json", quiet=True)):
        if backend["usable"]:
            model = asked.model if "paddle" in backend["formats"] else file
            paddleport("run", model, "--backend", backend["name"], "--topk", 3, photos()[0])
    images = [word for photo in photos() for word in ("--images", photo)]
    paddleport("validate", asked.model, *opset, "--onnx", file, *images, "--out", OUT / asked.model)


if __name__ == "__main__":
    main()
