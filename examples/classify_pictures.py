"""Convert a model, then classify pictures with it on the fastest runtime that is installed.

    python examples/classify_pictures.py [PICTURE ...]

Without pictures it classifies one that paddleport draws. The weights are made here ("seeded"), so
that it runs without network: the labels mean nothing until you leave ``weights`` out.
"""

import sys
from pathlib import Path

import paddleport as pp
from paddleport.models.synthetic.samples import sample_picture


def main(names: list[str]) -> None:
    """Convert, open, classify."""
    done = pp.convert("MobileNetV2", "MobileNetV2.onnx", opset=11, weights="seeded")
    print(f"{done.path}: {done.verdict} with native Paddle on {len(done.feeds)} feeds")

    backend = "openvino" if usable("openvino") else "onnxruntime"
    pictures = [Path(name) for name in names] or [("a drawn picture", sample_picture())]
    with pp.load(done.artifact, backend, task_options={"topk": 3}) as predictor:
        for found in predictor.predict_many(pictures):
            print(found.picture, found.error)
            print("\n".join(predictor.task.lines(found.answer)) if found.answer else "")


def usable(name: str) -> bool:
    """Whether a backend can be used on this machine."""
    return any(backend.name == name and backend.usable for backend in pp.backends())


if __name__ == "__main__":
    main(sys.argv[1:])
