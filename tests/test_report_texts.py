"""Numbers as texts, the summary, distances from float64, and small pictures."""

import base64
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from made_report import (
    WORSE,
    agreeing_report,
    bare_report,
    comparison,
    latency,
    made_report,
    metrics,
    report_with,
)
from PIL import Image

from paddleport.models.preprocess import Preprocess
from paddleport.runners.preprocessing.prepare_image import preprocess_image
from paddleport.tensors import Array
from paddleport.validate.parity.parity_report import BackendRow, ParityReport, RowVerdict
from paddleport.validate.reports import (
    figures,
    float64_distances,
    latency_tables,
    summary,
    tables,
)
from paddleport.validate.reports.thumbnails import thumbnail


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (figures.error(1.23e-5), "1.2e-05"),
        (figures.error(0.0), "0"),
        (figures.error(math.inf), "not comparable"),
        (figures.error(None), "–"),
        (figures.found_error(None), "not comparable"),
        (figures.milliseconds(0.01064), "0.0106"),
        (figures.milliseconds(0.1064), "0.106"),
        (figures.milliseconds(4.888), "4.89"),
        (figures.milliseconds(123.45), "123.5"),
        (figures.milliseconds(1234.5), "1234"),
        (figures.milliseconds(None), ""),
        (figures.ulp(0.0), "0"),
        (figures.ulp(9.23), "9.2"),
        (figures.ulp(1638.4), "1638"),
        (figures.ulp(2.5e7), "2.5e+07"),
        (figures.times(1.664), "1.66 ×"),
        (figures.times(0.0071), "0.01 ×"),
        (figures.times(250.4), "250 ×"),
        (figures.share(0.0), "0 %"),
        (figures.share(1e-9), "< 0.1 %"),
        (figures.share(0.0231), "2.3 %"),
        (figures.share(0.744), "74 %"),
        (figures.share(9.0), "900 %"),
        (figures.share(300.0), "300 ×"),
        (figures.share(1.4e5), "1e+05 ×"),
        (figures.share(math.inf), "–"),
        (figures.size(163_812_345), "163.8 MB"),
        (figures.decimal(math.nan), "nan"),
        (figures.threads(1), "1 thread"),
        (figures.configuration_text((4, 2, "end to end")), "batch 4, 2 threads, end to end"),
        (figures.one_line(" a\n b\t"), "a b"),
    ],
)
def test_a_number_as_text(text: str, wanted: str) -> None:
    assert text == wanted


def test_what_xml_forbids_is_left_out() -> None:
    forbidden = "".join(map(chr, [*range(9), 11, 12, 13, *range(14, 32), 127, 0xD800, 0xFFFE]))
    assert figures.printable(f"a{forbidden}\t\nb é 漢 🦆") == "a\t\nb é 漢 🦆"
    figures.printable(WORSE).encode()


def test_facts_are_pairs_of_texts() -> None:
    values = {"a": 1, "b": {"c": [1, 2]}, "d": None, "bytes": 14_012_345}
    assert figures.facts(values) == [("a", "1"), ("c", "1, 2"), ("bytes", "14,012,345")]
    assert list(tables.facts(made_report())) == ["Model", "Machine", "Versions"]
    assert list(tables.facts(bare_report())) == ["Model"]


def with_verdicts(*verdicts: RowVerdict) -> ParityReport:
    rows = [replace(made_report().rows[1], name=one, verdict=one) for one in verdicts]
    return replace(made_report(), rows=(made_report().rows[0], *rows))


@pytest.mark.parametrize(
    ("verdicts", "strict", "headline", "tally"),
    [
        (["agrees"], False, "The same model", "1 of 1 backend agrees"),
        (["agrees", "agrees"], False, "The same model", "All 2 backends agree"),
        (["agrees", "skipped"], False, "The same model", "1 of 1 backend agrees"),
        (["agrees", "skipped"], True, "Not every backend answered", "1 of 1 backend agrees"),
        (["agrees", "failed"], False, "Not every backend answered", "1 of 2 backends agree"),
        (["agrees", "differs"], False, "Not the same model everywhere", "1 of 2 backends agree"),
        (["differs", "failed"], False, "Not the same model", "0 of 2 backends agree"),
        (["unproven"], False, "Nothing is proven", "0 of 1 backend agrees"),
        (["unproven", "agrees"], False, "Not proven everywhere", "1 of 2 backends agree"),
        (["skipped"], False, "Nothing is proven", "No backend was judged; 1 skipped."),
        ([], False, "Nothing is proven", "No backend was judged."),
    ],
)
def test_headline_and_tally(
    verdicts: list[RowVerdict], strict: bool, headline: str, tally: str
) -> None:
    report = replace(with_verdicts(*verdicts), strict=strict)
    assert summary.headline(report) == headline
    assert summary.tally(report).startswith(tally)


