"""What Paddle2ONNX 2.1.0 gets wrong: mended where a small rewrite does it, else refused by name.

Three tables. ``MENDS`` (rewrites.py) rewrite the program before Paddle2ONNX reads it;
``STAND_INS`` write the operator in ONNX themselves; ``REFUSALS`` name what is left. Every entry
has a network in tests/operators, and a test that fails once Paddle2ONNX gets it right. What is
wrong in the graph that it writes is mended in graph.py and declared_shapes.py.
"""

from collections.abc import Collection
from typing import Any

from paddleport.convert.paddle2onnx.fixups.pir_operations import PirOperations
from paddleport.convert.paddle2onnx.fixups.recipes import FIRST_SLOPE, Recipe
from paddleport.convert.paddle2onnx.fixups.refusals import REFUSALS
from paddleport.convert.paddle2onnx.fixups.rewrites import MENDS
from paddleport.convert.paddle2onnx.fixups.stand_ins import STAND_INS
from paddleport.errors import ConversionError

__all__ = ["MENDS", "REFUSALS", "STAND_INS", "mend_program"]


def mend_program(
    document: dict[str, Any], opset: int, *, without: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[Recipe, ...]]:
    """Rewrite a parsed PIR program in place.

    Args:
        document: the program's JSON.
        opset: that it is to be converted at.
        without: sentences of mends to leave out, for the tests.

    Returns:
        A sentence for each mend that was needed, and the recipes of the stand-ins in order.

    Raises:
        ConversionError: an operator that comes out wrong and has no mend; it is named.
    """
    program = PirOperations(document)
    sentences: list[str] = []
    recipes: list[Recipe] = []
    for operation in program.operations:
        kind = operation.kind
        for mend in MENDS:
            concerned = kind in mend.operators and mend.sentence not in without
            if concerned and mend.rewrite(operation):
                sentences.append(mend.sentence)
        for refusal in REFUSALS:
            concerned = kind in refusal.operators and refusal.setting not in without
            if concerned and refusal.applies(operation, opset):
                raise ConversionError(
                    f"Paddle2ONNX gets the operator {kind} wrong {refusal.setting}: "
                    "write that part of the network differently and save it again"
                )
        for entry in STAND_INS:
            if kind in entry.operators and entry.sentence not in without:
                recipe = entry.recipe(operation)
                if recipe is not None:
                    operation.become_leaky_relu(FIRST_SLOPE + len(recipes))
                    recipes.append(recipe)
                    sentences.append(entry.sentence)
    return tuple(dict.fromkeys(sentences)), tuple(recipes)
