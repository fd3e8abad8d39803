"""Layers of ncnn, alone in a file with random weights, for what is held against ncnn itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from paddleport.models.artifact import Artifact
from paddleport.models.ncnn.ncnn_file import write_ncnn
from paddleport.models.ncnn.ncnn_graph import NcnnGraph, NcnnLayer, NcnnWeight
from paddleport.models.ncnn.param_text import read_param
from paddleport.models.ncnn.weight_tables import stored_weights
from paddleport.tensors import Array, TensorSpec


@dataclass(frozen=True)
class LayerCase:
    """A layer's type, its parameters as they stand in a file, and shapes of one sample."""

    operator: str
    parameters: str
    shapes: tuple[tuple[int, ...], ...]
    outputs: int = 1
    positive: bool = False

    def __str__(self) -> str:
        return f"{self.operator} {self.parameters} {self.shapes}".replace(" ", "_")


@dataclass(frozen=True)
class LayerFiles:
    """A case's files, with inputs of one sample, whose tensors have an axis for it."""

    artifact: Artifact
    feed: dict[str, Array]
    outputs: tuple[str, ...]

    @property
    def weights(self) -> Path:
        assert self.artifact.weights_file is not None
        return self.artifact.weights_file


def written(case: LayerCase, folder: Path) -> LayerFiles:
    """Write a case's pair of files."""
    inputs = [f"in{at}" for at in range(len(case.shapes))]
    outputs = [f"out{at}" for at in range(case.outputs)]
    lines = [f"Input {name} 0 1 {name}" for name in inputs]
    head = f"{case.operator} tested {len(inputs)} {len(outputs)}"
    lines.append(" ".join([head, *inputs, *outputs, case.parameters]))
    counts = f"{len(lines)} {len(inputs) + len(outputs)}"
    text = "\n".join(["7767517", counts, *lines]) + "\n"
    shapes = dict(zip(inputs, case.shapes, strict=True))
    return write_network(text, shapes, folder, positive=case.positive)


def write_network(
    text: str,
    shapes: Mapping[str, Sequence[int]],
    folder: Path,
    *,
    positive: bool = False,
) -> LayerFiles:
    """Write a .param file with this text, and random weights beside it."""
    param, weights = folder / "net.ncnn.param", folder / "net.ncnn.bin"
    param.write_text(text)
    generator = np.random.default_rng(0)
    graph = NcnnGraph(tuple(_filled(layer, generator) for layer in read_param(param)))
    write_ncnn(graph, param, weights)
    feed = {}
    for name, shape in shapes.items():
        values = generator.standard_normal(shape).astype(np.float32)
        feed[name] = (np.abs(values) + np.float32(0.1)) if positive else values
    artifact = Artifact(
        format="ncnn",
        files=(param, weights),
        inputs=tuple(TensorSpec(name, "float32", (1, *feed[name].shape)) for name in shapes),
        outputs=tuple(TensorSpec(name, "float32", ()) for name in graph.results),
    )
    return LayerFiles(artifact, feed, graph.results)


def _filled(layer: NcnnLayer, generator: np.random.Generator) -> NcnnLayer:
    found = []
    for name, count, flagged in stored_weights(layer):
        values = (generator.standard_normal(count) * 0.5).astype(np.float32)
        if name in ("var_data", "slope_data"):
            values = np.abs(values) + np.float32(0.1)
        found.append(NcnnWeight(name=name, flag=0 if flagged else None, stored=values))
    return replace(layer, weights=tuple(found))


def _case(line: str) -> LayerCase:
    """From ``Operator | parameters | shape, shape | options``."""
    operator, parameters, shapes, *rest = (item.strip() for item in line.split("|"))
    sizes = tuple(tuple(map(int, item.split("x"))) for item in shapes.split())
    options = rest[0].split() if rest else []
    outputs = next((int(item) for item in options if item.isdigit()), 1)
    return LayerCase(operator, parameters, sizes, outputs, "positive" in options)


