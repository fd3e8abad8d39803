"""Two reports: every kind of regression is seen, and noise is not."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import made_report
import numpy as np
import pytest

from paddleport.errors import ModelNotFoundError, OutputError, UsageError
from paddleport.validate.benchmark.bootstrap import median_interval
from paddleport.validate.parity.parity_report import SCHEMA_VERSION
from paddleport.validate.parity.validation_plan import PLAIN
from paddleport.validate.report_diff import ReportDiff, compare_reports
from paddleport.validate.report_diff.recorded_report import (
    MAX_BYTES,
    READABLE_SCHEMAS,
    SPEED_REFERENCE,
)
from paddleport.validate.report_diff.result_changes import grown

Json = dict[str, Any]
Edit = Callable[[Json], object]
TRIALS = 200


@cache
def made_text() -> str:
    made = made_report.made_report()
    paddle = replace(made.rows[2], name="paddle", notes=())
    unproven = next(row for row in made.rows if row.verdict == "unproven")
    skipped = next(row for row in made.rows if row.verdict == "skipped")
    differing = next(row for row in made.rows if row.cause == "runtime")
    rows = (*made.rows[:3], paddle, unproven, skipped, replace(differing, name="bent"))
    return replace(made, rows=rows).to_json()


def report(*edits: Edit) -> Json:
    made: Json = json.loads(made_text())
    for edit in edits:
        edit(made)
    return made


def row(of: Json, name: str) -> Json:
    found: Json = next(item for item in of["rows"] if item["name"] == name)
    return found


def listed(found: ReportDiff) -> set[tuple[str, str, str]]:
    return {(item.backend, item.what, item.kind) for item in found.changes}


def changed(name: str, /, **values: object) -> Edit:
    return lambda made: row(made, name).update(values)


def first(name: str, **values: object) -> Edit:
    return lambda made: row(made, name)["comparisons"][0].update(values)


def error(name: str, value: float | None, limit: float = 1e-4) -> Edit:
    return first(name, worst_error=value, limit=limit)


def as_exact_as_paddle(name: str, value: float) -> Edit:
    def edit(made: Json) -> None:
        changed(name, cause="ill-conditioned")(made)
        error(name, value)(made)

    return edit


def double(outputs: list[Json]) -> None:
    outputs.append({**outputs[0], "output": "another"})


def times(name: str, factor: float, scope: str = "") -> Edit:
    """Every latency of the rows whose name starts so, in one scope or all."""

    def edit(made: Json) -> None:
        for item in made["rows"]:
            for one in item["latencies"] if item["name"].startswith(name) else ():
                if scope in ("", one["scope"]):
                    one["p50_ms"] *= factor
                    one["interval_ms"] = [factor * end for end in one["interval_ms"]]

    return edit


def gone(name: str) -> Edit:
    return lambda made: made["rows"].remove(row(made, name))


def test_the_same_report_twice(tmp_path: Path) -> None:
    full = made_report.made_report()
    (tmp_path / "a.json").write_text(full.to_json())
    for pair in ((full.to_dict(), tmp_path / "a.json"), (str(tmp_path / "a.json"), full.to_dict())):
        found = compare_reports(*pair)
        assert (found.changes, found.regressed) == ((), False)
        (note,) = found.notes  # the made report has no row named paddle
        assert note.startswith("105 latencies stand alone: no paddle ")
        assert found.conclusion == "nothing changed beyond noise"
    twice = compare_reports(report(), report())
    assert (twice.changes, twice.notes) == ((), ())
    bare = made_report.bare_report().to_dict()
    unknown = compare_reports(bare, bare)
    assert unknown.changes == ()
    assert [note.partition(":")[0] for note in unknown.notes] == [
        "whether it is the same Paddle model cannot be told",
        "whether it is the same ONNX file cannot be told",
        "another machine",
    ]
    assert not compare_reports(bare, full.to_dict()).conclusion.startswith("nothing")


@pytest.mark.parametrize(
    ("edit", "backend", "what", "kind"),
    [
        *(
            (changed("onnxruntime", verdict=verdict), "onnxruntime", "verdict", "regression")
            for verdict in ("differs", "failed", "unproven", "skipped")
        ),
        (changed("paddle", verdict="failed", counts=False), "paddle", "verdict", "change"),
        (changed("openvino", cause="ill-conditioned"), "openvino", "cause", "change"),
        (as_exact_as_paddle("openvino", 2e-4), "openvino", "worst error", "change"),
        (
            changed("openvino", verdict="unproven", cause="ill-conditioned"),
            *("openvino", "verdict", "regression"),
        ),
        (gone("onnxruntime"), "onnxruntime", "verdict", "regression"),
        (changed("constant", verdict="differs"), "constant", "verdict", "regression"),
        (changed("tensorrt", verdict="failed"), "tensorrt", "verdict", "regression"),
        (changed("tensorrt", verdict="agrees"), "tensorrt", "verdict", "improvement"),
        (changed("bent", verdict="agrees", cause=""), "bent", "verdict", "improvement"),
        (changed("bent", verdict="failed", cause=""), "bent", "verdict", "regression"),
        (changed("bent", verdict="skipped", cause=""), "bent", "verdict", "change"),
        (gone("bent"), "bent", "verdict", "change"),
        (changed("bent", cause="converter"), "bent", "cause", "change"),
        (lambda made: row(made, "bent")["located"].update(node="Conv_9"), "bent", "parts at", ""),
        (changed("openvino", computes_in="bf16"), "openvino", "computes in", "regression"),
        (changed("openvino", computes_in="fp64"), "openvino", "computes in", "change"),
        (first("openvino", measure="values"), "openvino", "measure", "change"),
        (
            first("paddle plain", reference_against_float64={"scaled": 1e-5}),
            *("paddle plain", "from float64", "change"),
        ),
        (lambda made: double(row(made, "openvino")["comparisons"]), "openvino", "outputs", ""),
        (error("openvino", 9e-6), "openvino", "worst error", "change"),
        (error("openvino", 9e-5), "openvino", "worst error", "regression"),
        (error("openvino", 1e-7), "openvino", "worst error", "improvement"),
        (error("bent", None), "bent", "worst error", "regression"),
        (error("openvino", 2e-6, 1e-2), "openvino", "limit", "change"),
        (error("openvino", 2e-6, 1e-5), "openvino", "limit", "change"),
        (error("openvino", 2e-4, 1e-2), "openvino", "worst error", "regression"),
        (
            lambda made: row(made, "openvino")["load"].update(peak_memory_bytes=300_000_000),
            *("openvino", "peak memory", "change"),
        ),
        (
            lambda made: row(made, "openvino")["load"].update(load_ms=900.0),
            *("openvino", "load ms", "change"),
        ),
        (
            lambda made: row(made, "openvino")["load"].update(warm_load_ms=250.0),
            *("openvino", "warm load ms", "change"),
        ),
        (lambda made: made["model"].update(flops=1), "(model)", "FLOP of one inference", "change"),
        (lambda made: made["model"].update(parameters=1), "(model)", "parameters", "change"),
        (lambda made: made["model"].update({"onnx bytes": 9}), "(model)", "ONNX file", "change"),
        (times("openvino", 1.2), "openvino", "p50 ms, batch 8, 2 threads", "regression"),
        (times("openvino", 0.8), "openvino", "p50 ms, batch 8, 2 threads", "improvement"),
        (times("paddle", 1.2), "paddle", "p50 ms, batch 1, 1 thread", "regression"),
        (
            times("", 1.3, "end to end"),
            *("onnxruntime", "p50 ms, batch 1, 2 threads, end to end", "regression"),
        ),
        (
            lambda made: row(made, "openvino")["latencies"].pop(2),
            *("openvino", "p50 ms, batch 8, 2 threads", "change"),
        ),
    ],
)
def test_each_kind_of_change_is_found(edit: Edit, backend: str, what: str, kind: str) -> None:
    found = compare_reports(report(), report(edit))
    assert (backend, what, kind or "change") in listed(found)
    assert {item.backend for item in found.changes if item.kind == "regression"} <= (
        {"onnxruntime", "openvino", "paddle", "bent"} if "end to end" in what else {backend}
    )
    assert found.regressed == (kind == "regression")
    assert kind != "regression" or not compare_reports(report(edit), report()).regressed


def test_a_new_backend() -> None:
    assert listed(compare_reports(report(gone("openvino")), report())) == {
        ("openvino", "verdict", "improvement")
    }
    assert listed(compare_reports(report(gone("bent")), report())) == {
        ("bent", "verdict", "regression")
    }


@pytest.mark.parametrize(
    "edit",
    [
        error("openvino", 2.6e-6),  # × 2.9
        error("openvino", 1e-6),
        times("openvino", 1.04),
        times("", 1.6),  # the machine, or its load
        times("", 0.5),
        lambda made: row(made, "openvino")["load"].update(load_ms=700.0),
        lambda made: row(made, "openvino")["load"].update(warm_load_ms=180.0),
        lambda made: row(made, "onnxruntime")["load"].update(warm_load_ms=900.0),  # or none before
        lambda made: [item["load"].pop("warm_load_ms") for item in made["rows"]],  # an older one
        lambda made: row(made, "openvino")["load"].update(peak_memory_bytes=270_000_000),
        changed("openvino", notes=["throttled twice"]),
        changed("bent", explanation="in other words"),
        lambda made: made["model"].update({"onnx bytes": 14_012_399}),
    ],
)
def test_noise_is_no_change(edit: Edit) -> None:
    for found in (
        compare_reports(report(), report(edit)),
        compare_reports(report(edit), report()),
    ):
        assert {item for item in listed(found) if item[0] != "paddle plain"} == set()


def test_when_an_error_has_grown() -> None:
    limit, floor = 1e-4, 6e-7
    assert grown(0.0, 5e-7, floor=floor, limit=limit) is None
    assert grown(0.0, 9e-7, floor=floor, limit=limit) == "change"
    assert grown(1e-6, 3.1e-5, floor=floor, limit=limit) == "change"  # not half of the limit
    assert grown(5.5e-6, 6e-5, floor=floor, limit=limit) == "regression"
    assert grown(float("inf"), float("inf"), floor=floor, limit=limit) is None


def test_rounding_at_extremes_is_noise_where_the_verdict_left_them_out() -> None:
    rows = [error("openvino", value) for value in (3e-3, 3e-1)]
    assert compare_reports(*(report(edit) for edit in rows)).changes == ()
    at_extremes = [
        first("openvino", worst_error=value, worst_feeds=[{"kind": "extreme", "error": value}])
        for value in (3e-3, 3e-1)
    ]
    cause = changed("openvino", cause="ill-conditioned")

    def typical(made: Json) -> None:
        row(made, "openvino")["comparisons"][0]["worst_feeds"].append(
            {"kind": "drawn", "feed": "drawn", "error": 1e-5}
        )

    named = [report(edit, typical, cause) for edit in at_extremes]
    assert compare_reports(*named).changes == ()


@pytest.mark.parametrize(("margin", "kind"), [(3e-5, "change"), (0.2, "regression")])
def test_top1(margin: float, kind: str) -> None:
    def edit(made: Json) -> None:
        flip = {"feed": "duck", "row": 0, "expected": 1, "found": 2, "margin": margin}
        row(made, "openvino")["comparisons"][0]["ranking"].update(top1_agreeing=7, changes=[flip])

    assert listed(compare_reports(report(), report(edit))) == {("openvino", "top-1", kind)}
    assert listed(compare_reports(report(edit), report())) == {("openvino", "top-1", "improvement")}
    assert listed(compare_reports(report(edit), report(edit))) == set()


def test_converters_make_up_output_names() -> None:
    found = compare_reports(report(), report(first("openvino", output="x", worst_error=9e-5)))
    assert listed(found) == {("openvino", "worst error", "regression")}


def test_another_task_makes_no_error_a_regression() -> None:
    for edit in (
        lambda made: made["model"].update({"paddle sha256": "ee" * 32}),
        lambda made: made["feeds"].pop(),
        lambda made: made.update(reference="onnxruntime 1.2 fp32"),
    ):
        found = compare_reports(report(), report(edit, error("openvino", 9e-5)))
        assert listed(found) == {("openvino", "worst error", "change")}
        lost = compare_reports(report(), report(edit, changed("openvino", verdict="differs")))
        assert lost.regressed


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda made: made["model"].update({"paddle sha256": "ee" * 32}), "another Paddle model"),
        (lambda made: made["model"].update({"onnx sha256": "ee" * 32}), "another ONNX file"),
        (lambda made: made["model"].pop("onnx sha256"), "cannot be told"),
        (lambda made: made["model"].update(name="ResNet"), "MobileNetV2 → ResNet"),
        (lambda made: made["model"].update(opset=11), "opset: 17 → 11"),
        (error("openvino", 1.9e-6, 1e-2), "looser limits: openvino"),
        (lambda made: made["feeds"].pop(0), "only OLD has duck (picture, batch 1)"),
        (lambda made: made.update(reference="paddle 3.3"), "reference: paddle 3.2.2 fp32"),
        (
            lambda made: made.update(float64_reference="none"),
            "float64: the ONNX graph in float64 → none",
        ),
        (lambda made: made.update(threads=4), "threads: 2 → 4"),
        (lambda made: [item["latencies"].clear() for item in made["rows"]], "measure any latency"),
        (
            lambda made: [item["latencies"].__delitem__(slice(1, None)) for item in made["rows"]],
            "NEW did not measure batch 1, 1 thread; batch 1, 2 threads, end to end; batch 4",
        ),
        (lambda made: made.update(strict=True), "only NEW counts a skipped backend"),
        (lambda made: made["peak_gflops"].update({"2": 60.0}), "peak: 118 → 60"),
        (lambda made: made["environment"].update(cpu="Other"), "another machine"),
        (
            lambda made: made["environment"]["packages"].update(onnxruntime="1.23.0"),
            "onnxruntime 1.22.0 → 1.23.0",
        ),
        (lambda made: made.update(created="2020-01-02T03:04:05+00:00"), "are they swapped?"),
        (lambda made: made.update(command="paddleport validate -o a=b"), "→ paddleport validate"),
    ],
)
def test_notes(edit: Edit, words: str) -> None:
    found = compare_reports(report(), report(edit))
    assert any(words in note for note in found.notes), found.notes
    assert not found.regressed


def test_machines_and_threads() -> None:
    slow = times("onnxruntime", 3.0)
    assert not compare_reports(
        report(), report(slow, lambda made: made.update(threads=4))
    ).regressed

    def elsewhere(made: Json) -> None:
        made["environment"]["cpu"] = "Other CPU (8 CPUs)"

    apart = report(times("", 2.0), elsewhere)
    assert compare_reports(report(), apart).changes == ()
    for factor, kind in ((1.3, "change"), (1.7, "regression")):
        found = compare_reports(report(), report(times("", 2.0), times("open", factor), elsewhere))
        assert {item[0] for item in listed(found)} == {"openvino"}
        assert {item[2] for item in listed(found)} == {kind}
        assert all(item.normalised == pytest.approx(factor) for item in found.changes)
    alone = compare_reports(report(gone("paddle")), report(gone("paddle"), times("openvino", 1.2)))
    assert alone.regressed
    assert all(item.normalised is None for item in alone.changes)
    assert any("stand alone: no paddle" in note for note in alone.notes)


def test_intervals_that_overlap_are_noted_and_not_counted() -> None:
    def wide(made: Json) -> None:
        for one in row(made, "openvino")["latencies"]:
            one["interval_ms"] = [one["p50_ms"] / 2, 2 * one["p50_ms"]]

    found = compare_reports(report(wide), report(times("openvino", 1.5), wide))
    assert found.changes == ()
    assert any("7 medians are more than 25% apart" in note for note in found.notes)


def test_markdown_of_a_hostile_report() -> None:
    whole, bare = made_report.made_report().to_dict(), made_report.bare_report().to_dict()
    text = compare_reports(bare, whole).to_markdown()
    assert "&lt;script>" in text
    assert "<script" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}


def test_the_threshold() -> None:
    pair = report(), report(times("openvino", 1.2))
    assert compare_reports(*pair, latency_threshold_percent=15).regressed
    assert not compare_reports(*pair, latency_threshold_percent=25).regressed
    for threshold in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError):
            compare_reports(*pair, latency_threshold_percent=threshold)


def simulated() -> Iterator[tuple[Json, Json]]:
    """Pairs of runs of the same software on a machine that drifts.

    Its speed is 10 % (standard deviation) another one in each run and 3 % in each round, for
    all backends alike; each backend has 1.5 % per round of its own, and a tail of slow runs.
    """
    generator = np.random.Generator(np.random.PCG64(11))
    base = report(*(gone(name) for name in ("openvino", "constant", "tensorrt", "bent")))

    def run() -> Json:
        made = deepcopy(base)
        drift = generator.normal(0, 0.1) + generator.normal(0, 0.03, 4)
        for item in made["rows"]:
            item["latencies"] = item["latencies"][:1] if item["name"] != "paddle plain" else []
            for one in item["latencies"]:
                levels = drift + generator.normal(0, 0.015, 4)
                tails = 0.02 * generator.standard_gamma(1, (4, 8))
                runs = one["p50_ms"] * np.exp(levels[:, None] + tails)
                one["p50_ms"] = float(np.median(runs))
                one["interval_ms"] = list(median_interval(list(runs)))
        return made

    for _ in range(TRIALS):
        yield run(), run()


def test_noise_of_200_pairs_of_runs() -> None:
    alarms = alone = found = 0
    for old, new in simulated():
        alarms += bool(compare_reports(old, new).changes)
        # what the medians alone would have said
        alone += any(compare_reports(*(report_without_paddle(one) for one in (old, new))).changes)
        times("onnxruntime", 1.3)(new)
        found += compare_reports(old, new).regressed
    # Measured: 0, 81 and 154 of 200.
    assert alarms <= 0.01 * TRIALS
    assert alone >= 0.2 * TRIALS
    assert found >= 0.7 * TRIALS


def report_without_paddle(made: Json) -> Json:
    return {**made, "rows": [item for item in made["rows"] if item["name"] != "paddle"]}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"hello", "no whole JSON file"),
        (b"\xff\xfe{\x00", "no whole JSON file"),
        (b"[1, 2]", "no parity report"),
        (b"{}", "no parity report"),
        (b'{"schema": 2, "model": {}, "rows": [NaN]}', "NaN"),
        (b'{"schema": 99, "model": {}, "rows": []}', "has schema 99"),
        (b'{"schema": [], "model": {}, "rows": []}', "has schema []"),
        (b'{"schema": 2, "model": {}, "rows": 3}', "rows: Expected `array`"),
        (b'{"schema": 2, "model": {}, "rows": [3]}', "rows[0]: Expected `object`"),
        (b'{"schema": 2, "model": {}, "rows": [{"verdict": "fine"}]}', "rows[0].verdict: Invalid"),
        (b'{"schema": 2, "model": 3, "rows": []}', "model: Expected `object`"),
        (b"[" * 200_000, "too deep"),
        (b'{"schema": 2, "model": {}, "rows": [], "threads": 1e999}', "threads"),
        (b" " * (MAX_BYTES + 1), "more than 64 MB"),
    ],
)
def test_what_is_no_report(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "no.json"
    path.write_bytes(content)
    with pytest.raises(OutputError) as caught:
        compare_reports(report(), path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_report_that_was_cut_off_or_damaged(tmp_path: Path) -> None:
    text = made_text().encode()
    path = tmp_path / "cut.json"
    for end in range(1, len(text) - 2, len(text) // 30):
        path.write_bytes(text[:end])
        with pytest.raises(OutputError):
            compare_reports(path, report())
    for value in (None, -1, "text", [1], {"a": 1}, True, 10**400):
        for key in ("p50_ms", "interval_ms", "batch"):
            made = report()
            row(made, "openvino")["latencies"][0][key] = value
            with pytest.raises(OutputError, match=key):
                compare_reports(made, report())
    with pytest.raises(ModelNotFoundError):
        compare_reports(tmp_path / "none.json", report())
    with pytest.raises(OutputError, match="is a folder"):
        compare_reports(tmp_path, report())


def test_known_versions_and_names() -> None:
    assert SCHEMA_VERSION in READABLE_SCHEMAS
    assert SPEED_REFERENCE == PLAIN


def test_the_command(tmp_path: Path) -> None:
    for name, made in (
        ("old", report()),
        ("same", report()),
        ("new", report(changed("openvino", verdict="failed"), changed("tensorrt", name="[red]x"))),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    (tmp_path / "cut.json").write_text("{")

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "paddleport", "compare", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    assert run("old.json", "same.json") == (0, "nothing changed beyond noise\n", "")
    code, out, _ = run("old.json", "new.json")
    assert code == 1
    assert "[red]x" in out
    assert out.splitlines()[-1].startswith("1 regression, 2 other changes")
    code, out, _ = run("old.json", "new.json", "--json", "--markdown", "changes.md")
    assert (code, json.loads(out)["regressed"]) == (1, True)
    assert "| openvino | verdict | agrees | failed |" in (tmp_path / "changes.md").read_text()
    code, out, err = run("old.json", "cut.json")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: cut.json is no whole JSON file")
