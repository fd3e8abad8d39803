"""Programs in forms that Paddle once wrote or writes beside its own declarations."""

import importlib
import shutil
from pathlib import Path
from typing import Any

import small_network

from paddleport.models.artifact import Artifact
from paddleport.models.paddle.paddle_program import read_program
from paddleport.models.paddle.params import parameter_header, read_stored_parameters
from paddleport.tensors import Array

SUBFOLDER = "stem/"


def save_separately(folder: str) -> None:
    """The small network with one file a parameter; needs FLAGS_enable_pir_api=0.

    As Paddle 1's ``save_inference_model`` did it without ``params_filename``.
    """
    paddle: Any = importlib.import_module("paddle")
    static_io: Any = importlib.import_module("paddle.static.io")
    given = small_network.weights()
    paddle.enable_static()
    main, start = paddle.static.Program(), paddle.static.Program()
    with paddle.static.program_guard(main, start):
        x = paddle.static.data(small_network.INPUT, [-1, *small_network.SHAPE])
        names = {name: f"{SUBFOLDER}{name}" if "kernel" in name else name for name in given}
        kernel, kernel_bias, linear, linear_bias = (
            paddle.static.create_parameter(list(value.shape), "float32", names[name])
            for name, value in given.items()
        )
        hidden = paddle.nn.functional.conv2d(x, kernel, kernel_bias, stride=2)
        hidden = paddle.nn.functional.relu(hidden).mean([2, 3])
        logits = paddle.nn.functional.linear(hidden, linear, linear_bias)
        outputs = [logits, paddle.nn.functional.softmax(logits)]
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(start)
        for name, value in given.items():
            tensor = paddle.static.global_scope().find_var(names[name]).get_tensor()
            tensor.set(value, paddle.CPUPlace())
        program = static_io.normalize_program(main, [x], outputs)
        static_io.save_vars(executor, folder, program, predicate=static_io.is_persistable)
        Path(folder, "__model__").write_bytes(program.desc.serialize_to_string())


def save_with_scalars(folder: str) -> None:
    """x · w + b with a parameter declared [1] and one declared []."""
    import paddle
    from paddle import nn

    class Scalars(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.factor = self.create_parameter([1])
            self.shift = self.create_parameter([])
            self.factor.set_value(paddle.to_tensor([1.7]))
            self.shift.set_value(paddle.to_tensor(0.3))

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            return nn.functional.relu(x * self.factor + self.shift)

    spec = [paddle.static.InputSpec([None, 8], "float32", name="x")]
    static = paddle.jit.to_static(Scalars(), input_spec=spec, full_graph=True)
    paddle.jit.save(static, f"{folder}/inference")


def save_without_inputs(prefix: str) -> None:
    """A parameter, relu and times 2: rows that differ from each other and never change."""
    import paddle

    class Constant(paddle.nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.values = self.create_parameter([4, 5])

        def forward(self):  # type: ignore[no-untyped-def]  # to_static reads this source
            return paddle.nn.functional.relu(self.values) * 2

    paddle.jit.save(paddle.jit.to_static(Constant(), input_spec=[], full_graph=True), prefix)


def swap_scalar_shapes(params: Path) -> None:
    """What is [] becomes [1], and what is [1] becomes []: the elements stay."""
    content = params.read_bytes()
    swapped: dict[tuple[int, ...], tuple[int, ...]] = {(): (1,), (1,): ()}
    parts = [
        parameter_header(item.spec.dtype, swapped.get(item.spec.shape, item.spec.shape))
        + content[item.data : item.data + item.size_bytes]
        for item in read_stored_parameters(params)
    ]
    params.write_bytes(b"".join(parts))


def save_quantized(float_folder: str, folder: str) -> None:
    """A saved small network after static quantisation in "ONNX format"; FLAGS_enable_pir_api=0."""
    paddle: Any = importlib.import_module("paddle")
    paddle.enable_static()
    quantization = importlib.import_module("paddle.static.quantization").PostTrainingQuantization(
        executor=paddle.static.Executor(paddle.CPUPlace()),
        model_dir=float_folder,
        model_filename="small.pdmodel",
        params_filename="small.pdiparams",
        data_loader=lambda: (small_network.feed(1, seed=seed) for seed in range(4)),
        batch_nums=4,
        batch_size=1,
        algo="abs_max",
        onnx_format=True,
    )
    quantization.quantize()
    quantization.save_quantized_model(
        folder, model_filename="small.pdmodel", params_filename="small.pdiparams"
    )


def outputs_of_folder(folder: str, x: Array) -> list[Array]:
    """What Paddle itself makes of a folder with ``__model__`` and one file a parameter."""
    from paddle import inference

    config = inference.Config(folder)
    config.disable_gpu()
    config.disable_mkldnn()
    predictor = inference.create_predictor(config)
    predictor.get_input_handle(small_network.INPUT).copy_from_cpu(x)
    predictor.run()
    names = predictor.get_output_names()
    return [predictor.get_output_handle(name).copy_to_cpu() for name in names]


def separated(model: Artifact, folder: Path) -> Path:
    """A model's parameters in one file each, beside its program as ``__model__``."""
    assert model.weights_file is not None
    folder.mkdir(parents=True, exist_ok=True)
    program = Path(shutil.copy(model.path, folder / "__model__"))
    content = model.weights_file.read_bytes()
    stored = read_stored_parameters(model.weights_file)
    names = sorted(read_program(program).parameters)
    for name, item in zip(names, stored, strict=True):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content[item.start : item.data + item.size_bytes])
    return program
