"""What else is tried where an export or its file fails: fixed sizes, and other opsets."""

import re
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from paddleport.convert.native_reference import NativeReference
from paddleport.convert.onnx_attempt import OnnxAttempts, OnnxCandidate
from paddleport.convert.paddle2onnx.declared_inputs import Narrowing
from paddleport.errors import ConversionError
from paddleport.tensors import Array, TensorSpec, format_shape
from paddleport.validate.feeds.named_feed import NamedFeed

_OPSETS = (17, 13, 19, 11, 21)  # those that runtimes take best first, low and high in turn
_BUDGET_S = 90.0  # of trying other opsets
_ENOUGH = 2  # other opsets that give the very same reason
_OPERATOR = re.compile(r"operator (\w+)")
_PICTURE_RANK = 4
_NO_OTHER_WAY = "No file was written: write that part of the network differently and save it again"

Shapes = dict[str, tuple[int, ...]]


class SecondAttempts:
    """Further ways to a file of one model, each tried before it is advised."""

    def __init__(
        self,
        attempts: OnnxAttempts,
        feeds: Sequence[NamedFeed],
        native: NativeReference,
        agrees: Callable[[OnnxCandidate], bool],
    ) -> None:
        """Nothing is tried yet."""
        self._attempts, self._feeds, self._agrees = attempts, feeds, agrees
        self._native = native

    def after(self, refused: ConversionError) -> OnnxCandidate:
        """A file with the sizes that ``--shape`` gives, where that is what was missing.

        Args:
            refused: why the first attempt failed.

        Raises:
            ConversionError: native Paddle does not run the model either, or gives nothing finite
                on what was given; else ``refused``, with what was found to help.
        """
        self._refuse_nothing_finite()
        self._attempts.tools.renew_paddle()  # that one ended with the reference
        reason = str(refused).rstrip(".")
        shapes = self._fixable()
        found = self._at_fixed_sizes(reason, shapes) if shapes else None
        if found is not None and self._attempts.request.shapes:
            return found
        if found is not None:
            given = " ".join(f"--shape {_option(name, shape)}" for name, shape in shapes.items())
            raise ConversionError(f"{reason}. Fix the size, which helps: {given}")
        opset = self._working_opset(reason)
        if opset:
            raise ConversionError(f"{reason}. --opset {opset} works")
        raise ConversionError(reason if "save it again" in reason else f"{reason}. {_NO_OTHER_WAY}")

    def _refuse_nothing_finite(self) -> None:
        """Blame what was given, where native Paddle itself has no number for it."""
        request = self._attempts.request
        given = "--feed" if request.feed else "--shape" if request.shapes else ""
        outputs = self._native.outputs()
        if given and any(map(_has_nothing_finite, outputs)):
            at = next(at for at, found in enumerate(outputs) if _has_nothing_finite(found))
            tensors = self._feeds[at].tensors
            shapes = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
            raise ConversionError(
                f"nothing to compare with: native Paddle itself computes no finite number on "
                f"{shapes}, which {given} asks for. Give {given} what the model is made for"
            )

    def _fixable(self) -> Shapes:
        """The shapes to fix: of inputs with something free, those that ``--shape`` names if any."""
        shapes = [{name: x.shape for name, x in feed.tensors.items()} for feed in self._feeds]
        if any(item != shapes[0] for item in shapes):
            return {}
        free = [spec.name for spec in self._inputs if None in spec.shape]
        named = [name for name in free if name in self._attempts.request.shapes]
        return {name: shapes[0][name] for name in named or free}

    @property
    def _inputs(self) -> Sequence[TensorSpec]:
        return self._attempts.source.program.inputs

    def _at_fixed_sizes(self, reason: str, shapes: Shapes) -> OnnxCandidate | None:
        """A file that agrees, with the sizes alone fixed or else the batch as well."""
        beyond_batch = any(None in spec.shape[1:] for spec in self._inputs if spec.name in shapes)
        fed = [feed.to_file for feed in self._feeds]
        for batch in (False, True) if beyond_batch else (True,):
            try:
                raw = self._attempts.export(self._attempts.request.opset, shapes, batch=batch)
                sentence = _sentence(reason, shapes, raw.fixed)
                found = self._attempts.candidate(raw, fed, Narrowing(sentences=(sentence,)))
            except ConversionError:
                continue
            if self._agrees(found):
                return found
        return None

    def _working_opset(self, reason: str) -> int | None:
        started, same = time.monotonic(), 0
        fed = [feed.to_file for feed in self._feeds]
        for opset in (item for item in _OPSETS if item != self._attempts.request.opset):
            if same == _ENOUGH or time.monotonic() - started > _BUDGET_S:
                return None
            try:
                if self._agrees(self._attempts.candidate(self._attempts.export(opset), fed)):
                    return opset
            except ConversionError as error:
                same += str(error).rstrip(".") == reason
        return None


def _has_nothing_finite(outputs: Mapping[str, Array]) -> bool:
    """Whether a feed's floating-point outputs are without a number; empty ones are, too."""
    floats = [tensor for tensor in outputs.values() if tensor.dtype.kind == "f"]
    return bool(floats) and not any(np.isfinite(tensor).any() for tensor in floats)


def _sentence(reason: str, shapes: Shapes, fixed: Mapping[str, tuple[int | None, ...]]) -> str:
    """What became narrower, by the operator that the first refusal names."""
    operator = _OPERATOR.search(reason)
    by = f" by {operator[1]}" if operator else ""
    batch = any(fixed[name][:1] != (None,) for name in shapes)
    what = "the batch and the size are" if batch else "the size is"
    sizes = ", ".join(
        f"{name} [{format_shape(shape)}]"
        if batch or len(shape) != _PICTURE_RANK
        else f"{shape[2]}x{shape[3]}"
        for name, shape in shapes.items()
    )
    return f"{what} fixed at {sizes}{by}, Paddle takes any"


def _option(name: str, shape: Sequence[int]) -> str:
    return f"{name}={','.join(map(str, shape))}"
