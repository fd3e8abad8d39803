"""A backend as a plug-in that keeps what it compiled, and a vice that strikes on a warm start."""

from pathlib import Path

import pytest
from plugin import install

SOURCE = '''
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddleport.errors import ModelFileError, UsageError
from paddleport.runners.base import Runner
from paddleport.runners.compiled_cache import FROM_CACHE
from paddleport.tensors import TensorSpec


@dataclass(frozen=True)
class Keeping:
    vice: str = ""
    cache: bool = False


class Keeps(Runner):
    """Writes down every start that was to keep something, cold or warm."""

    name = "keeps"
    formats = ("onnx",)
    distributions = ("numpy",)
    devices = ("cpu", "cuda")
    extras_type = Keeping
    computes_in = "fp32"

    @classmethod
    def check_options(cls, options):
        checked = super().check_options(options)
        if checked.device == "cuda" and checked.extras.cache:
            raise UsageError("-o cache is of the CPU")
        return checked

    def load(self, model):
        self.inputs = (TensorSpec("x", "float32", (None, 8)),)
        self.outputs = (TensorSpec("y", "float32", (None, 8)),)
        kept = Path(os.environ["PADDLEPORT_CACHE"]) / "kept"
        self.warm = self.extras.cache and kept.exists()
        if self.extras.cache:
            kept.parent.mkdir(exist_ok=True)
            with kept.open("a") as stream:
                stream.write("warm " if self.warm else "cold ")
        if self.warm and self.extras.vice == "falls":
            raise ModelFileError("what was kept is no model")
        if self.warm and self.extras.vice != "forgets":
            self.notes = (*self.notes, FROM_CACHE)

    def infer(self, feed):
        y = np.exp(feed["x"])
        if self.warm and self.extras.vice == "another":
            y = y[:, ::-1].copy()
        if self.warm and self.extras.vice == "a bit":
            y = np.nextafter(y, np.float32(np.inf))
        return {"y": y}
'''


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it."""
    install(folder, monkeypatch, "planted_keeping", SOURCE, ["Keeps"])
