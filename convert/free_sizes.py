"""Whether a file takes the sizes that its program leaves free; where not, what it is to declare."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paddleport.convert.native_reference import open_natively
from paddleport.convert.onnx_attempt import OnnxAttempts, OnnxCandidate
from paddleport.convert.paddle2onnx.blamed_operator import fixing_operator, operator_behind
from paddleport.convert.paddle2onnx.declared_inputs import DeclaredShape, Narrowing, free_inputs
from paddleport.convert.probe_difference import (
    Outputs,
    difference_beyond_rounding,
    distance,
)
from paddleport.convert.size_probes import Change, ProbeAnswers, SizeProbe
from paddleport.errors import PortError, WorkerCrashed
from paddleport.models.onnx.onnx_file import onnx_tensors
from paddleport.tensors import format_shape
from paddleport.validate.feeds.named_feed import NamedFeed
from paddleport.validate.session import Session

_TIMEOUT_S = 60.0  # of what is asked of the ONNX tools
_FAR = 0.05  # of an output's scale: not rounding, but other numbers
_TIMES_FURTHER = 20.0  # than on the feeds that the file was compared on
_PICTURE_RANK = 4
_BEFORE = {"batch": "batch ", "size": ""}


class FreeSizes:
    """What one model's file takes of the sizes that its program leaves free."""

    def __init__(
        self,
        attempts: OnnxAttempts,
        feeds: Sequence[NamedFeed],
        probes: Sequence[SizeProbe],
        answers: ProbeAnswers,
        reference: Sequence[Outputs],
    ) -> None:
        """Nothing is tried yet.

        Args:
            attempts: makes another file where this one declares too much.
            feeds: those that files are compared on.
            probes: feeds of other sizes.
            answers: native Paddle's on the probes.
            reference: native Paddle's outputs on the feeds.
        """
        self._attempts, self._feeds = attempts, feeds
        self._probes, self._answers, self._reference = probes, answers, reference
        self._inputs = attempts.source.program.inputs
        self._sessions: dict[Path, Session] = {}

    def settled(self, candidate: OnnxCandidate) -> OnnxCandidate:
        """A candidate, or another one that declares what works.

        Raises:
            ConversionError: as ``OnnxAttempts.candidate`` does.
        """
        free = self._left_free(candidate)
        wrong = self._wrong(candidate, free)
        notes = tuple(
            f"native Paddle itself takes only {_BEFORE[change]}{self._given(change)} on these feeds"
            for change in free
            if (change,) in self._answers.refused
        )
        if not wrong and not notes:
            return candidate
        declared, sentences = self._declared(candidate, wrong)
        narrowing = Narrowing(
            declared=declared,
            sentences=(*candidate.narrowing.sentences, *sentences),
            notes=notes,
        )
        fed = [feed.to_file for feed in self._feeds]
        return self._attempts.candidate(candidate.raw, fed, narrowing)

    def _left_free(self, candidate: OnnxCandidate) -> tuple[Change, ...]:
        """What the program leaves free, less what was fixed before the export."""
        found = dict.fromkeys(change for probe in self._probes for change in probe.changes)
        fixed = candidate.raw.fixed.values()
        if fixed and all(None not in shape[1:] for shape in fixed):
            found.pop("size", None)
        if fixed and all(shape[:1] != (None,) for shape in fixed):
            found.pop("batch", None)
        return tuple(found)

    def _wrong(self, candidate: OnnxCandidate, free: tuple[Change, ...]) -> dict[Change, str]:
        """What the file does not take and Paddle does, and why."""
        both = next((probe for probe in self._probes if probe.changes == free), None)
        if both is None:
            return {}
        accepted = both.changes in self._answers.outputs
        reason = self._reason(candidate, both) if accepted else ""
        if accepted and not reason:
            return {}
        if len(free) == 1:
            return dict.fromkeys(free, reason) if reason else {}
        single = [probe for probe in self._probes if len(probe.changes) == 1]
        if accepted:
            self._ask_natively(single)
        wrong = {
            probe.changes[0]: found
            for probe in single
            if probe.changes in self._answers.outputs and (found := self._reason(candidate, probe))
        }
        return wrong or (dict.fromkeys(free, reason) if reason else {})

    def _ask_natively(self, probes: Sequence[SizeProbe]) -> None:
        """Native Paddle on single changes, where it took all at once and the file did not."""
        self._attempts.tools.renew_paddle()
        try:
            session = open_natively(self._attempts.tools.paddle, self._attempts.source)
            for probe in probes:
                self._answers.ask(session, [probe])
        finally:
            self._attempts.tools.paddle.close()

    def _reason(self, candidate: OnnxCandidate, probe: SizeProbe) -> str:
        """Why a file does not do on a probe what Paddle does; empty where it does."""
        expected, path = self._answers.outputs[probe.changes], candidate.path
        session = self._sessions.setdefault(path, candidate.session)
        try:
            (given,) = session.run_all([probe.to_file])
        except WorkerCrashed as error:
            self._attempts.tools.renew_onnx()
            self._sessions[path], _ = self._attempts.run(path, [])
            return str(error)
        except PortError as error:
            return str(error)
        usual = distance(self._reference[0], candidate.outputs[0])
        return difference_beyond_rounding(expected, given, max(_FAR, _TIMES_FURTHER * usual))

    def _declared(
        self, candidate: OnnxCandidate, wrong: dict[Change, str]
    ) -> tuple[dict[str, DeclaredShape], tuple[str, ...]]:
        """What inputs are to be declared as where that is not what the file says, and why."""
        stated = {spec.name: spec.shape for spec in onnx_tensors(candidate.path)[0]}
        closed = {change for change in wrong if self._states(stated, change)}
        if closed:  # by Paddle2ONNX itself: what would happen if it were free?
            wrong = wrong | self._freed(candidate, closed)
            wrong = {change: reason for change, reason in wrong.items() if reason}
        declared = {}
        for spec in self._inputs:
            fixed = candidate.raw.fixed.get(spec.name, spec.shape)
            fed = self._feeds[0].tensors[spec.name].shape
            shape = tuple(
                size if size is not None or _change(axis) not in wrong else fed[axis]
                for axis, size in enumerate(fixed)
            )
            if shape != stated.get(spec.name, shape) and self._feeds[0].pixels is None:
                declared[spec.name] = shape
        return declared, tuple(
            f"the {change} is fixed at {self._given(change)}{self._by(candidate, reason)}, "
            "Paddle takes any"
            for change, reason in wrong.items()
        )

    def _states(self, stated: Mapping[str, DeclaredShape], change: Change) -> bool:
        """Whether the file itself declares a size that the program leaves free."""
        return any(
            size is None and _change(axis) == change and stated[spec.name][axis] is not None
            for spec in self._inputs
            if len(stated.get(spec.name, ())) == len(spec.shape)
            for axis, size in enumerate(spec.shape)
        )

    def _freed(self, candidate: OnnxCandidate, closed: set[Change]) -> dict[Change, str]:
        """Why a copy that leaves free what the program does fails; empty where it works."""
        copy = candidate.path.with_name("freed.onnx")
        shapes = {spec.name: spec.shape for spec in self._inputs}
        found: dict[Change, str] = {}
        try:
            self._attempts.tools.onnx.call(free_inputs, _TIMEOUT_S, candidate.path, copy, shapes)
            session, _ = self._attempts.run(copy, [])
            other = replace(candidate, path=copy, session=session)
            for probe in self._probes:
                if probe.changes in self._answers.outputs and set(probe.changes) <= closed:
                    found |= dict.fromkeys(probe.changes, self._reason(other, probe))
        except PortError as error:
            return dict.fromkeys(closed, str(error))
        return found

    def _given(self, change: Change) -> str:
        """What the feeds have, in words."""
        tensors = self._feeds[0].tensors
        free = [spec for spec in self._inputs if None in spec.shape]
        if change == "batch":
            return f"{tensors[free[0].name].shape[0]}"
        sized = [spec.name for spec in free if None in spec.shape[1:]]
        shapes = [tensors[name].shape for name in sized]
        return ", ".join(
            f"{shape[2]}x{shape[3]}"
            if len(shape) == _PICTURE_RANK
            else f"{name} [{format_shape(shape)}]"
            for name, shape in zip(sized, shapes, strict=True)
        )

    def _by(self, candidate: OnnxCandidate, reason: str) -> str:
        """The operator that an error, or else the graph, blames; empty if neither does."""
        shapes = {spec.name: spec.shape for spec in self._inputs}
        try:
            call = self._attempts.tools.onnx.call
            operator = call(operator_behind, _TIMEOUT_S, candidate.raw, reason) or call(
                fixing_operator, _TIMEOUT_S, candidate.raw, shapes
            )
        except PortError:
            self._attempts.tools.renew_onnx()
            return ""
        return f" by {operator}" if operator else ""


def _change(axis: int) -> Change:
    return "batch" if axis == 0 else "size"