CASES = [
    _case(line)
    for line in """
    Convolution | 0=5 1=3 4=1 5=1 6=135 | 3x7x8
    Convolution | 0=5 1=3 11=2 2=2 12=1 3=2 13=1 4=2 14=1 15=0 16=2 5=0 6=90 9=1 | 3x9x8
    Convolution | 0=4 1=3 3=2 4=-233 5=1 6=108 9=2 -23310=1,0.1 | 3x8x7
    Convolution | 0=4 1=3 3=2 4=-234 5=1 6=108 9=4 | 3x8x7
    Convolution | 0=4 1=3 4=1 18=0.5 5=1 6=108 9=3 -23310=2,-0.2,0.7 | 3x8x7
    Convolution | 0=4 1=1 5=1 6=24 9=5 | 6
    Convolution | 0=4 1=1 5=1 6=12 9=6 -23310=2,0.1666667,0.5 | 3x4x5
    ConvolutionDepthWise | 0=6 1=3 4=1 5=1 6=54 7=6 9=3 -23310=2,0.0,6.0 | 6x7x8
    ConvolutionDepthWise | 0=8 1=3 3=2 4=1 5=1 6=144 7=4 | 8x7x8
    Convolution1D | 0=5 1=3 4=1 5=1 6=45 9=1 | 3x9
    ConvolutionDepthWise1D | 0=4 1=3 4=1 5=1 6=12 7=4 | 4x9
    Deconvolution | 0=5 1=3 3=2 4=1 5=1 6=135 9=1 | 3x4x5
    Deconvolution | 0=4 1=2 11=3 3=2 13=1 4=0 14=1 5=0 6=72 18=1 19=0 | 3x4x5
    DeconvolutionDepthWise | 0=4 1=3 3=2 4=1 5=1 6=36 7=4 18=1 | 4x4x5
    DeconvolutionDepthWise | 0=4 1=2 3=2 5=1 6=48 7=2 | 6x4x5
    InnerProduct | 0=5 1=1 2=60 9=1 | 12
    InnerProduct | 0=5 1=1 2=120 | 2x3x4
    InnerProduct | 0=5 1=0 2=20 9=4 | 3x4
    Pooling | 0=0 1=3 2=2 3=1 5=1 | 3x8x7
    Pooling | 0=0 1=3 2=2 3=0 5=0 | 3x8x7
    Pooling | 0=0 1=2 11=3 2=2 12=1 3=0 13=1 5=0 | 3x8x7
    Pooling | 0=0 1=3 2=2 5=2 | 3x8x7
    Pooling | 0=0 1=3 2=2 5=3 | 3x8x7
    Pooling | 0=1 1=3 2=2 3=1 5=1 6=0 | 3x8x7
    Pooling | 0=1 1=3 2=2 3=1 5=0 6=0 | 3x8x8
    Pooling | 0=1 1=3 2=2 3=1 5=0 6=1 | 3x8x8
    Pooling | 0=1 1=3 2=1 3=1 5=1 6=1 | 3x8x7
    Pooling | 0=1 1=2 2=2 3=0 14=1 13=0 15=1 5=1 6=0 | 3x7x7
    Pooling | 0=1 1=3 2=2 5=2 6=0 | 3x8x7
    Pooling | 0=1 4=1 | 3x8x7
    Pooling | 0=0 4=1 | 3x8x7
    Pooling | 0=1 7=1 8=3 18=2 | 3x8x7
    Pooling | 0=0 7=1 8=3 18=-233 | 3x8x7
    Pooling1D | 0=1 1=3 2=2 3=1 5=1 | 3x9
    Pooling1D | 0=0 7=1 8=4 | 3x9
    BatchNorm | 0=5 1=1e-3 | 5x3x4
    BatchNorm | 0=5 1=1e-3 | 5x4
    BatchNorm | 0=5 1=1e-3 | 5
    LayerNorm | 0=6 1=1e-6 2=1 | 5x6
    LayerNorm | 0=6 1=1e-5 2=0 | 6
    LayerNorm | 0=6 1=1e-5 2=1 | 3x4x6
    LayerNorm | 0=24 1=1e-5 2=1 | 3x4x6
    RMSNorm | 0=6 1=1e-6 2=1 | 5x6
    RMSNorm | 0=6 1=1e-6 2=0 | 2x5x6
    GroupNorm | 0=2 1=6 2=1e-5 3=1 | 6x3x4
    GroupNorm | 0=3 1=6 2=1e-5 3=0 | 6x4
    InstanceNorm | 0=4 1=1e-5 2=1 | 4x3x5
    InstanceNorm | 0=4 1=1e-5 2=0 | 4x3x5
    LRN | 0=0 1=5 2=0.5 3=0.75 4=1.0 | 7x3x4
    ReLU | | 3x4x5
    ReLU | 0=0.2 | 3x4x5
    Clip | 0=-0.5 1=0.25 | 3x4x5
    Clip | 0=0 1=6 | 3x4x5
    Sigmoid | | 3x4x5
    Swish | | 3x4x5
    HardSigmoid | 0=0.1666667 1=0.5 | 3x4x5
    HardSigmoid | | 4x5
    HardSwish | 0=0.1666667 1=0.5 | 3x4x5
    HardSwish | | 5
    GELU | 0=0 | 3x4x5
    GELU | 0=1 | 3x4x5
    GLU | 0=1 | 3x4x5
    GLU | 0=-1 | 4x6
    Mish | | 3x4x5
    TanH | | 3x4x5
    ELU | 0=0.7 | 3x4x5
    ELU | | 3x4x5
    CELU | 0=1.5 | 3x4x5
    SELU | | 3x4x5
    Erf | | 3x4x5
    Softplus | | 3x4x5
    AbsVal | | 3x4x5
    Exp | 0=-1.0 1=0.5 2=0.1 | 3x4x5
    Exp | 0=2.0 1=1.0 2=0.0 | 3x4x5
    Log | 0=-1.0 1=2.0 2=0.5 | 3x4x5 | positive
    Log | 0=2.0 1=1.0 2=0.0 | 3x4x5 | positive
    Power | 0=2.0 1=0.5 2=1.0 | 3x4x5 | positive
    Dropout | 0=0.5 | 3x4x5
    PReLU | 0=3 | 3x4x5
    PReLU | 0=1 | 3x4
    PReLU | 0=4 | 4
    Softmax | 0=0 1=1 | 4x5x3
    Softmax | 0=1 1=1 | 4x5x3
    Softmax | 0=2 1=1 | 4x5x3
    Softmax | 0=-1 1=1 | 4x5
    Softmax | 0=0 1=1 | 4x5
    Softmax | 0=0 1=1 | 5
    Softmax | 0=3 1=1 | 2x3x4x5
    Softmax | 0=1 1=1 | 2x3x4x5
    Bias | 0=3 | 3x4x5
    Scale | 0=3 1=1 | 3x4x5
    Scale | 0=4 1=0 | 4x5
    Scale | 0=-233 | 3x4x5 3
    BinaryOp | 0=0 | 3x4x5 3x4x5
    BinaryOp | 0=1 | 3x4x5 3x1x1
    BinaryOp | 0=1 | 3x1x1 3x4x5
    BinaryOp | 0=3 | 1x4x5 3x1x5
    BinaryOp | 0=2 | 3x4x5 3
    BinaryOp | 0=1 | 3 3x4x5
    BinaryOp | 0=1 | 3x4x5 5
    BinaryOp | 0=0 | 3x4x5 3x4
    BinaryOp | 0=0 | 4x5 4
    BinaryOp | 0=0 | 4x5 5
    BinaryOp | 0=0 | 4x4 4
    BinaryOp | 0=0 | 3x5x3 3
    BinaryOp | 0=2 | 2x3x4x5 2
    BinaryOp | 0=2 | 2x3x4x5 2x3
    BinaryOp | 0=2 | 2x3x4x5 2x3x4
    BinaryOp | 0=1 | 3x4x5 1
    BinaryOp | 0=1 | 1 3x4x5
    BinaryOp | 0=4 | 4x5 1x5
    BinaryOp | 0=5 | 4x5 4x1
    BinaryOp | 0=6 | 3x4x5 3x4x5 | positive
    BinaryOp | 0=7 | 3x4x5 3x4x5
    BinaryOp | 0=8 | 3x4x5 3x4x5 | positive
    BinaryOp | 0=9 | 3x4x5 3x4x5 | positive
    BinaryOp | 0=1 1=1 2=0.7 | 3x4x5
    BinaryOp | 0=7 1=1 2=0.7 | 3x4x5
    BinaryOp | 0=8 1=1 2=0.7 | 3x4x5 | positive
    BinaryOp | 0=6 1=1 2=2.0 | 3x4x5 | positive
    BinaryOp | 0=9 1=1 2=2.0 | 3x4x5 | positive
    Eltwise | 0=0 | 3x4x5 3x4x5 3x4x5
    Eltwise | 0=1 | 3x4x5 3x4x5 3x4x5
    Eltwise | 0=1 -23301=2,0.25,1.0 | 3x4x5 3x4x5
    Eltwise | 0=2 | 3x4x5 3x4x5
    CumulativeSum | 0=1 | 3x4x5
    Concat | 0=0 | 3x4x5 2x4x5
    Concat | 0=1 | 3x4x5 3x2x5
    Concat | 0=-1 | 3x4x5 3x4x1
    Concat | 0=0 | 4 3
    Slice | -23300=2,2,-233 1=0 | 5x4x3 | 2
    Slice | -23300=3,-233,-233,-233 1=1 | 5x7x3 | 3
    Slice | -23302=1,-3 1=2 | 2x4x5 | 2
    Slice | -23302=2,1,3 1=0 | 6x4 | 3
    Crop | -23309=1,1 -23310=1,3 -23311=1,0 | 5x4x3
    Crop | -23309=2,1,-3 -23310=2,-1,-233 -23311=2,1,2 | 2x6x5
    Split | | 3x4x5 | 2
    Noop | | 3x4x5
    Padding | 0=1 1=2 2=3 3=0 4=0 5=0.5 7=0 8=0 | 3x4x5
    Padding | 0=1 1=2 2=3 3=0 4=1 5=0.0 7=0 8=0 | 3x4x5
    Padding | 0=1 1=2 2=3 3=0 4=2 5=0.0 7=0 8=0 | 3x4x5
    Padding | 0=1 1=1 2=1 3=1 4=0 5=0.0 6=3 7=0 8=0 | 3x4x5
    Padding | 0=0 1=0 2=1 3=2 4=0 5=1.5 7=1 8=2 | 3x4x5
    Padding | 0=0 1=0 2=1 3=2 4=0 5=1.5 7=0 8=0 | 4x5
    Reshape | 0=5 1=-1 | 3x4x5
    Reshape | 0=-1 | 3x4x5
    Reshape | 0=0 1=2 2=-1 | 3x4x5
    Reshape | 0=5 1=2 11=2 2=3 | 3x4x5
    Reshape | 6="0w,*(0h,2),-1" | 4x3x5
    Reshape | 6="0w,1h,1c" | 12x5 3x4x5
    Permute | 0=1 | 4x5
    Permute | 0=1 | 3x4x5
    Permute | 0=2 | 3x4x5
    Permute | 0=3 | 3x4x5
    Permute | 0=4 | 3x4x5
    Permute | 0=5 | 3x4x5
    Permute | 0=0 | 3x4x5
    Permute | 0=8 | 2x3x4x5
    Permute | 0=14 | 2x3x4x5
    Permute | 0=17 | 2x3x4x5
    Permute | 0=20 | 2x3x4x5
    Flatten | | 3x4x5
    Flatten | | 4x5
    Squeeze | -23303=2,1,2 | 5x1x1
    Squeeze | -23303=1,0 | 1x4x5
    Squeeze | 0=1 1=1 | 5x1x1
    ExpandDims | -23303=2,1,2 | 5
    ExpandDims | -23303=1,1 | 4x5
    ExpandDims | -23303=1,0 | 4x5
    ExpandDims | -23303=1,-1 | 4x5
    Reduction | 0=3 1=0 -23303=2,1,2 4=0 5=1 | 3x4x5
    Reduction | 0=3 1=0 -23303=1,0 4=1 5=1 | 3x4x5
    Reduction | 0=0 1=0 -23303=1,-1 4=0 5=1 | 3x4x5
    Reduction | 0=4 1=0 -23303=1,1 4=0 5=1 | 3x4x5
    Reduction | 0=5 1=1 4=0 5=1 | 3x4x5
    Reduction | 0=2 1=0 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=6 1=0 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=7 1=0 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=8 1=0 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=10 1=0 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=3 1=0 2=0.5 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=8 1=0 2=0.5 -23303=1,2 4=1 5=1 | 3x4x5
    Reduction | 0=3 1=0 -23303=1,0 4=0 5=1 | 4x5
    Gemm | 10=4 2=0 3=1 4=0 5=1 6=1 7=0 8=6 9=5 | 4x5
    Gemm | 2=0 3=0 10=-1 | 4x5 5x6
    Gemm | 2=1 3=1 0=0.5 1=2.0 | 5x4 6x5 6
    Gemm | 10=2 2=0 3=0 4=1 5=0 6=1 7=4 8=0 9=5 | 5x6
    Gemm | 2=0 3=1 14=1 10=-1 | 4x5 6x5
    Gemm | 10=4 2=0 3=1 4=0 5=1 6=1 7=0 8=6 9=5 11=1 | 4x1x5
    MatMul | | 4x5 5x6
    MatMul | 0=1 | 4x5 6x5
    MatMul | | 3x4x5 3x5x6
    MatMul | | 3x4x5 5x6
    MatMul | | 2x3x4x5 3x5x6
    MatMul | | 5 5x6
    MatMul | | 4x5 5
    MatMul | | 3x4x5 5
    MatMul | | 5 5
    MultiHeadAttention | 0=8 1=2 2=64 | 5x8
    MultiHeadAttention | 0=8 1=2 2=64 3=6 4=6 6=0.3 | 5x8 7x6
    MultiHeadAttention | 0=8 1=2 2=64 3=6 4=4 | 5x8 7x6 7x4
    MultiHeadAttention | 0=8 1=2 2=64 5=1 | 5x8 5x5
    MultiHeadAttention | 0=8 1=2 2=64 5=1 | 5x8 2x5x5
    SDPA | 5=0 6=0.3 | 4x5x8 4x7x8 4x7x6
    SDPA | 5=1 | 4x5x8 2x7x8 2x7x6 5x7
    SDPA | 5=1 | 4x5x8 2x7x8 2x7x6 4x5x7
    Interp | 0=1 1=2.0 2=2.0 | 3x4x5
    Interp | 0=2 1=2.0 2=1.5 | 3x4x6
    Interp | 0=2 3=7 4=9 | 3x4x5
    Interp | 0=2 3=7 4=9 6=1 | 3x4x5
    Interp | 0=1 3=7 4=9 | 3x4x5
    Interp | 0=3 3=9 4=11 | 3x5x6
    Interp | 0=3 3=9 4=11 6=1 | 3x5x6
    Interp | 0=2 3=4 4=5 | 6
    Interp | 0=2 2=2.0 | 3x5
    PixelShuffle | 0=2 1=0 | 8x3x4
    PixelShuffle | 0=2 1=1 | 8x3x4
    Reorg | 0=2 1=0 | 3x4x6
    Reorg | 0=2 1=1 | 3x4x6
    ShuffleChannel | 0=2 1=0 | 6x3x4
    ShuffleChannel | 0=2 1=1 | 6x3x4
    Tile | -23302=3,2,1,3 | 2x3x4
    Tile | 0=1 1=2 | 2x3x4
    """.strip().splitlines()
]
CASES += [
    LayerCase("UnaryOp", f"0={kind}", ((3, 4, 5),), positive=kind in (5, 6, 8, 17))
    for kind in range(20)
    if kind not in (12, 13)
]
