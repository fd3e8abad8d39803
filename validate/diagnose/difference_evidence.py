"""What was found out about one backend that differs."""

from dataclasses import dataclass

from paddleport.validate.compare.tolerance import UNIT_ROUNDOFF
from paddleport.validate.diagnose.output_patterns import BatchDependence


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found out about one backend that differs, on its worst output.

    Errors are in the tolerance's unit over the feeds that differ; infinite where tensors could
    not be compared at all.

    Attributes:
        backend: its name.
        format: of the artifact that it loads.
        computes_in: the precision that it reports.
        limit: of its tolerance; 0 for whole numbers.
        error: backend against reference.
        from_float64: backend against float64; ``None`` where there is no such reference.
        reference_from_float64: reference against float64, likewise.
        rounding: how far fp32 rounding alone moves the float64 answer, imitated; likewise.
        own_rounding: the same for the backend's own precision.
        observed_rounding: how far the reference's own program is from itself with other kernels;
            likewise, and where it was not to be had.
        no_float64: why there is no float64 reference.
        feeds: names of the feeds that differ.
        repeat: the backend's two runs against each other.
        reference_repeat: the reference's two runs against each other.
        overwritten: an answer that was held changed when the next feed was run.
        batch_dependence: where the answer depends on the place in the batch.
        float64_batch_dependence: the same of float64.
        imitates: what input the reference gives this answer for; empty if none was found.
        advice: what to do about that input.
        pattern: how the answer relates to the reference's, if in a simple way.
        fits_precision: a narrower precision that all values of the answer fit into.
        ranking: what became of top-1, in words; empty for no classifier.
        top1_changes: rows whose top-1 is another.
        step: of the conversion that made the ONNX graph another model; empty where nobody knows.
        target: that made the file which the backend loads; empty for the two files themselves.
        from_file: backend against what that file says, computed without its runtime; ``None``
            where that is not known.
        no_file: why it is not known.
        file_from_float64: what that file says against float64, likewise.
        normalised_inside: the ONNX file takes 8-bit pictures, so that what the network is fed
            is the file's doing.
    """

    backend: str
    format: str
    computes_in: str
    limit: float
    error: float
    from_float64: float | None = None
    reference_from_float64: float | None = None
    rounding: float | None = None
    own_rounding: float | None = None
    observed_rounding: float | None = None
    no_float64: str = ""
    feeds: tuple[str, ...] = ()
    repeat: float = 0.0
    reference_repeat: float = 0.0
    overwritten: bool = False
    batch_dependence: BatchDependence | None = None
    float64_batch_dependence: BatchDependence | None = None
    imitates: str = ""
    advice: str = ""
    pattern: str = ""
    fits_precision: str = ""
    ranking: str = ""
    top1_changes: int = 0
    step: str = ""
    target: str = ""
    from_file: float | None = None
    no_file: str = ""
    file_from_float64: float | None = None
    normalised_inside: bool = False

    @property
    def narrow(self) -> bool:
        """Whether the backend says that it computes in less than fp32."""
        return UNIT_ROUNDOFF[self.computes_in] > UNIT_ROUNDOFF["fp32"]
