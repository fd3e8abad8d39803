"""A complete made-up overview: every verdict, and whatever may be missing."""

from dataclasses import replace

from made_report import agreeing_report, made_report

from paddleport.validate.overview.model_overview import (
    ModelBackend,
    ModelOverview,
    OverviewRow,
    row_of_report,
)

_PUBLISHED = {"top1": 0.722, "top5": 0.907, "gflops": 0.6, "mparams": 3.44}


def made_overview() -> ModelOverview:
    """Every verdict; more models than names fit beside a chart."""
    agreeing = row_of_report(agreeing_report(), page="MobileNetV2/parity.html")
    differing = row_of_report(made_report(), page="MobileNetV2-2/parity.html")
    rows = [
        replace(agreeing, name="MobileNetV2", published=_PUBLISHED),
        replace(differing, name="MobileNetV2-2", from_before=True),
        OverviewRow(
            name="unproven",
            verdict="unproven",
            exit_code=2,
            reason="onnxruntime: the output depends on nothing",
            measured="2026-01-02T03:04:05+00:00",
        ),
        OverviewRow(
            name="a folder with a long name <b>&</b> [red]",
            verdict="failed",
            exit_code=2,
            reason="<script>alert('x')</script> holds no Paddle program",
            measured="2026-01-02T03:04:05+00:00",
        ),
        *(_timed(number) for number in range(20)),
    ]
    return ModelOverview(
        task="validate",
        title="made-up: 24 models",
        rows=tuple(rows),
        total=len(rows),
        environment={"cpu": "Made-up CPU", "packages": {"paddleport": "0.1.0"}},
        command="paddleport validate --all-of made-up",
        created="2026-01-02T03:04:05+00:00",
    )


def _timed(number: int) -> OverviewRow:
    """The more accurate the slower, but for some; some as accurate as others."""
    p50_ms = 2.0 * 1.2**number * (1.5 if number % 3 == 0 else 1.0)
    return OverviewRow(
        name=f"PPLCNetV2_made_up_x{number}_0",
        verdict="agrees",
        exit_code=0,
        weights="seeded",
        opset=17,
        worst_error=2e-5,
        limit=1e-4,
        worst_backend="openvino",
        size_bytes=4_000_000 * (number + 1),
        parameters=1_000_000 * (number + 1),
        speed_reference="paddle with oneDNN, 2 threads",
        backends=tuple(
            ModelBackend(
                name=name,
                computes_in="fp32",
                verdict="agrees",
                p50_ms=p50_ms * slower,
                speed_up=2.0 / slower,
            )
            for name, slower in (("onnxruntime", 1.0), ("openvino", 0.8), ("paddle", 2.0))
        ),
        published={"top1": 0.55 + 0.012 * (number - number % 2), "gflops": 0.1 * (number + 1)},
        measured="2026-01-02T03:04:05+00:00",
    )
