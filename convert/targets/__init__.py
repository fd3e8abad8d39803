"""One file per format that ``convert --to`` makes, and the registry that finds them.

base.py is the contract of a target; onnx_graph.py, openvino_ir.py and tensorrt_engine.py keep it.
"""

from paddleport.convert.targets.base import MadeFile, Target, TargetOptions
from paddleport.errors import UsageError
from paddleport.plugins import Registry

__all__ = ["MadeFile", "Target", "TargetOptions", "target_class", "target_for", "target_names"]

_REGISTRY: Registry[Target] = Registry("paddleport.targets", "target", Target)  # type: ignore[type-abstract]  # only asked for subclasses
target_names = _REGISTRY.names
target_class = _REGISTRY.find


def target_for(formats: tuple[str, ...]) -> type[Target]:
    """The target that makes one of the formats that a runner loads.

    Raises:
        UsageError: no target makes any of them.
    """
    for name in target_names():
        target = target_class(name)
        if target.format in formats:
            return target
    raise UsageError(
        f"nothing here makes {' or '.join(formats)}: give such a file, or install a package with "
        "a target for it"
    )
