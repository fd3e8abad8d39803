"""Latencies that were measured on another machine, and are brought in from a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct, ValidationError, convert

from paddleport.errors import ModelNotFoundError, OutputError, UsageError
from paddleport.runners.runner_options import Precision

MAX_BYTES = 16 << 20
_EXPECTED = "docs/on-the-device.md says what such a file holds"

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Milliseconds = Annotated[float, Meta(ge=1e-6, le=1e9)]


class Measurement(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One configuration: its samples, or the median of those and what else is known."""

    runtime: Annotated[Text, Meta(description="What ran the model, such as ncnn.")]
    version: Annotated[Text, Meta(description="Of the runtime.")]
    precision: Annotated[Precision, Meta(description="What the arithmetic was done in.")]
    threads: Annotated[Count, Meta(description="CPU threads.")]
    batch: Annotated[Count, Meta(description="Pictures, or rows, of one inference.")] = 1
    samples_ms: Annotated[
        tuple[Milliseconds, ...],
        Meta(description="Milliseconds of each counted inference; empty where median_ms is given."),
    ] = ()
    median_ms: Annotated[
        Milliseconds | None, Meta(description="Milliseconds, where there are no samples.")
    ] = None
    p90_ms: Annotated[Milliseconds | None, Meta(description="Milliseconds, likewise.")] = None
    runs: Annotated[Count | None, Meta(description="How many were counted, likewise.")] = None

    def __post_init__(self) -> None:
        given = (self.median_ms, self.p90_ms, self.runs)
        if bool(self.samples_ms) == (self.median_ms is not None) or (
            self.samples_ms and given != (None, None, None)
        ):
            raise ValueError("either samples_ms or median_ms is needed, and not both")
        if self.median_ms and self.p90_ms and self.p90_ms < self.median_ms:
            raise ValueError(f"p90_ms {self.p90_ms:g} is below median_ms {self.median_ms:g}")


class MeasuredFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Latencies of one model on one device, measured by whoever has it."""

    schema: Annotated[Literal[1], Meta(description="The version of this schema.")]
    device: Annotated[Text, Meta(description="What it was measured on, such as Snapdragon 855.")]
    model: Annotated[Text, Meta(description="The model's name, as in its reports.")]
    model_sha256: Annotated[
        str,
        Meta(
            pattern="^([0-9a-f]{64})?$",
            description="Of the main file that ran, as in manifest.json; empty if not known.",
        ),
    ] = ""
    measured_by: Annotated[str, Meta(max_length=200, description="By whom.")] = ""
    measured_at: Annotated[str, Meta(max_length=200, description="When.")] = ""
    measurements: Annotated[
        tuple[Measurement, ...], Meta(min_length=1, max_length=1000, description="What was found.")
    ]


@dataclass(frozen=True, kw_only=True)
class BroughtInLatency:
    """A latency of another machine; it takes part in no ratio and no verdict.

    Attributes:
        device: what it was measured on.
        runtime, version: of what ran the model.
        precision: what the arithmetic was done in, as whoever measured it says.
        threads: CPU threads.
        batch: pictures, or rows, of one inference.
        p50_ms: the median in milliseconds.
        p90_ms: in milliseconds; ``None`` where it is not known.
        runs: how many were counted; ``None`` likewise.
        measured_by, measured_at: by whom and when; empty where that is not said.
        file: the name of the file that it was read from.
    """

    device: str
    runtime: str
    version: str
    precision: str
    threads: int
    batch: int
    p50_ms: float
    p90_ms: float | None
    runs: int | None
    measured_by: str
    measured_at: str
    file: str


def read_brought_in(
    path: Path, model: str, model_sha256: str | None = None
) -> tuple[BroughtInLatency, ...]:
    """The latencies of one file.

    Args:
        path: as ``measured.schema.json`` has it.
        model: the name that they must be of.
        model_sha256: of the file that must have run, where that is known.

    Raises:
        ModelNotFoundError: there is no such file.
        OutputError: it is no such file.
        UsageError: it is of another model.
    """
    found = _read(path)
    if found.model != model:
        raise UsageError(f"{path} is of {found.model}, and the model here is {model}")
    if found.model_sha256 and model_sha256 and found.model_sha256 != model_sha256:
        raise UsageError(
            f"{path} was measured with another file of {model}: its sha256 is "
            f"{found.model_sha256[:12]}…, and that of the folder's {model_sha256[:12]}…"
        )
    return tuple(_brought_in(found, item, path.name) for item in found.measurements)


def _read(path: Path) -> MeasuredFile:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ModelNotFoundError(f"there is no {path}; {_EXPECTED}") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from None
    try:
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES >> 20} MB")
        values: Any = json.loads(content.decode("utf-8-sig"))
        if not isinstance(values, Mapping):
            raise ValueError("it is no JSON object")
        return convert(values, MeasuredFile)
    except RecursionError:
        raise OutputError(f"{path} is no file of latencies: too deep; {_EXPECTED}") from None
    except (ValueError, ValidationError) as error:
        why, _, place = str(error).partition(" - at ")
        where = f"{place.strip('`').removeprefix('$.')}: " if place else ""
        raise OutputError(f"{path} is no file of latencies: {where}{why}; {_EXPECTED}") from None


def _brought_in(file: MeasuredFile, item: Measurement, name: str) -> BroughtInLatency:
    p50, p90, runs = item.median_ms, item.p90_ms, item.runs
    if item.samples_ms:
        p50, p90 = (float(value) for value in np.percentile(item.samples_ms, [50, 90]))
        runs = len(item.samples_ms)
    return BroughtInLatency(
        device=file.device,
        runtime=item.runtime,
        version=item.version,
        precision=item.precision,
        threads=item.threads,
        batch=item.batch,
        p50_ms=p50 or 0.0,
        p90_ms=p90,
        runs=runs,
        measured_by=file.measured_by,
        measured_at=file.measured_at,
        file=name,
    )
