"""Faulty backends as a plug-in: each breaks one promise, and nothing else."""

from pathlib import Path

import pytest
from plugin import install

SOURCE = '''
import ctypes
import time

import numpy as np

from paddleport.errors import BackendUnavailableError
from paddleport.runners.onnxruntime.ort_runner import OnnxRuntimeRunner


MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)


def to_bf16(x):
    """float32 rounded to the nearest bf16, to even."""
    bits = np.ascontiguousarray(x).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(np.uint32).view(np.float32).reshape(x.shape)


class Planted(OnnxRuntimeRunner):
    def infer(self, feed):
        return self.spoil(super().infer(self.spoil_input(feed)))

    def spoil_input(self, feed):
        return feed

    def spoil(self, outputs):
        return outputs


class Honest(Planted):
    name = "honest"


class Swaps(Planted):
    name = "swaps"
    def spoil_input(self, feed):
        return {key: np.ascontiguousarray(x[:, ::-1]) for key, x in feed.items()}


class Pixels(Planted):
    """Takes the normalisation off again."""
    name = "pixels"
    def spoil_input(self, feed):
        return {key: x * STD + MEAN for key, x in feed.items()}


class Halves(Planted):
    """Normalises with 0.5 in the place of ImageNet's statistics."""
    name = "halves"
    def spoil_input(self, feed):
        return {key: (x * STD + MEAN - np.float32(0.5)) / np.float32(0.5)
                for key, x in feed.items()}


class Early(Planted):
    """Swaps the channels before it normalises, with mean and std left in place."""
    name = "early"
    def spoil_input(self, feed):
        return {key: ((x * STD + MEAN)[:, ::-1] - MEAN) / STD for key, x in feed.items()}


class Again(Planted):
    """Scales and normalises what is normalised already."""
    name = "again"
    def spoil_input(self, feed):
        return {key: (x / np.float32(255) - MEAN) / STD for key, x in feed.items()}


class Interleaves(Planted):
    """Takes HWC bytes for CHW."""
    name = "interleaves"
    def spoil_input(self, feed):
        return {key: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).reshape(x.shape)
                for key, x in feed.items()}


class Mirrors(Planted):
    name = "mirrors"
    def spoil_input(self, feed):
        return {key: np.ascontiguousarray(x[..., ::-1]) for key, x in feed.items()}


class Scales(Planted):
    name = "scales"
    def spoil(self, outputs):
        return {key: y * np.float32(1.001) for key, y in outputs.items()}


class Transposes(Planted):
    name = "transposes"
    def spoil(self, outputs):
        return {key: np.ascontiguousarray(np.swapaxes(y, 0, -1)) for key, y in outputs.items()}


class Buffers(Planted):
    """Every answer stands in the same memory."""
    name = "buffers"
    def spoil(self, outputs):
        self.kept = getattr(self, "kept", {})
        for key, y in outputs.items():
            if key not in self.kept or self.kept[key].shape != y.shape:
                self.kept[key] = y
            self.kept[key][...] = y
        return dict(self.kept)


class Positions(Planted):
    """The second picture of a batch gets another answer."""
    name = "positions"
    def spoil_input(self, feed):
        feed = {key: x.copy() for key, x in feed.items()}
        for x in feed.values():
            x[1:2] *= np.float32(0.9)
        return feed


class Random(Planted):
    name = "random"
    def spoil(self, outputs):
        draw = np.random.default_rng()
        return {key: (y * (1 + 0.01 * draw.standard_normal(y.shape))).astype(np.float32)
                for key, y in outputs.items()}


class Tires(Planted):
    """Right for as long as a first pass over the feeds takes, and wrong afterwards."""
    name = "tires"
    def spoil(self, outputs):
        self.calls = getattr(self, "calls", 0) + 1
        wrong = np.float32(1.5 if self.calls > 9 else 1)
        return {key: y * wrong for key, y in outputs.items()}


class Rounds(Planted):
    """Computes in fp32, it says, and rounds its answer to bf16."""
    name = "rounds"
    def spoil(self, outputs):
        return {key: to_bf16(y) for key, y in outputs.items()}


class Halfway(Planted):
    """Computes in fp32, it says, and rounds its answer to fp16."""
    name = "halfway"
    def spoil(self, outputs):
        return {key: y.astype(np.float16).astype(np.float32) for key, y in outputs.items()}


class Narrow(Planted):
    """Rounds every weight and its input to bf16, and says so."""
    name = "narrow"
    precisions = ("bf16",)
    def load(self, model):
        import tempfile, pathlib, onnx
        from onnx import numpy_helper
        from paddleport.models.artifact import onnx_artifact
        proto = onnx.load(str(model.path))
        for tensor in proto.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT:
                tensor.CopyFrom(numpy_helper.from_array(
                    to_bf16(to_bf16(numpy_helper.to_array(tensor)) * np.float32(1.0)), tensor.name))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "narrow.onnx"
            onnx.save(proto, str(path))
            super().load(onnx_artifact(path))
        self._computes_in = "bf16"
    def spoil_input(self, feed):
        return {key: to_bf16(x) for key, x in feed.items()}


class Poisons(Planted):
    """NaN for a picture that is white all over, and for no other."""
    name = "poisons"
    def infer(self, feed):
        outputs = super().infer(feed)
        (x,) = feed.values()
        white = len(x) == 1 and x.min() > 1.5
        return {key: y * np.float32("nan") if white else y for key, y in outputs.items()}


class Crashes(Planted):
    name = "crashes"
    def infer(self, feed):
        ctypes.string_at(0)


class Brittle(Planted):
    """Right, and crashes on what no picture is fed as."""
    name = "brittle"
    def spoil_input(self, feed):
        if any(np.abs(x).max() > 60 for x in feed.values()):
            ctypes.string_at(0)
        return feed


class Raises(Planted):
    name = "raises"
    def infer(self, feed):
        raise ValueError("no such luck")


class Sleeps(Planted):
    name = "sleeps"
    def infer(self, feed):
        time.sleep(3600)


class Eats(Planted):
    """Takes memory until somebody stops it."""
    name = "eats"
    def infer(self, feed):
        kept = []
        while True:
            kept.append(np.ones(1 << 22))


class Missing(Planted):
    name = "missing"
    def load(self, model):
        raise BackendUnavailableError("no such chip here: buy one")
'''


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Install the named ones, and no others."""
    install(folder, monkeypatch, "planted_backends", SOURCE, map(str.title, names))
