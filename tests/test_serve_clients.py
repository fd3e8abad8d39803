"""The server as Triton's and KServe's own clients find it."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fake_hosts import EVERY, Identity, Pictures, serving
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import paddleport.serve.rpc

SCRIPTS = Path(__file__).with_name("clients")


def done(python: Path, script: str, *arguments: str) -> str:
    command = [str(python), str(SCRIPTS / script), *arguments]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_tritonclient_over_http_and_grpc(clients_python: Path) -> None:
    waiting = Identity("waiting")
    waiting.reason = "it is loading"
    with serving(Identity("echo", EVERY), Pictures("pics"), waiting) as at:
        said = done(clients_python, "triton.py", at.http.removeprefix("http://"), at.grpc)
    assert said == "all right\n"


@pytest.mark.slow  # its import alone is seconds
def test_kserves_clients_over_http_and_grpc(clients_python: Path) -> None:
    with serving(Identity("echo")) as at:
        assert "all right" in done(clients_python, "kserve_clients.py", at.http, at.grpc)


def fields(messages: Any, prefix: str = "") -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for item in messages:
        name = prefix + item.name
        found[name] = {field.name: [field.number, field.type, field.label] for field in item.field}
        found |= fields(item.nested_type, f"{name}.")
    return found


def test_our_messages_have_the_numbers_of_tritons(clients_python: Path) -> None:
    room = Path(paddleport.serve.rpc.__path__[0])
    (ours,) = FileDescriptorSet.FromString((room / "open_inference.desc").read_bytes()).file
    theirs = json.loads(done(clients_python, "numbers_of_fields.py"))
    found = fields(ours.message_type)
    assert found == {name: theirs[name] for name in found}
    text = (room / "open_inference.proto").read_text()
    declared = [name.rpartition(".")[2] for name in found if not name.endswith("Entry")]
    assert [line for line in declared if f"message {line} " not in text] == []
    assert text.count("message ") == len(declared)


def test_another_server_would_not_pass(clients_python: Path) -> None:
    with serving(Identity("other")) as at:
        command = [str(clients_python), str(SCRIPTS / "triton.py")]
        found = subprocess.run(
            [*command, at.http.removeprefix("http://"), at.grpc], capture_output=True, timeout=120
        )
    assert found.returncode == 1
