"""Which arrays each type of layer has in the .bin file, by its parameters.

Source: ncnn's documentation of its operators, and each layer's load_model.
"""

from collections.abc import Callable, Iterator, Mapping

from paddleport.errors import BackendUnavailableError
from paddleport.models.ncnn.ncnn_graph import NcnnLayer

Stored = Iterator[tuple[str, int, bool]]
"""Name, number of values, and whether a word before them says how they are stored."""

_FLAGGED, _PLAIN = True, False
_REQUANTIZED = 100  # more than that: the result is int8 as well


def stored_weights(layer: NcnnLayer) -> list[tuple[str, int, bool]]:
    """Name, number of values, and whether flagged, of each array of a layer, in order.

    Raises:
        BackendUnavailableError: nothing is known of this type of layer.
    """
    if layer.operator in _TABLES:
        return list(_TABLES[layer.operator](layer))
    if layer.operator in WITHOUT_WEIGHTS:
        return []
    raise BackendUnavailableError(
        f"{layer.operator} (layer {layer.name}) is none of ncnn's own layers: without a plug-in "
        "for it the file can't be read"
    )


def _convolution(layer: NcnnLayer) -> Stored:
    if layer.integer(19):  # the weights come from another blob
        return
    outputs, int8 = layer.integer(0), layer.integer(8)
    yield "weight_data", layer.integer(6), _FLAGGED
    if layer.integer(5):
        yield "bias_data", outputs, _PLAIN
    if int8:
        per_group = layer.operator == "ConvolutionDepthWise"
        one_for_all = per_group and int8 % _REQUANTIZED == 2
        scales = layer.integer(7, 1) if per_group else outputs
        yield "weight_data_int8_scales", 1 if one_for_all else scales, _PLAIN
        yield "bottom_blob_int8_scales", 1, _PLAIN
    if int8 > _REQUANTIZED:
        yield "top_blob_int8_scales", 1, _PLAIN


def _deconvolution(layer: NcnnLayer) -> Stored:
    if layer.integer(28):
        return
    yield "weight_data", layer.integer(6), _FLAGGED
    if layer.integer(5):
        yield "bias_data", layer.integer(0), _PLAIN


def _inner_product(layer: NcnnLayer) -> Stored:
    outputs = layer.integer(0)
    yield "weight_data", layer.integer(2), _FLAGGED
    if layer.integer(1):
        yield "bias_data", outputs, _PLAIN
    if layer.integer(8):
        yield "weight_data_int8_scales", outputs, _PLAIN
        yield "bottom_blob_int8_scales", 1, _PLAIN
    if layer.integer(8) > _REQUANTIZED:
        yield "top_blob_int8_scales", 1, _PLAIN


def _batch_norm(layer: NcnnLayer) -> Stored:
    for name in ("slope_data", "mean_data", "var_data", "bias_data"):
        yield name, layer.integer(0), _PLAIN


def _bias(layer: NcnnLayer) -> Stored:
    yield "bias_data", layer.integer(0), _PLAIN


def _scale(layer: NcnnLayer) -> Stored:
    if layer.integer(0) == -233:  # the factors come from another blob
        return
    yield "scale_data", layer.integer(0), _PLAIN
    if layer.integer(1):
        yield "bias_data", layer.integer(0), _PLAIN


def _prelu(layer: NcnnLayer) -> Stored:
    yield "slope_data", layer.integer(0), _PLAIN


def _layer_norm(layer: NcnnLayer) -> Stored:
    if layer.integer(2, 1):
        yield "gamma_data", layer.integer(0), _PLAIN
        yield "beta_data", layer.integer(0), _PLAIN


def _rms_norm(layer: NcnnLayer) -> Stored:
    if layer.integer(2, 1):
        yield "gamma_data", layer.integer(0), _PLAIN


def _group_norm(layer: NcnnLayer) -> Stored:
    if layer.integer(3, 1):
        yield "gamma_data", layer.integer(1), _PLAIN
        yield "beta_data", layer.integer(1), _PLAIN


def _memory_data(layer: NcnnLayer) -> Stored:
    count = 1
    for number in (0, 1, 2, 11):
        count *= layer.integer(number) or 1
    yield "data", count, layer.integer(21, 1) == 0


def _embed(layer: NcnnLayer) -> Stored:
    yield "weight_data", layer.integer(3), _FLAGGED
    if layer.integer(2):
        yield "bias_data", layer.integer(0), _PLAIN
    if layer.integer(18):
        yield "weight_data_int8_scale", 1, _PLAIN


def _gemm(layer: NcnnLayer) -> Stored:
    _refuse_blocks(layer)
    m, n, k = (layer.integer(number) for number in (7, 8, 9))
    constant = [layer.integer(number) == 1 for number in (4, 5, 6)]
    if constant[0]:
        yield "A_data", m * k, _FLAGGED
    if constant[1]:
        yield "B_data", k * n, _FLAGGED
    if constant[2] and layer.integer(10) != -1:
        yield "C_data", {0: 1, 1: m, 2: m, 3: m * n, 4: n}.get(layer.integer(10), -1), _FLAGGED
    if layer.integer(18) and constant[0]:
        yield "A_data_int8_scales", m, _PLAIN
    if layer.integer(18) and constant[1]:
        yield "B_data_int8_scale", 1, _PLAIN


