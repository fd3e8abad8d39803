"""The protocol's protobuf messages, made of the compiled description that stands beside this file.

They live in a pool of their own: a process may also hold another client's or server's generated
module of the same protocol, and two of those in one pool exclude each other. So there is nothing
generated either, which is bound to versions of protobuf. After a change of the .proto:

    protoc -I. --descriptor_set_out=open_inference.desc open_inference.proto
"""

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

SERVICE = "inference.GRPCInferenceService"


def _described() -> tuple[dict[str, Any], Any]:
    (described,) = FileDescriptorSet.FromString(
        (files("paddleport.serve.rpc") / "open_inference.desc").read_bytes()
    ).file
    pool = DescriptorPool()
    pool.Add(described)
    return GetMessageClassesForFiles([described.name], pool), pool.FindServiceByName(SERVICE)


_CLASSES, _SERVICE = _described()

METHODS: dict[str, tuple[Any, Any]] = {
    method.name: (_CLASSES[method.input_type.full_name], _CLASSES[method.output_type.full_name])
    for method in _SERVICE.methods
}
"""Procedure to the classes of its request and its answer."""


def message(name: str) -> Any:
    """The class of a message, such as ``ModelInferRequest``."""
    return _CLASSES[f"inference.{name}"]
