"""ncnn called without paddleport, with every setting that lowers precision off."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddleport.tensors import Array

LOWERING = (
    *("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"),
    *("use_bf16_packed", "use_bf16_storage"),
)


def loaded(param: Path, weights: Path, **options: bool) -> Any:
    """A net in float32; ``options`` are ncnn's own."""
    import ncnn

    net = ncnn.Net()
    for name in LOWERING:
        setattr(net.opt, name, False)
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    net.opt.lightmode = False
    for name, value in options.items():
        setattr(net.opt, name, value)
    assert net.load_param(str(param)) == 0, param
    assert net.load_model(str(weights)) == 0, weights
    return net


def extracted(net: Any, inputs: Mapping[str, Array], blobs: Sequence[str]) -> list[Array]:
    """Blobs for one sample's inputs, without an axis for samples."""
    import ncnn

    with net.create_extractor() as extractor:
        extractor.set_light_mode(False)
        for name, values in inputs.items():
            extractor.input(name, ncnn.Mat(np.ascontiguousarray(values)).clone())
        found = []
        for name in blobs:
            code, mat = extractor.extract(name)
            assert code == 0, (name, code)
            found.append(np.array(mat))
    return found