def test_the_fastest_must_agree() -> None:
    report = made_report()
    assert summary.fastest(report).startswith("Fastest: openvino fp16, 2.66 × as fast as paddle")
    differing = [row for row in report.rows if row.verdict != "agrees"]
    assert summary.fastest(replace(report, rows=tuple(differing))) == ""
    alone = replace(report.rows[1], speed_up=None)
    assert summary.fastest(replace(report, rows=(alone,))) == "Fastest: onnxruntime, p50 4.89 ms."
    itself = replace(report.rows[1], speed_up=1.0)
    text = summary.fastest(replace(report, rows=(itself,)))
    assert text == "None that agrees is faster than paddle with oneDNN, 2 threads (p50 4.89 ms)."


def test_blame_is_by_cause() -> None:
    report = made_report()
    assert ("the converter", "made converter") in summary.blame(report)
    (row,) = (row for row in report.rows if row.cause == "converter")
    many = [replace(row, name=f"b{index}") for index in range(9)]
    assert summary.blame(replace(report, rows=tuple(many))) == [
        ("the converter", "b0, b1, b2, b3, b4 and 4 more")
    ]
    assert summary.blame(agreeing_report()) == []
    assert summary.unanswered(bare_report())[0][0] == "skipped"


def test_feeds_and_limits() -> None:
    report = made_report()
    assert summary.fed(replace(report, feeds=(*report.feeds[:3], report.feeds[0]))) == (
        "4: 2 pictures, 1 drawn, 1 noise"
    )
    assert summary.fed(bare_report()) == "0"
    assert summary.limits(report.rows) == [
        "fp32 1.0e-04 (about 1700 u, u = 2^-24)",
        "fp16 1.0e-02 (about 20 u, u = 2^-11)",
    ]


def test_a_line_of_the_summary() -> None:
    report = made_report()
    line = summary.line(report.rows[1])
    assert (line.share, line.error, line.limit) == ("2.3 %", "2.3e-06", "1.0e-04")
    assert (line.speed_up, line.p50, line.p99) == ("1.64 ×", "4.89", "5.87")
    assert line.filled == pytest.approx(2.3)
    own = summary.line(report.rows[0])
    assert (own.share, own.filled, own.error, own.top1) == ("", None, "", "")
    assert own.from_float64 == "1.1e-06"
    (broken,) = (summary.line(row) for row in report.rows if row.cause == "undetermined")
    assert (broken.share, broken.filled, broken.error) == ("–", None, "not comparable")
    whole = replace(comparison(3.0), measure="equality", limit=0.0)
    unequal = summary.line(replace(report.rows[1], comparisons=(whole,)))
    assert (unequal.share, unequal.filled, unequal.error) == ("", None, "3 unequal")


class TestFloat64Distances:
    def sentence(self, scaled: float, ulp: float, own: float = 1e-5) -> str:
        report = made_report()
        distance = replace(metrics(scaled), ulp=ulp)
        one = replace(
            comparison(1e-5),
            against_float64=distance,
            reference_against_float64=replace(metrics(own), ulp=100.0),
        )
        row = replace(report.rows[1], comparisons=(one,))
        (sentence,) = float64_distances.sentences(replace(report, rows=(report.rows[0], row)))
        return sentence

    @pytest.mark.parametrize(
        ("scaled", "ulp", "wanted"),
        [
            (0.5e-5, 50, "onnxruntime is closer to float64 than paddle plain"),
            (0.98e-5, 50, "onnxruntime is closer to float64 than paddle plain"),
            (2e-5, 300, "onnxruntime is farther from float64 than paddle plain"),
            (0.98e-5, 99, "onnxruntime is about as far from float64 as paddle plain"),
            (0.98e-5, 112, "onnxruntime is about as far from float64 as paddle plain"),
            (0.5e-5, 300, "Whether onnxruntime or paddle plain is closer to float64 depends"),
        ],
    )
    def test_sentence(self, scaled: float, ulp: float, wanted: str) -> None:
        text = self.sentence(scaled, ulp)
        assert text.startswith(wanted)
        assert text.endswith(f"{scaled:.1e} against 1.0e-05 scaled, {ulp:g} against 100 ULP.")

    def test_nearness_is_no_merit_where_the_reference_itself_is_far(self) -> None:
        text = self.sentence(1e-9, 1, own=3e-2)
        assert text.startswith("paddle plain itself is 3.0e-02 from the ONNX graph in float64")
        assert "closer" not in text

    def test_a_backend_in_float64_gets_no_sentence(self) -> None:
        report = agreeing_report()
        exact = replace(report.rows[1], computes_in="fp64")
        assert float64_distances.sentences(replace(report, rows=(report.rows[0], exact))) == []

    def test_without_a_float64_reference_there_is_no_sentence(self) -> None:
        report = agreeing_report()
        bare = replace(
            report.rows[1].comparisons[0], against_float64=None, reference_against_float64=None
        )
        rows = (
            BackendRow(name="paddle plain", verdict="reference"),
            replace(report.rows[1], comparisons=(bare,)),
        )
        assert float64_distances.sentences(replace(report, rows=rows)) == []
        assert float64_distances.distances(rows).lines[0][-2:] == ("–", "–")

    def test_the_references_own_distance_is_listed_once(self) -> None:
        lines = float64_distances.metrics(agreeing_report().rows).lines
        assert sum("reference to float64" in line for line in lines) == 1
        assert len(lines) == 1 + 2 * 2


