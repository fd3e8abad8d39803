"""What a server says of itself: Prometheus' figures, and a line per request."""

import io
import json
from pathlib import Path

import pytest

from paddleport import __version__
from paddleport.errors import UsageError
from paddleport.serve.request_log import RequestLog, RequestRecord

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from paddleport.serve.server_metrics import ServerMetrics

RECORD = RequestRecord(
    request_id="r-1",
    protocol="http",
    call="POST /v2/models/net/infer",
    model="net",
    status="200",
    stages_s={"queue": 0.0001234, "compute": 0.004, "total": 0.005},
    bytes_in=600_000,
    bytes_out=4_000,
    batch=2,
)


def samples(metrics: ServerMetrics) -> dict[tuple[str, ...], float]:
    """Name and labels' values of each sample, read as Prometheus reads them."""
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def test_every_figure_is_there() -> None:
    metrics = ServerMetrics()
    metrics.request("net", "http", "200")
    metrics.request("net", "http", "200")
    metrics.request("", "grpc", "NOT_FOUND")
    metrics.error("net", "OverloadedError")
    metrics.stage("net", "compute", 0.004)
    metrics.batch("net", 3)
    metrics.queued("net", 5)
    metrics.restarted("net")
    metrics.ready("net", True)
    found = samples(metrics)
    assert found["paddleport_requests_total", "net", "http", "200"] == 2
    assert found["paddleport_requests_total", "", "grpc", "NOT_FOUND"] == 1
    assert found["paddleport_errors_total", "OverloadedError", "net"] == 1
    assert found["paddleport_stage_seconds_bucket", "0.005", "net", "compute"] == 1
    assert found["paddleport_stage_seconds_bucket", "0.002", "net", "compute"] == 0
    assert found["paddleport_stage_seconds_count", "net", "compute"] == 1
    assert found["paddleport_batch_size_bucket", "4.0", "net"] == 1
    assert found["paddleport_batch_size_sum", "net"] == 3
    assert found["paddleport_queued_requests", "net"] == 5
    assert found["paddleport_worker_restarts_total", "net"] == 1
    assert found["paddleport_model_ready", "net"] == 1
    assert any(key[0] == "paddleport_build_info" and __version__ in key for key in found)


def test_a_model_that_was_never_restarted_says_so() -> None:
    """An alert on a rate needs the series before the first restart."""
    metrics = ServerMetrics()
    metrics.ready("net", False)
    found = samples(metrics)
    assert found["paddleport_model_ready", "net"] == 0
    assert found["paddleport_worker_restarts_total", "net"] == 0
    assert found["paddleport_queued_requests", "net"] == 0


def test_two_servers_share_no_figures() -> None:
    first, second = ServerMetrics(), ServerMetrics()
    first.request("net", "http", "200")
    assert ("paddleport_requests_total", "net", "http", "200") not in samples(second)


def test_a_request_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "requests.log"
    with RequestLog(path, log_format="json") as log:
        log.write(RECORD)
    with RequestLog(path, log_format="json") as log:  # added to
        log.write(RequestRecord(request_id="r-2", protocol="grpc", call="X", status="INTERNAL"))
    first, second = map(json.loads, path.read_text().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "request_id": "r-1",
        "protocol": "http",
        "call": "POST /v2/models/net/infer",
        "model": "net",
        "status": "200",
        "stages_ms": {"queue": 0.123, "compute": 4.0, "total": 5.0},
        "bytes_in": 600_000,
        "bytes_out": 4_000,
        "batch": 2,
    }
    assert second["status"] == "INTERNAL"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_clients_text_adds_no_line_and_reaches_no_terminal(log_format: str) -> None:
    stream = io.StringIO()
    planted = 'id"\n2026-01-01 forged\u2028\x1b[31m\x9b'
    record = RequestRecord(request_id=planted, protocol="http", call=planted, status="400")
    RequestLog(stream, log_format=log_format).write(record)
    text = stream.getvalue()
    assert len(text.splitlines()) == 1 and text.endswith("\n")
    assert text.rstrip("\n").isprintable() and text.isascii()


def test_text_names_what_happened() -> None:
    stream = io.StringIO()
    RequestLog(stream).write(RECORD)
    for part in ("r-1", "POST /v2/models/net/infer", "200", "compute 4 ms", "600000 B in"):
        assert part in stream.getvalue()


def test_a_full_disk_stops_no_request_and_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    class Disk(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    disk = Disk()
    log = RequestLog(disk)
    log.write(RECORD)
    log.write(RECORD)
    (told,) = caplog.messages
    assert (
        told == "the request log can't be written, and lines are missing: No space left on device"
    )
    disk.full = False
    log.write(RECORD)
    assert disk.getvalue().count("\n") == 1
    disk.full = True
    log.write(RECORD)
    assert len(caplog.messages) == 2


def test_what_no_log_can_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--log-format xml is not known: text or json"):
        RequestLog(log_format="xml")
    with pytest.raises(UsageError, match="can't be written: No such file"):
        RequestLog(tmp_path / "nowhere" / "requests.log")


def test_quiet_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    RequestLog(quiet=True).write(RECORD)
    assert capsys.readouterr() == ("", "")
