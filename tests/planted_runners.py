"""Faulty backends as a plug-in: each spoils one tensor of whatever graph it is given."""

from pathlib import Path

import pytest
from plugin import install

NAMES = ("Spoils", "Crashes", "Refuses", "OnlyWhole", "Dawdles", "Half", "Absent", "Narrow")
SOURCE = '''
import ctypes
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from paddleport.errors import ModelFileError
from paddleport.models.artifact import onnx_artifact
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeExtras, OnnxRuntimeRunner


@dataclass(frozen=True)
class At(OnnxRuntimeExtras):
    at: str = ""
    by: float = 0.01
    pause: float = 0.0


class Spoils(OnnxRuntimeRunner):
    """The tensor named by -o at= is larger by the factor 1 + by, wherever it is computed."""

    name = "spoils"
    extras_type = At

    def load(self, model):
        proto = onnx.load(str(model.path))
        time.sleep(self.extras.pause)
        if self.applies(proto):
            self.plant(proto)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "spoilt.onnx"
            onnx.save(proto, str(file))
            super().load(onnx_artifact(file))

    def applies(self, proto):
        return any(self.extras.at in node.output for node in proto.graph.node)

    def plant(self, proto):
        at = self.extras.at
        for index, node in enumerate(proto.graph.node):
            if at in node.output:
                node.output[list(node.output).index(at)] = "clean"
                factor = np.array(1 + self.extras.by, np.float32)
                proto.graph.initializer.append(numpy_helper.from_array(factor, "factor"))
                added = helper.make_node("Mul", ["clean", "factor"], [at])
                if node.op_type in ("ArgMax", "Greater", "Less"):
                    added = helper.make_node(
                        "Not" if node.op_type != "ArgMax" else "Neg", ["clean"], [at]
                    )
                    proto.graph.initializer.pop()
                proto.graph.node.insert(index + 1, added)
                return


class Dawdles(Spoils):
    name = "dawdles"


class OnlyWhole(Spoils):
    """Spoils it only where the graph has two outputs."""

    name = "onlywhole"

    def applies(self, proto):
        return len(proto.graph.output) > 1


class Crashes(Spoils):
    name = "crashes"

    def plant(self, proto):
        ctypes.string_at(0)


class Refuses(Spoils):
    name = "refuses"

    def plant(self, proto):
        raise ModelFileError(f"refuses does not take {self.extras.at}")


class Narrow(Spoils):
    """Every weight is rounded to bf16, and it says that it computes in that."""

    name = "narrow"
    precisions = ("bf16",)

    def applies(self, proto):
        return True

    def plant(self, proto):
        for tensor in proto.graph.initializer:
            bits = numpy_helper.to_array(tensor).view(np.uint32).astype(np.uint64)
            rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
            values = rounded.astype(np.uint32).view(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        super().plant(proto)

    @property
    def computes_in(self):
        return "bf16"


class Absent(Spoils):
    """Its vendor's package is not installed."""

    name = "absent"
    distributions = ("vendor-of-absent",)


class Half(Spoils):
    """Crashes on cuts that end in the tensor, and is wrong at the one after it."""

    name = "half"

    def applies(self, proto):
        if proto.graph.output[0].name == "t6":
            ctypes.string_at(0)
        return super().applies(proto)
'''


def plant_runners(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install them all."""
    install(folder, monkeypatch, "spoilers", SOURCE, NAMES)
