"""Small networks, one per operator and setting, in both formats: right, or refused by name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from operators import matrix
from operators.refused import REFUSED

from paddleport.convert.paddle2onnx.export import explain_crash
from paddleport.convert.paddle2onnx.fixups.declared_shapes import OTHER_SHAPE, RANKS
from paddleport.convert.paddle2onnx.fixups.graph_fixups import GRAPH_FIXUPS
from paddleport.convert.paddle2onnx.fixups.program_fixups import PROGRAM_FIXUPS
from paddleport.convert.paddle2onnx.fixups.replacements import REPLACEMENTS
from paddleport.convert.paddle2onnx.fixups.unsupported_settings import UNSUPPORTED_SETTINGS
from paddleport.errors import WorkerCrashed
from paddleport.models.artifact import paddle_artifact
from paddleport.worker import RemoteError, Worker

pytestmark = pytest.mark.conversion
TIMEOUT_S = 60
FORMATS = {"pir": "1", "protobuf": "0"}
NO_LONGER_OLD = (
    ", in build\n"  # newer Paddles fail to build much of what they once saved as .pdmodel
)
FEWEST = {
    "activations": 30,
    "norms": 20,
    "windows": 90,
    "vision": 70,
    "arithmetic": 90,
    "arrays": 80,
    "attention": 4,
    "recurrent": 12,
}
LATEST_WITHOUT_EXCUSE = 17  # from here on a network that needs a higher opset is named in REFUSED


class Bench:
    """A worker with Paddle in one format; a network that kills it is blamed alone."""

    def __init__(self, kind: str) -> None:
        self._environ = {
            "FLAGS_enable_pir_api": FORMATS[kind],
        }
        self.worker = self._fresh()

    def _fresh(self) -> Worker:
        return Worker(environ=self._environ, preload=("paddle",))

    def outcomes(
        self,
        family: str,
        name: str,
        opsets: tuple[int, ...],
        folder: Path,
        *,
        without: tuple[str, ...] = (),
    ) -> Iterator[tuple[int, str]]:
        """Each opset and what came of it."""
        folder.mkdir()
        model = self.worker.call(matrix.build, TIMEOUT_S, family, name, folder)
        feed, expected = self.worker.call(matrix.feed_and_outputs, TIMEOUT_S, family, name, model)
        for opset in opsets:
            file = folder / f"{opset}.onnx"
            try:
                outcome = self.worker.call(
                    matrix.judge, TIMEOUT_S, model, feed, expected, opset, file, without=without
                )
                yield opset, outcome
            except WorkerCrashed as error:
                self.worker = self._fresh()
                yield opset, f"refused: {explain_crash(error)}"


LONG = {"windows", "arithmetic", "vision", "arrays"}


# The long families, and the second format, are left to the slow tests.
@pytest.mark.parametrize(
    ("kind", "family"),
    [
        pytest.param(
            kind,
            family,
            id=f"{kind}-{family}",
            marks=pytest.mark.slow if family in LONG or kind != "pir" else (),
        )
        for kind in FORMATS
        for family in matrix.FAMILIES
    ],
)
def test_every_operator_is_right_or_refused_by_name(kind: str, family: str, tmp_path: Path) -> None:
    bench, failures, tried = Bench(kind), [], 0
    with_words = REFUSED.get(family, {})
    for number, (name, opsets) in enumerate(
        bench.worker.call(matrix.names, TIMEOUT_S, family, kind).items()
    ):
        words, refusals = with_words.get(name, ""), 0
        try:
            for opset, outcome in bench.outcomes(family, name, opsets, tmp_path / str(number)):
                refused = bool(words) and outcome.startswith("refused") and words in outcome
                low = "is too low" in outcome and opset < LATEST_WITHOUT_EXCUSE
                refusals += refused
                if outcome != "agrees" and not refused and not low:
                    failures.append(f"{name} at opset {opset}: {outcome}")
        except RemoteError as error:
            if kind == "protobuf" and NO_LONGER_OLD in str(error):
                continue
            failures.append(f"{name}: Paddle itself failed: {error}")
        except WorkerCrashed as error:
            failures.append(f"{name}: Paddle itself died: {error}")
            bench = Bench(kind)
        tried += 1
        if words and not refusals:
            failures.append(f"{name}: is no longer refused, take it out of REFUSED")
    bench.worker.close()
    assert not failures, "\n".join(failures)
    assert tried >= FEWEST[family]


# The beginning of the sentence of each fixup and refusal: a network that is wrong without it.
NEEDED = {
    "roll by more than a side": ("arrays", "roll far", 17),
    "mean over all axes": ("arithmetic", "mean None True", 17),
    "unsqueeze by negative or unsorted axes": ("arrays", "unsqueeze negative", 11),
    "squeeze of an axis that is longer": ("arrays", "squeeze wide axis", 17),
    "a transposed convolution loses": ("windows", "conv2d_transpose output_size", 17),
    "thresholded_relu loses": ("activations", "thresholded_relu value", 17),
    "gelu(approximate=True)": ("activations", "gelu tanh", 17),
    "hardtanh loses": ("activations", "hardtanh", 17),
    "Paddle2ONNX has no softplus": ("activations", "softplus beta threshold", 17),
    "Paddle2ONNX has no celu": ("activations", "celu 0.4", 17),
    "Paddle2ONNX has no stanh": ("activations", "stanh", 17),
    "Paddle2ONNX has no logit": ("activations", "logit", 17),
    "log_sigmoid is minus": ("activations", "log_sigmoid far", 17),
    "roll over a free side": ("arrays", "roll far free", 17),
    "Paddle2ONNX has no full_batch": ("arrays", "one over free batch", 17),
    "with sequence lengths": ("recurrent", "LSTM lengths", 17),
    "Paddle2ONNX has no amax": ("arithmetic", "amax 1 True", 17),
    "Paddle2ONNX has no amin": ("arithmetic", "amin 1 True", 17),
    "Paddle2ONNX has no channel_shuffle": ("vision", "channel_shuffle", 17),
    "adaptive pooling to a size": ("windows", "adaptive_max_pool2d 4", 17),
    "when an average counts padding": ("windows", "avg_pool2d inclusive SAME", 17),
    "with padding SAME, or with": ("windows", "conv2d_transpose SAME", 17),
    "with align_corners": ("vision", "interpolate nearest align_corners", 17),
    "over all axes at once": ("norms", "norm p inf", 17),
    "on integers by a fraction": ("arithmetic", "scale integers by fraction", 17),
    "where channels come last": ("norms", "batch_norm NHWC", 17),
    "when ceil_mode lets": ("windows", "max_pool2d ceil beyond", 17),
    "without a mask": ("vision", "deform_conv2d v1 groups 1", 19),
    "as a plain recurrent network": ("recurrent", "SimpleRNN forward 1", 17),
    "when the last states": ("recurrent", "LSTM forward 2", 17),
    "for a batch that is not": ("vision", "roi_align True 2", 17),
    "with aligned=True below": ("vision", "roi_align one picture True 2", 10),
    "when its mask is used": ("windows", "max_pool2d mask", 17),
    "when adaptive to a size": ("windows", "adaptive_avg_pool3d 2", 17),
    "results had axes of one": ("arithmetic", "sum None False", 17),
    "GridSample had the names": ("vision", "grid_sample bilinear zeros True", 21),
    "RoiAlign was shifted": ("vision", "roi_align one picture False 2", 17),
}


@pytest.mark.slow
def test_every_fixup_and_refusal_is_still_needed(tmp_path: Path) -> None:
    sentences = [
        RANKS,
        *(entry.sentence for entry in (*PROGRAM_FIXUPS, *REPLACEMENTS, *GRAPH_FIXUPS)),
    ]
    sentences += [entry.setting for entry in UNSUPPORTED_SETTINGS]
    bench, superfluous = Bench("pir"), []
    for number, sentence in enumerate(sentences):
        (place,) = [place for start, place in NEEDED.items() if sentence.startswith(start)]
        family, name, opset = place
        folder = tmp_path / str(number)
        for _, outcome in bench.outcomes(family, name, (opset,), folder, without=(sentence,)):
            if outcome == "agrees":
                superfluous.append(sentence)
    bench.worker.close()
    assert not superfluous


def test_a_result_of_another_shape_is_refused_whatever_the_operator(tmp_path: Path) -> None:
    (same,) = [
        item.setting
        for item in UNSUPPORTED_SETTINGS
        if item.setting.startswith("with padding SAME")
    ]
    bench = Bench("pir")
    network = ("windows", "conv2d_transpose SAME", (17,))
    (by_shape,) = bench.outcomes(*network, tmp_path / "1", without=(same,))
    (by_nothing,) = bench.outcomes(*network, tmp_path / "2", without=(same, OTHER_SHAPE))
    bench.worker.close()
    assert by_shape[1].startswith(f"refused: Paddle2ONNX {OTHER_SHAPE} conv2d_transpose")
    assert by_nothing[1].startswith("differs: output 0 has shape")


def test_the_matrix_sees_a_wrong_attribute(tmp_path: Path) -> None:
    bench = Bench("pir")
    with bench.worker as worker:
        model = worker.call(matrix.build, TIMEOUT_S, "activations", "leaky_relu 0.3", tmp_path)
        feed, expected = worker.call(
            matrix.feed_and_outputs, TIMEOUT_S, "activations", "leaky_relu 0.3", model
        )
        planted = tmp_path / "planted.json"
        wrong, places = re.subn(r"0\.3(0000001192092896)?\b", "0.31", model.path.read_text())
        assert places == 1
        planted.write_text(wrong)
        outcomes = [
            worker.call(
                matrix.judge,
                TIMEOUT_S,
                paddle_artifact(program, None, "pir"),
                feed,
                expected,
                17,
                tmp_path / "x.onnx",
            )
            for program in (model.path, planted)
        ]
    assert outcomes[0] == "agrees"
    assert outcomes[1].startswith("differs: output 0 is up to")
