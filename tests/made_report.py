"""A complete made-up report: every verdict and cause, and whatever may be missing."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from paddleport.tensors import Array
from paddleport.validate.benchmark.latency import Latency
from paddleport.validate.bisect.computation import TensorRange
from paddleport.validate.bisect.divergence import Divergence
from paddleport.validate.compare.comparison import OutputComparison, Verdict, WorstFeed
from paddleport.validate.compare.metrics import Metrics, Ranking, Top1Change
from paddleport.validate.compare.sensitivity import Sensitivity
from paddleport.validate.diagnose.causes import Cause
from paddleport.validate.parity.parity_report import BackendRow, FeedRow, Load, ParityReport
from paddleport.validate.reports.brought_in import BroughtInLatency
from paddleport.validate.reports.thumbnails import thumbnail

HOSTILE = "<script>alert('x')</script> & $x_1$ | `tick`"
# NUL, escape, DEL, a lone surrogate, no character, ends of a comment and of CDATA, a link
WORSE = "\x00\x1b[31m\x7f\ud800\ufffe -->]]>\r\n\\| [a](http://example.org) \"' " + HOSTILE
CAUSES: tuple[Cause, ...] = tuple(cause for cause in get_args(Cause) if cause)
_CHOSEN = {"kind", "computes_in", "created", "thumbnail"}  # ours as well, though typed as text
_LIMITS = {"fp32": (1e-4, "about 1700 u, u = 2^-24"), "fp16": (1e-2, "about 20 u, u = 2^-11")}
_ERRORS: dict[Cause, float | None] = dict(
    zip(CAUSES, (3e-2, 2.1e-3, 4e-2, 1.4, 9e-4, 2e-2, 0.3, 1.7, None), strict=True)
)


@cache
def made_report() -> ParityReport:
    """Every verdict and cause."""
    return ParityReport(
        model=_model(),
        reference="paddle 3.2.2 fp32, no oneDNN, no graph optimisation",
        speed_reference="paddle with oneDNN, 2 threads",
        reference_reason="paddle-tensorrt can't run here: no NVIDIA driver",
        float64_reference="the ONNX graph in float64",
        feeds=_feeds(),
        threads=2,
        rows=(
            _reference(),
            _row("onnxruntime", "agrees", 2.3e-6, p50=4.89, speed_up=1.64),
            _row(
                *("openvino", "agrees", 0.9e-6),
                p50=5.10,
                speed_up=1.57,
                note="throttled once",
                warm_load_ms=87.25,
            ),
            _row("exact", "agrees", 0.0, p50=911.0, speed_up=0.009),
            _row("openvino fp16", "agrees", 3.1e-3, p50=3.02, speed_up=2.66, precision="fp16"),
            *(_differing(cause) for cause in CAUSES if cause != "ill-conditioned"),
            _unproven(),
            _amplified("agrees"),
            _amplified("unproven"),
            BackendRow(
                name="tensorrt", verdict="skipped", reason="no NVIDIA driver: paddleport doctor"
            ),
            _failed(),
            replace(_failed(), name="paddle", log="", notes=("by itself",), counts=False),
        ),
        published=_published(),
        peak_gflops={"1": 61.5, "2": 118.2},
        environment={
            "python": "3.11.4",
            "platform": "Linux-6.1-x86_64",
            "cpu": "Made-up CPU @ 2.5 GHz (2 CPUs)",
            "packages": {"paddleport": "0.1.0", "paddlepaddle": "3.2.2", "onnxruntime": "1.22.0"},
        },
        command="paddleport validate MobileNetV2 --locate",
        created="2026-01-02T03:04:05+00:00",
        brought_in=(brought_in(), replace(brought_in(), threads=4, p90_ms=None, runs=None)),
    )


def brought_in() -> BroughtInLatency:
    """A latency of another machine."""
    return BroughtInLatency(
        device="Snapdragon 855 board",
        runtime="ncnn",
        version="1.0",
        precision="fp32",
        threads=1,
        batch=1,
        p50_ms=6.25,
        p90_ms=6.5,
        runs=100,
        measured_by="the one who has it",
        measured_at="2026-01-01",
        file="latency.json",
    )


def agreeing_report() -> ParityReport:
    """As most reports are: the reference and two backends that agree."""
    report = made_report()
    return replace(report, rows=report.rows[:3])


def bare_report() -> ParityReport:
    """As little as a report can hold: nothing was available, nothing is known."""
    report = made_report()
    return replace(
        report,
        model={"title": HOSTILE, "name": HOSTILE},
        float64_reference="none: the graph holds an operator that it does not compute",
        feeds=(),
        rows=(
            BackendRow(name="paddle plain", verdict="reference"),
            BackendRow(name=HOSTILE, verdict="skipped"),
        ),
        published={},
        peak_gflops={},
        environment={},
        command="",
        brought_in=(),
    )


def hostile_report() -> ParityReport:
    """Every free text holds what it must not break."""
    made: ParityReport = _hostile(made_report())
    return made


def _hostile(value: Any) -> Any:
    """``value`` with ``WORSE`` after every text; choices, which are ours, stay."""
    if isinstance(value, str):
        return f"{value}{WORSE}" if value else ""
    if isinstance(value, Mapping):
        return {key: _hostile(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_hostile(item) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    hints = get_type_hints(type(value))
    changed = {
        item.name: _hostile(getattr(value, item.name))
        for item in fields(value)
        if get_origin(hints[item.name]) is not Literal and item.name not in _CHOSEN
    }
    return replace(value, **changed)


def report_with(
    errors: Sequence[float | None], *, p50: Sequence[float | None] | None = None
) -> ParityReport:
    """A backend for each error, in fp32; ``None`` is not comparable, or not timed."""
    times = p50 or [3.0 + position for position in range(len(errors))]
    rows = []
    for position, (error, ms) in enumerate(zip(errors, times, strict=True)):
        agrees = error is not None and error <= _LIMITS["fp32"][0]
        row = _row(
            f"backend {position}",
            "agrees" if agrees else "differs",
            error,
            p50=ms or 0.0,
            speed_up=None,
        )
        rows.append(row if ms is not None else replace(row, latencies=()))
    report = made_report()
    return replace(report, rows=(report.rows[0], *rows))


def latency(
    p50: float,
    batch: int = 1,
    threads: int = 2,
    scope: Literal["inference", "end to end"] = "inference",
) -> Latency:
    return Latency(
        batch=batch,
        threads=threads,
        scope=scope,
        p50_ms=p50,
        p90_ms=1.06 * p50,
        p99_ms=1.2 * p50,
        mean_ms=1.02 * p50,
        pictures_per_s=1000 * batch / max(1.02 * p50, 1e-9),
        runs=320,
        interval_ms=(0.99 * p50, 1.01 * p50),
        settled=threads != 1,
        round_p50_ms=(p50, 1.005 * p50, 0.995 * p50),
    )


def metrics(scaled: float) -> Metrics:
    return Metrics(
        scaled=scaled,
        ulp=scaled * 2**23,
        max_abs=9 * scaled,
        max_rel=1.4 * scaled,
        rmse=0.2 * scaled,
        cosine=max(-1.0, 1 - scaled * scaled),
        snr_db=None if not scaled else -20 * float(np.log10(scaled)),
        log_probability=1.1 * scaled,
        kl=scaled * scaled,
    )


def comparison(
    error: float | None,
    *,
    output: str = "softmax_0.tmp_0",
    verdict: Verdict = "agrees",
    precision: str = "fp32",
) -> OutputComparison:
    limit, source = _LIMITS[precision]
    known = 0.0 if error is None else error
    changes = (
        (Top1Change(feed="noise 2", row=0, expected=281, found=282, margin=3e-5),)
        if known > limit
        else ()
    )
    return OutputComparison(
        output=output,
        verdict=verdict,
        reason="" if verdict == "agrees" else _reason(error),
        worst_error=error,
        limit=limit,
        limit_source=source,
        measure="log-probabilities",
        worst_feeds=(
            WorstFeed("picture", "duck", error),
            WorstFeed("drawn", "drawn 3", known / 2),
            WorstFeed("noise", "noise 2", known / 3),
            WorstFeed("extreme", "all 1e6", None if known > limit else known / 4),
        ),
        against_reference=None if error is None else metrics(known),
        against_float64=metrics(0.8 * known),
        reference_against_float64=metrics(1.1e-6),
        ranking=Ranking(
            top1_agreeing=8 - len(changes),
            total=8,
            top5_overlap=0.975,
            changes=changes,
            smallest_margin=3e-5,
        ),
        sensitivity=Sensitivity(refused_at=4.0, refused=True, accepted_at=0.25, accepted=True),
    )


def _reason(error: float | None) -> str:
    if error is None:
        return "duck: shape [1, 999], the reference has [1, 1000]"
    return f"error {error:.2g} above the limit"


def _latencies(p50: float) -> tuple[Latency, ...]:
    grid = [
        latency(p50 * batch**0.9 * (1.8 if threads == 1 else 1.0), batch, threads)
        for threads in (2, 1)
        for batch in (1, 4, 8)
    ]
    return (*grid, latency(p50 + 6.5, scope="end to end"))


def _row(
    name: str,
    verdict: Literal["agrees", "differs"],
    error: float | None,
    *,
    p50: float,
    speed_up: float | None,
    precision: str = "fp32",
    note: str = "",
    warm_load_ms: float | None = None,
) -> BackendRow:
    return BackendRow(
        name=name,
        verdict=verdict,
        computes_in=precision,
        comparisons=(comparison(error, verdict=verdict, precision=precision),),
        latencies=_latencies(p50),
        speed_up=speed_up,
        load=Load(
            load_ms=412.5,
            first_ms=19.0,
            peak_memory_bytes=231_000_000,
            gflops_per_s=61.2,
            share_of_peak=0.52,
            warm_load_ms=warm_load_ms,
        ),
        notes=(note,) if note else (),
    )


def _reference() -> BackendRow:
    own = replace(comparison(0.0), against_float64=metrics(1.1e-6))
    return replace(
        _row("paddle plain", "agrees", 0.0, p50=13.21, speed_up=0.61),
        verdict="reference",
        comparisons=(own,),
    )


def _differing(cause: Cause) -> BackendRow:
    position = CAUSES.index(cause)
    row = _row(f"made {cause}", "differs", _ERRORS[cause], p50=4.0 + position, speed_up=1.3)
    located = _located(cause) if cause in ("converter", "runtime") else None
    return replace(
        row,
        cause=cause,
        explanation=f"An explanation of {cause}. Next: --locate names the node.",
        reason=row.comparisons[0].reason,
        located=located,
    )


def _amplified(verdict: Verdict) -> BackendRow:
    cause: Cause = "ill-conditioned"
    row = _row(f"made {cause}, {verdict}", "agrees", _ERRORS[cause], p50=6.5, speed_up=1.3)
    explanation = "An explanation of ill-conditioned. Next: judge it by accuracy."
    reason = "y: error 0.0009 above the limit, as exact as Paddle"
    return replace(row, verdict=verdict, cause=cause, explanation=explanation, reason=reason)


def _located(side: Literal["converter", "runtime"]) -> Divergence:
    return Divergence(
        side=side,
        node=f"pd_op.batch_norm_ {HOSTILE}",
        operator="pd_op.batch_norm_",
        output="batch_norm_12.tmp_3",
        position=37,
        nodes=152,
        inputs=(
            TensorRange(
                name="conv2d_12.tmp_0", shape=(1, 96, 56, 56), minimum=-14.25, maximum=11.5
            ),
        ),
        error_before=4.1e-7,
        error_after=3.0e-2,
        limit=1e-5,
        feed="duck",
        cuts=9,
        complete=False,
        sentence="They part at node 37 of 152, pd_op.batch_norm_: 4.1e-07 before, 3.0e-02 after.",
    )


def _unproven() -> BackendRow:
    constant = replace(
        comparison(0.0, output="shape", verdict="unproven"),
        reason="the output does not change with the input: alone it proves nothing",
        worst_error=0.0,
        limit=0.0,
        limit_source="whole numbers are equal or not",
        measure="equality",
        against_reference=None,
        against_float64=None,
        reference_against_float64=None,
        ranking=None,
        sensitivity=None,
    )
    return BackendRow(
        name="constant",
        verdict="unproven",
        reason=constant.reason,
        computes_in="fp32",
        comparisons=(comparison(2e-6), constant),
    )


def _failed() -> BackendRow:
    return BackendRow(
        name=f"crashes {HOSTILE}",
        verdict="failed",
        reason="the worker died: SIGSEGV",
        log=f"loading\x07 model\n\n{HOSTILE}\nSegmentation fault",
    )


def _feeds() -> tuple[FeedRow, ...]:
    return (
        FeedRow(name="duck", kind="picture", batch=1, thumbnail=thumbnail(picture())),
        FeedRow(name="drawn 3", kind="drawn", batch=1, thumbnail=thumbnail(picture()[:, :, ::-1])),
        FeedRow(name="noise 2", kind="noise", batch=1, thumbnail=thumbnail(_noise())),
        FeedRow(name="all 1e6", kind="extreme", batch=1),
        FeedRow(name="pair", kind="batch", batch=2),
        FeedRow(name=HOSTILE, kind="given", batch=0),
    )


def picture() -> Array:
    """A slope of colours with a disc: [1, 3, 200, 200]."""
    y, x = np.mgrid[0:1:200j, 0:1:200j]
    disc = ((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.05) * 1.0
    return np.stack([x, y * (1 - disc), disc], axis=0)[None].astype(np.float32)


def _noise() -> Array:
    return np.random.Generator(np.random.PCG64(1)).normal(size=(1, 3, 64, 64)).astype(np.float32)


def _model() -> dict[str, Any]:
    return {
        "title": "MobileNetV2 · opset 17 · weights seeded · 3.5 M parameters · 0.6 GFLOP",
        "name": "MobileNetV2",
        "weights": "seeded",
        "paddle sha256": "0f" * 32,
        "onnx file": "MobileNetV2.onnx",
        "onnx sha256": "a1" * 32,
        "onnx bytes": 14_012_345,
        "opset": 17,
        "parameters": 3_504_872,
        "flops": 601_600_000,
    }


def _published() -> dict[str, Any]:
    return {
        "top1": 0.722,
        "top5": 0.907,
        "reference_top1": None,
        "gflops": 0.6,
        "mparams": 3.44,
        "sd855_ms": {"threads1": 20.74, "threads2": 12.71, "threads4": 8.1},
        "storage_mb": 14,
        "v100_trt_fp32_ms": {"batch1": 1.02, "batch4": 1.93, "batch8": 2.89},
        "source": "PaddleClas MobileNetV2 series page (published figures, not measured here)",
        "methodology": {
            "sd855_ms": "Paddle-Lite, batch 1, threads 1/2/4",
            "v100_trt_fp32_ms": "TensorRT FP32, input 224, batch 1/4/8; 2100 runs",
        },
    }
