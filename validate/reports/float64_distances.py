"""Distances between backend, native reference and the graph in float64, each to each."""

from collections.abc import Sequence

from paddleport.validate.compare.metrics import Metrics
from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures
from paddleport.validate.reports.tables import Table, one_output

_EQUAL_FACTOR = 1.1  # a factor within which two distances count as equal
_OWN = "reference_against_float64"
_PAIRS = (
    ("backend to reference", "against_reference"),
    ("backend to float64", "against_float64"),
    ("reference to float64", _OWN),
)


def sentences(report: ParityReport) -> list[str]:
    """One per backend that agrees: nearer to float64 than the reference is, or not.

    Where a backend differs, or rounding is amplified, its explanation says what follows from
    float64.
    """
    reference = next((row.name for row in report.rows if row.verdict == "reference"), "")
    rows = [row for row in report.rows if row.verdict == "agrees" and _was_compared(row)]
    doubtful = [row for row in rows if _reference_is_far(row) and not row.cause]
    texts = [
        _sentence(row, reference)
        for row in rows
        if row not in doubtful and row.computes_in != "fp64"  # which is the truth itself
    ]
    if doubtful:
        texts.append(
            f"{reference} itself is {figures.error(_farthest(doubtful[0], _OWN)[0])} from the ONNX "
            f"graph in float64, above the limit of {', '.join(row.name for row in doubtful)}: "
            "either the graph is another model, or the model amplifies rounding. Nearness to "
            "float64 is then no merit."
        )
    return texts


def distances(rows: Sequence[BackendRow]) -> Table:
    """Every backend's distance from the reference and from float64, and the reference's own."""
    lines = []
    for row in rows:
        for item in row.comparisons:
            pair = (item.against_reference, item.against_float64)
            if row.verdict == "reference":
                pair = (None, item.against_float64)
            if any(pair):
                cells = [cell for found in pair for cell in _distance_cells(found)]
                lines.append((row.name, item.output, item.measure, *cells))
    columns = (
        *("backend", "output", "measured by", "from reference, scaled", "ULP"),
        *("from float64, scaled", "ULP"),
    )
    return one_output(
        Table(
            caption="Distances between backend, reference and float64",
            columns=columns,
            lines=tuple(lines),
            texts=3,
        )
    )


def metrics(rows: Sequence[BackendRow]) -> Table:
    """Every metric of every pair; the reference's own distance once."""
    own = {
        item.against_float64
        for row in rows
        if row.verdict == "reference"
        for item in row.comparisons
    }
    lines = []
    for row in rows:
        for item in row.comparisons:
            for title, name in _PAIRS:
                found = getattr(item, name)
                if row.verdict == "reference":
                    wanted = name == _OWN
                else:
                    wanted = name != _OWN or found not in own
                if found is not None and wanted:
                    lines.append((row.name, item.output, title, *_metric_cells(found)))
    columns = (
        *("backend", "output", "distance", "scaled", "ULP", "max abs", "max rel", "RMSE"),
        *("cosine", "SNR dB", "log-prob.", "KL nats"),
    )
    return one_output(Table(caption="All metrics", columns=columns, lines=tuple(lines), texts=3))


def _sentence(row: BackendRow, reference: str) -> str:
    found, own = _farthest(row, "against_float64"), _farthest(row, _OWN)
    (closer, much_closer), (farther, much_farther) = _order(found, own), _order(own, found)
    text = f"{row.name} is about as far from float64 as {reference}"
    if all(closer) and any(much_closer):
        text = f"{row.name} is closer to float64 than {reference}"
    elif all(farther) and any(much_farther):
        text = f"{row.name} is farther from float64 than {reference}"
    elif any(much_closer) and any(much_farther):
        text = f"Whether {row.name} or {reference} is closer to float64 depends on the measure"
    return (
        f"{text}: {figures.error(found[0])} against {figures.error(own[0])} scaled, "
        f"{figures.ulp(found[1])} against {figures.ulp(own[1])} ULP."
    )


def _order(
    nearer: tuple[float, float], other: tuple[float, float]
) -> tuple[list[bool], list[bool]]:
    """By both measures: not farther, and nearer by more than ``_EQUAL_FACTOR``."""
    pairs = list(zip(nearer, other, strict=True))
    return [one <= two for one, two in pairs], [one * _EQUAL_FACTOR < two for one, two in pairs]


def _farthest(row: BackendRow, name: str) -> tuple[float, float]:
    """The largest distance of a pair over a row's outputs, scaled and in ULP."""
    found: list[Metrics] = [one for item in row.comparisons if (one := getattr(item, name))]
    return max(one.scaled for one in found), max(one.ulp for one in found)


def _was_compared(row: BackendRow) -> bool:
    """Whether row and reference were both compared with float64."""
    return any(item.against_float64 and item.reference_against_float64 for item in row.comparisons)


def _reference_is_far(row: BackendRow) -> bool:
    """Whether the reference is farther from float64 than this row's limit allows."""
    return any(
        item.reference_against_float64.scaled > item.limit
        for item in row.comparisons
        if item.reference_against_float64
    )


def _distance_cells(found: Metrics | None) -> tuple[str, str]:
    if found is None:
        return figures.NOTHING, figures.NOTHING
    return figures.error(found.scaled), figures.ulp(found.ulp)


def _metric_cells(found: Metrics) -> tuple[str, ...]:
    return (
        *_distance_cells(found),
        *(figures.error(value) for value in (found.max_abs, found.max_rel, found.rmse)),
        figures.decimal(found.cosine, 9),
        figures.decimal(found.snr_db, 4),
        *(figures.error(value) for value in (found.log_probability, found.kl)),
    )
