"""JUnit XML: well-formed whatever is in it, and counted right."""

import xml.sax
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from made_report import (
    CAUSES,
    HOSTILE,
    agreeing_report,
    bare_report,
    hostile_report,
    made_report,
    report_with,
)

from paddleport.validate.parity.parity_report import ParityReport

REPORTS: dict[str, Callable[[], ParityReport]] = {
    "made": made_report,
    "agreeing": agreeing_report,
    "bare": bare_report,
    "hostile": hostile_report,
    "strict": lambda: replace(made_report(), strict=True),
    "nobody": lambda: report_with([]),
}
OUTCOMES = {"failure": "failures", "error": "errors", "skipped": "skipped"}
# As the schema that Jenkins and others read it with has them.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}


def suite_of(report: ParityReport) -> Element:
    text = report.to_junit()
    xml.sax.parseString(text.encode(), xml.sax.ContentHandler())
    root = ElementTree.fromstring(text.encode())
    (suite,) = root
    return suite


def cases_of(report: ParityReport) -> dict[str, Element]:
    return {case.attrib["name"]: case for case in suite_of(report).iter("testcase")}


@pytest.mark.parametrize("name", list(REPORTS))
def test_structure_and_counters(name: str) -> None:
    report = REPORTS[name]()
    suite = suite_of(report)
    for element in suite.iter():
        assert set(element.attrib) <= ATTRIBUTES[element.tag], element.tag
    assert [item.tag for item in suite][:1] == ["properties"]
    cases = suite.findall("testcase")
    assert len(cases) == int(suite.attrib["tests"])
    assert len(cases) == sum(row.verdict != "reference" for row in report.rows)
    for case in cases:
        tags = [item.tag for item in case]
        assert len([tag for tag in tags if tag in OUTCOMES]) <= 1
        wanted: tuple[list[str], ...] = (
            [],
            ["failure"],
            ["skipped"],
            ["error"],
            ["error", "system-out"],
            ["system-out"],
        )
        assert tags in wanted
    for tag, counter in OUTCOMES.items():
        assert int(suite.attrib[counter]) == len(suite.findall(f"testcase/{tag}"))
    total = sum(float(case.attrib["time"]) for case in cases)
    assert float(suite.attrib["time"]) == pytest.approx(total, abs=1e-5)


def test_every_verdict_has_its_outcome() -> None:
    cases = cases_of(made_report())
    assert "paddle plain" not in cases
    assert [item.tag for item in cases["onnxruntime"]] == []
    assert [item.tag for item in cases["tensorrt"]] == ["skipped"]
    assert [item.tag for item in cases["constant"]] == ["failure"]
    assert [item.tag for item in cases["paddle"]] == ["skipped"]
    passed = cases["made ill-conditioned, agrees"]
    assert [item.tag for item in passed] == ["system-out"]
    assert passed[0].text == "An explanation of ill-conditioned. Next: judge it by accuracy."
    unproven = cases["made ill-conditioned, unproven"].find("failure")
    assert unproven is not None
    assert (unproven.text or "").startswith("unproven: ill-conditioned\n")
    for cause in CAUSES:
        if cause == "ill-conditioned":
            continue
        failure = cases[f"made {cause}"].find("failure")
        assert failure is not None
        assert failure.attrib["type"] == cause
        assert failure.attrib["message"].startswith(f"An explanation of {cause}")
        assert failure.text is not None
        assert failure.text.startswith(f"differs: {cause}\n")


def test_a_failure_says_where() -> None:
    failure = cases_of(made_report())["made converter"].find("failure")
    assert failure is not None
    assert failure.text is not None
    assert "They part at node 37 of 152" in failure.text
    assert "node 37 of 152 or before: pd_op.batch_norm_" in failure.text
    assert "worst error / limit: 3.0e-02 / 1.0e-04" in failure.text


def test_a_crash_is_an_error_with_its_log() -> None:
    (case,) = (case for name, case in cases_of(made_report()).items() if name.startswith("crashes"))
    error, log = case
    assert error.tag == "error"
    assert error.attrib["message"] == "the worker died: SIGSEGV"
    assert log.text is not None
    assert log.text.splitlines() == ["loading model", "", HOSTILE, "Segmentation fault"]


def test_strict_makes_what_is_skipped_a_failure() -> None:
    failure = cases_of(replace(made_report(), strict=True))["tensorrt"].find("failure")
    assert failure is not None
    assert failure.attrib == {
        "type": "skipped",
        "message": "no NVIDIA driver: paddleport doctor",
    }


def test_time_is_the_median_or_loading_in_seconds() -> None:
    report = made_report()
    cases = cases_of(report)
    assert cases["onnxruntime"].attrib["time"] == "0.004890"
    untimed = replace(report.rows[1], latencies=())
    cases = cases_of(replace(report, rows=(untimed,)))
    assert cases["onnxruntime"].attrib["time"] == "0.412500"
    assert cases_of(made_report())["tensorrt"].attrib["time"] == "0.000000"


def test_the_suite_says_what_was_compared() -> None:
    properties = {
        item.attrib["name"]: item.attrib["value"]
        for item in suite_of(made_report()).iter("property")
    }
    assert properties["verdict"] == "differs: Not the same model everywhere"
    assert properties["onnx sha256"] == "a1" * 32
    assert properties["reference"].startswith("paddle 3.2.2")
    assert properties["command"] == "paddleport validate MobileNetV2 --locate"
