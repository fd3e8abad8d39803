"""The parity report as JUnit XML: one test case per backend, for CI systems to show."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from paddleport.validate.parity.parity_report import BackendRow, ParityReport
from paddleport.validate.reports import figures, summary
from paddleport.validate.reports.summary import explained


def to_junit(report: ParityReport) -> str:
    """One suite, with a test case for every backend but the reference.

    ``differs`` and ``unproven`` are failures; what agrees though it is above its limit passes, and
    says why. ``skipped`` is a failure where the report is strict; ``failed`` is an error, or
    skipped where the report's verdict does not depend on it. Times are seconds: the median of the
    main configuration, or loading where nothing was measured.
    """
    name = str(report.model.get("name", "model"))
    cases = [
        _case(name, row, strict=report.strict) for row in report.rows if row.verdict != "reference"
    ]
    suite = Element(
        "testsuite",
        name=_line(f"paddleport parity of {name}"),
        tests=str(len(cases)),
        failures=str(_count(cases, "failure")),
        errors=str(_count(cases, "error")),
        skipped=str(_count(cases, "skipped")),
        time=f"{sum(float(case.get('time', '0')) for case in cases):.6f}",
    )
    if report.created:
        suite.set("timestamp", _line(report.created))
    properties = SubElement(suite, "properties")
    for key, value in _properties(report).items():
        SubElement(properties, "property", name=_line(key), value=_line(value))
    suite.extend(cases)
    counts = {key: suite.attrib[key] for key in ("name", "tests", "failures", "errors", "skipped")}
    root = Element("testsuites", counts)
    root.append(suite)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _case(model: str, row: BackendRow, *, strict: bool) -> Element:
    milliseconds = row.latency.p50_ms if row.latency else row.load.load_ms or 0.0
    case = Element(
        "testcase",
        classname=_line(f"paddleport.{model}"),
        name=_line(row.name),
        time=f"{milliseconds / 1e3:.6f}",
    )
    message = _line(row.explanation or row.reason or row.verdict)
    if (row.verdict == "skipped" and not strict) or not row.counts:
        SubElement(case, "skipped", message=message)
    elif row.verdict == "failed":
        SubElement(case, "error", type="failed", message=message).text = _text(explained(row))
    elif row.verdict != "agrees":
        failure = SubElement(case, "failure", type=row.cause or row.verdict, message=message)
        failure.text = _text(_why(row))
    told = [explained(row)] if row.verdict == "agrees" and row.cause else []
    if row.log:
        told.append(row.log)
    if told:
        SubElement(case, "system-out").text = _text("\n".join(told))
    return case


def _why(row: BackendRow) -> str:
    """Verdict and cause, the explanation, the bare finding, and the place."""
    lines = [figures.verdict(row), explained(row)]
    if row.reason and row.reason not in lines[1]:
        lines.append(row.reason)
    if row.worst is not None:
        lines.append(f"worst error / limit: {figures.error_of_limit(row.worst)}")
    if row.located is not None:
        found = row.located
        place = f"{found.position} of {found.nodes}{'' if found.complete else ' or before'}"
        lines += [
            f"node {place}: {found.operator} {found.node}, output {found.output}",
            f"error before {figures.error(found.error_before)}, after "
            f"{figures.error(found.error_after)}, limit {figures.error(found.limit)}; "
            f"side: {found.side}, feed: {found.feed}",
        ]
    return "\n".join(line for line in lines if line)


def _properties(report: ParityReport) -> dict[str, str]:
    hashes = {key: str(value) for key, value in report.model.items() if key.endswith("sha256")}
    found = {
        "verdict": f"{report.verdict}: {summary.headline(report)}",
        "model": str(report.model.get("title", "")),
        "reference": summary.reference(report),
        "float64_reference": report.float64_reference,
        "speed": summary.timing(report),
        **hashes,
        "command": report.command,
    }
    return {key: value for key, value in found.items() if value}


def _count(cases: list[Element], outcome: str) -> int:
    return sum(1 for case in cases if case.find(outcome) is not None)


def _line(text: str) -> str:
    return figures.one_line(figures.printable(text))


def _text(text: str) -> str:
    return figures.printable(text)
