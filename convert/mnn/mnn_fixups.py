"""An ONNX file as MNN's converter reads it rightly: rewritten where that helps, refused where not.

Every entry was seen: MNN 3.6.1 converts the operator in silence, and its file gives other numbers
or ends the process. ``tests/test_mnn_fixups.py`` holds each against the float64 reference.
"""

from pathlib import Path

from paddleport.convert.mnn.mnn_refusals import refusal
from paddleport.convert.mnn.mnn_rewrites import REWRITES
from paddleport.convert.mnn.rewritten_graph import RewrittenGraph
from paddleport.errors import ConversionError
from paddleport.models.onnx.onnx_file import read_onnx_proto


def write_for_mnn(onnx_file: Path, path: Path) -> tuple[Path, tuple[str, ...]]:
    """Write the file that MNN is to read, if that is another one.

    Args:
        onnx_file: the proven file.
        path: where a rewritten one goes.

    Returns:
        The file to convert, and the operators that were rewritten, each once.

    Raises:
        ConversionError: an operator that MNN gets wrong, and that can't be rewritten.
    """
    import onnx

    model = read_onnx_proto(onnx_file)
    graph = RewrittenGraph(model)
    done = []
    for node in model.graph.node:
        rewrite = REWRITES.get(node.op_type)
        if node.domain in ("", "ai.onnx") and rewrite is not None and rewrite(graph, node):
            done.append(node.op_type)
            continue
        reason = refusal(graph, node)
        if reason:
            name = node.name or node.output[0]
            raise ConversionError(
                f"MNN gets {node.op_type} wrong {reason}, as {name} has it: "
                "--to onnx, openvino or ncnn"
            )
        graph.keep(node)
    if not done:
        return onnx_file, ()
    onnx.save(graph.model(), str(path), save_as_external_data=graph.is_large, location=path.stem)
    return path, tuple(dict.fromkeys(done))