def _attention(layer: NcnnLayer) -> Stored:
    _refuse_blocks(layer)
    embed = layer.integer(0)
    if not embed:
        return
    queries = layer.integer(2)
    sizes = {
        "q": (queries, embed),
        "k": (embed * layer.integer(3, embed), embed),
        "v": (embed * layer.integer(4, embed), embed),
        "out": (queries, queries // embed),
    }
    for part, (weights, biases) in sizes.items():
        yield f"{part}_weight_data", weights, _FLAGGED
        yield f"{part}_bias_data", biases, _PLAIN
    if layer.integer(18):
        for part in ("q", "k", "v"):
            yield f"{part}_weight_data_int8_scales", embed, _PLAIN
        yield "out_weight_data_int8_scale", 1, _PLAIN


def _refuse_blocks(layer: NcnnLayer) -> None:
    """Weights in blocks of 4, 6 or 8 bits, for language models, are not read."""
    if layer.integer(18) >= 400:
        raise BackendUnavailableError(
            f"the weights of ncnn's layer {layer.name} are quantised in blocks, which can't be "
            "read here"
        )


def _recurrent(gates: int) -> Callable[[NcnnLayer], Stored]:
    def stored(layer: NcnnLayer) -> Stored:
        outputs, sizes = layer.integer(0), layer.integer(1)
        directions = 2 if layer.integer(2) == 2 else 1
        hidden = layer.integer(3, outputs) if layer.operator == "LSTM" else outputs
        biases = 1 if layer.operator == "RNN" else 4
        yield "weight_xc_data", sizes, _FLAGGED
        yield "bias_c_data", hidden * biases * directions, _FLAGGED
        yield "weight_hc_data", outputs * hidden * gates * directions, _FLAGGED
        if hidden != outputs:
            yield "weight_hr_data", hidden * outputs * directions, _FLAGGED
        if layer.integer(8):
            yield "weight_xc_data_int8_scales", hidden * gates * directions, _PLAIN
            yield "weight_hc_data_int8_scales", hidden * gates * directions, _PLAIN

    return stored


def _normalize(layer: NcnnLayer) -> Stored:
    yield "scale_data", layer.integer(3), _PLAIN


def _padding(layer: NcnnLayer) -> Stored:
    if layer.integer(6):
        yield "per_channel_pad_data", layer.integer(6), _PLAIN


def _quantize(layer: NcnnLayer) -> Stored:
    yield "scale_data", layer.integer(0, 1), _PLAIN


def _dequantize(layer: NcnnLayer) -> Stored:
    yield "scale_data", layer.integer(0, 1), _PLAIN
    if layer.integer(1):
        yield "bias_data", layer.integer(1), _PLAIN


def _requantize(layer: NcnnLayer) -> Stored:
    yield "scale_in_data", layer.integer(0, 1), _PLAIN
    yield "scale_out_data", layer.integer(1, 1), _PLAIN
    if layer.integer(2):
        yield "bias_data", layer.integer(2), _PLAIN


def _deformable(layer: NcnnLayer) -> Stored:
    yield "weight_data", layer.integer(6), _FLAGGED
    if layer.integer(5):
        yield "bias_data", layer.integer(0), _PLAIN


_PLANES = ("", "1D", "3D")
_TABLES: Mapping[str, Callable[[NcnnLayer], Stored]] = {
    **{f"Convolution{dims}": _convolution for dims in _PLANES},
    **{f"ConvolutionDepthWise{dims}": _convolution for dims in _PLANES},
    **{f"Deconvolution{dims}": _deconvolution for dims in _PLANES},
    **{f"DeconvolutionDepthWise{dims}": _deconvolution for dims in _PLANES},
    "BatchNorm": _batch_norm,
    "Bias": _bias,
    "DeformableConv2D": _deformable,
    "Dequantize": _dequantize,
    "Embed": _embed,
    "GRU": _recurrent(3),
    "Gemm": _gemm,
    "GroupNorm": _group_norm,
    "InnerProduct": _inner_product,
    "InstanceNorm": _layer_norm,
    "LSTM": _recurrent(4),
    "LayerNorm": _layer_norm,
    "MemoryData": _memory_data,
    "MultiHeadAttention": _attention,
    "Normalize": _normalize,
    "PReLU": _prelu,
    "Padding": _padding,
    "Quantize": _quantize,
    "RMSNorm": _rms_norm,
    "RNN": _recurrent(1),
    "Requantize": _requantize,
    "Scale": _scale,
}

WITHOUT_WEIGHTS = frozenset(
    """
    AbsVal ArgMax BNLL BinaryOp CELU Cast Clip Concat CopyTo Crop CumulativeSum DeepCopy
    DetectionOutput Diag Dropout ELU Einsum Eltwise Erf Exp ExpandDims Flatten Flip Fold GELU
    GLU GridSample HardSigmoid HardSwish Input Interp InverseSpectrogram LRN Log MVN MatMul
    Mish Noop PSROIPooling Packing Permute PixelShuffle Pooling Pooling1D Pooling3D Power
    PriorBox Proposal ROIAlign ROIPooling ReLU Reduction Reorg Reshape RotaryEmbed SDPA SELU SPP
    Shrink ShuffleChannel Sigmoid Slice Softmax Softplus Spectrogram Split Squeeze
    StatisticsPooling Swish TanH Threshold Tile UnaryOp Unfold YoloDetectionOutput
    Yolov3DetectionOutput
    """.split()  # noqa: SIM905  # eighty lines otherwise
)
