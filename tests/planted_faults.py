"""A backend as a plug-in that fails where and how its options say, and is quick otherwise."""

from pathlib import Path

import pytest
from plugin import install

SOURCE = '''
import ctypes
import os
import sys
import time
from dataclasses import dataclass

import numpy as np

from paddleport.runners.base import Runner
from paddleport.tensors import TensorSpec


@dataclass(frozen=True)
class Faults:
    """How (fault), where (after, batch, only_with threads, loading), and other vices.

    holds: MB taken on loading; pause: seconds per run; unpins: a thread leaves its CPUs.
    """

    fault: str = ""
    after: int = 0
    batch: int = 0
    only_with: int = 0
    loading: bool = False
    holds: int = 0
    pause: float = 0.0
    unpins: bool = False


class Breaks(Runner):
    name = "breaks"
    formats = ("onnx",)
    distributions = ("numpy",)
    extras_type = Faults
    computes_in = "fp32"

    def load(self, model):
        self.inputs = (TensorSpec("x", "float32", (None, 3, 9, 9)),)
        self.outputs = (TensorSpec("y", "float32", (None, 5)),)
        self.runs = 0
        self.held = np.ones((self.extras.holds, 1 << 17))
        if self.extras.unpins:
            os.sched_setaffinity(0, range(os.cpu_count()))
        if self.extras.loading and self.is_the_place(1):
            self.break_down()

    def is_the_place(self, batch):
        told = self.extras
        return (
            told.fault
            and self.runs >= told.after
            and told.batch in (0, batch)
            and told.only_with in (0, self.options.threads)
        )

    def infer(self, feed):
        batch = len(feed["x"])
        if not self.extras.loading and self.is_the_place(batch):
            self.break_down()
        self.runs += 1
        time.sleep(self.extras.pause)
        return {"y": np.zeros((batch, 5), np.float32)}

    def break_down(self):
        print("last words", file=sys.stderr, flush=True)
        if self.extras.fault == "segfault":
            ctypes.string_at(0)
        if self.extras.fault == "sleep":
            time.sleep(3600)
        kept = []
        for _ in range(100):  # 3 GB, if nobody stops it
            kept.append(np.ones(1 << 22))
            time.sleep(0.02)
'''


def plant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install it."""
    install(folder, monkeypatch, "planted_breaks", SOURCE, ["Breaks"])