def test_published_figures_stand_beside_their_configuration() -> None:
    table = latency_tables.medians(agreeing_report())
    lines = {line[0]: dict(zip(table.columns, line, strict=True)) for line in table.lines}
    v100, sd855 = lines["V100, TensorRT fp32 (published)"], lines["SD855, Paddle-Lite (published)"]
    assert (v100["batch 1, 2 threads"], sd855["batch 1, 2 threads"]) == ("1.02", "12.71")
    assert (v100["batch 8, 1 thread"], sd855["batch 8, 1 thread"]) == ("2.89", "")
    assert v100["batch 1, 2 threads, end to end"] == ""
    assert lines["onnxruntime"]["batch 1, 1 thread"] == "8.80 ~"
    bare = latency_tables.medians(replace(agreeing_report(), published={}))
    assert [line[0] for line in bare.lines] == ["paddle plain", "onnxruntime", "openvino"]
    assert latency_tables.unsettled(agreeing_report().rows).startswith("~")
    settled = replace(agreeing_report().rows[0], latencies=(latency(3.0),))
    assert latency_tables.unsettled([settled]) == ""


def test_a_load_is_listed_cold_and_warm() -> None:
    rows = made_report().rows
    table = latency_tables.costs(rows)
    lines = {line[0]: dict(zip(table.columns, line, strict=True)) for line in table.lines}
    assert (lines["openvino"]["load ms"], lines["openvino"]["warm load ms"]) == ("412.5", "87.25")
    assert lines["onnxruntime"]["warm load ms"] == "–"
    assert "tensorrt" not in lines  # skipped: nothing was loaded
    text = latency_tables.warm_loads(rows)
    assert text.startswith("Warm load: ")
    for report in (made_report().to_markdown(), made_report().to_html()):
        assert report.count(text) == 1
        assert report.count("87.25") == 1
    assert latency_tables.warm_loads(bare_report().rows) == ""


def test_every_line_is_as_long_as_its_heading() -> None:
    for report in (made_report(), agreeing_report(), bare_report(), report_with([None, 0.0])):
        rows = report.rows
        for table in (
            *(tables.located(rows), tables.worst_feeds(rows), tables.sensitivity(rows)),
            *(tables.top1_changes(rows), tables.feeds(report), float64_distances.distances(rows)),
            *(float64_distances.metrics(rows), latency_tables.medians(report)),
            *(latency_tables.latencies(rows), latency_tables.costs(rows)),
            latency_tables.model_figures(report),
        ):
            assert {len(line) for line in table.lines} <= {len(table.columns)}, table.caption


def pixels_of(uri: str) -> Array:
    start = "data:image/png;base64,"
    assert uri.startswith(start)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(start)))))


class TestThumbnails:
    @pytest.mark.parametrize("channels", ["RGB", "BGR"])
    @pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (10, 200, 90)])
    def test_a_preprocessing_is_undone(self, channels: str, colour: tuple[int, ...]) -> None:
        preprocess = Preprocess(channels="BGR" if channels == "BGR" else "RGB")
        picture = np.empty((300, 300, 3), np.uint8)
        picture[:] = colour[::-1]  # BGR, as pictures are decoded
        uri = thumbnail(preprocess_image(picture, preprocess)[None], preprocess=preprocess)
        assert np.abs(pixels_of(uri).astype(int) - colour).max() <= 1

    def test_what_is_outside_is_cut(self) -> None:
        tensor = np.full((1, 3, 8, 8), np.finfo(np.float64).max)
        tensor[:, :, 0] *= -1
        pixels = pixels_of(thumbnail(tensor, preprocess=Preprocess()))
        assert pixels[0].max() == 0
        assert pixels[1:].min() == 255

    def test_without_one_it_is_stretched(self) -> None:
        tensor = np.linspace(-5, 3, 3 * 400 * 200, dtype=np.float32).reshape(1, 3, 400, 200)
        pixels = pixels_of(thumbnail(tensor))
        assert pixels.shape == (80, 40, 3)
        assert (pixels.min(), pixels.max()) == (0, 254)  # sampled: the largest is left out
        grey = pixels_of(thumbnail(np.zeros((2, 1, 4, 4), np.float32), preprocess=Preprocess()))
        assert (grey.shape, grey.max()) == ((4, 4), 0)

    @pytest.mark.parametrize(
        "tensor",
        [
            np.zeros((1, 4, 8, 8), np.float32),
            np.zeros((3, 8, 8), np.float32),
            np.zeros((0, 3, 8, 8), np.float32),
            np.zeros((1, 3, 8, 8), np.int64),
            np.full((1, 3, 8, 8), np.nan, np.float32),
        ],
    )
    def test_nothing_else_is_a_picture(self, tensor: Array) -> None:
        assert thumbnail(tensor) == thumbnail(tensor, preprocess=Preprocess()) == ""
