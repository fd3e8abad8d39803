"""Run in an environment with tritonclient: its messages' fields, for ours to be held against."""

import json
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from tritonclient.grpc import service_pb2


def fields(messages: Any, prefix: str = "") -> dict[str, dict[str, list[int]]]:
    found: dict[str, dict[str, list[int]]] = {}
    for item in messages:
        name = prefix + item.name
        found[name] = {field.name: [field.number, field.type, field.label] for field in item.field}
        found |= fields(item.nested_type, f"{name}.")
    return found


if __name__ == "__main__":
    described = FileDescriptorProto()
    service_pb2.DESCRIPTOR.CopyToProto(described)
    print(json.dumps(fields(described.message_type)))
