"""Makes tests/data/pir_v4: small networks saved by Paddle 3.3, and what they give.

Run as ``python tests/saved_by_3_3.py tests/data/pir_v4`` with Paddle 3.3.1 installed. Each has an
attribute that became a double in version 4 of the format, or one that was a double all along.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.tensors import Array

SHAPE = (2, 4, 5, 6)


def feed() -> Array:
    """Normal float32 [2, 4, 5, 6], half of it negative."""
    return np.random.default_rng(33).normal(size=SHAPE).astype(np.float32)


def builders(paddle: Any) -> dict[str, Callable[[Any], Any]]:
    """What each network computes from ``x``."""
    functional = paddle.nn.functional
    return {
        "leaky_relu": lambda x: functional.leaky_relu(x, 0.3),
        "group_norm": lambda x: paddle.nn.GroupNorm(2, 4, epsilon=0.1)(x),
        "pad": lambda x: functional.pad(x, [1, 2, 1, 0], value=0.7),
        "interpolate": lambda x: functional.interpolate(x, scale_factor=1.5, mode="bilinear"),
        "full": lambda x: x + paddle.full([1], 0.1) * paddle.arange(0.5, 6.5, 1.0, "float32"),
        "softplus": lambda x: functional.softplus(x, beta=2.0, threshold=3.0),
    }


def save(folder: Path, paddle: Any) -> None:
    """Save every network, and its output beside it."""

    paddle.enable_static()
    for name, build in builders(paddle).items():
        main, startup = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(main, startup), paddle.utils.unique_name.guard():
            x = paddle.static.data("x", [-1, *SHAPE[1:]], "float32")
            y = build(x)
            executor = paddle.static.Executor(paddle.CPUPlace())
            executor.run(startup)
            (found,) = executor.run(main, feed={"x": feed()}, fetch_list=[y])
            prefix = str(folder / name)
            paddle.static.save_inference_model(prefix, [x], [y], executor, program=main)
            np.save(folder / f"{name}.npy", found)


if __name__ == "__main__":
    import paddle

    save(Path(sys.argv[1]), paddle)
