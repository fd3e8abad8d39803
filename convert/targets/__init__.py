"""One file per format that ``convert --to`` makes, and the registry that finds them.

base.py is the contract of a target; onnx_graph.py, openvino_ir.py and tensorrt_engine.py keep it,
cpp_bundle.py with a folder.
"""

from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import UsageError
from paddleport.plugins import Registry
from paddleport.runners.vendor_message import one_line

__all__ = ["MadeFile", "Target", "TargetOptions", "target_class", "target_for", "target_names"]

_REGISTRY: Registry[Target] = Registry("paddleport.targets", "target", Target)  # type: ignore[type-abstract]  # only asked for subclasses
target_names = _REGISTRY.names
target_class = _REGISTRY.find


def target_for(formats: tuple[str, ...]) -> type[Target]:
    """The target that makes one of the formats that a runner loads; broken ones are passed over.

    Raises:
        UsageError: no target makes any of them.
    """
    broken = []
    for name in target_names():
        try:
            target = target_class(name)
            makes = target.format
        except Exception as error:  # a package of somebody else's, which may not be meant
            broken.append(f"target '{name}' can't be used: {one_line(error)}")
            continue
        if makes in formats:
            return target
    raise UsageError(
        f"nothing here makes {' or '.join(formats)}: give such a file, or install a package with "
        "a target for it" + "".join(f"; {item}" for item in broken)
    )
