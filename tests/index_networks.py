"""Small networks whose integer inputs choose rows, mask, count or measure; saved by Paddle."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from paddleport.models.artifact import Artifact
from paddleport.runners import open_runner
from paddleport.runners.runner_options import RunnerOptions
from paddleport.tensors import Feed

WORDS, POSITIONS = 30, 12  # rows of the tables; of the others see each network
Network = tuple[Any, Mapping[str, Any]]


def networks(pir: bool) -> dict[str, Network]:
    """By name: the network, and its inputs' shapes. All inputs are int64, but of one."""
    import paddle
    from paddle import nn

    def product(one: Any, other: Any) -> Any:
        if pir:
            return paddle.bmm(one, other)
        from paddle.base.layer_helper import LayerHelper  # paddle.bmm is PIR's alone since 3.0

        helper = LayerHelper("matmul_v2")
        made = helper.create_variable_for_type_inference(one.dtype)
        helper.append_op(type="matmul_v2", inputs={"X": one, "Y": other}, outputs={"Out": made})
        return made

    class Bert(nn.Layer):
        def __init__(self, types: int = 2) -> None:
            super().__init__()
            self.words, self.positions = nn.Embedding(WORDS, 8), nn.Embedding(POSITIONS, 8)
            self.types, self.norm = nn.Embedding(types, 8), nn.LayerNorm(8)
            self.q, self.k, self.out = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)

        def attend(self, x: Any, mask: Any) -> Any:
            scores = product(self.q(x), paddle.transpose(self.k(x), [0, 2, 1]))
            return self.out(product(nn.functional.softmax(scores + mask), x)[:, 0])

        def forward(self, input_ids, token_type_ids):  # type: ignore[no-untyped-def]
            ones = paddle.ones_like(input_ids)
            places = paddle.cumsum(ones, axis=-1) - ones
            x = self.words(input_ids) + self.positions(places) + self.types(token_type_ids)
            mask = paddle.unsqueeze((input_ids == 0).astype("float32") * -1e4, 1)
            return self.attend(self.norm(x), mask)

    class Masked(Bert):
        def forward(self, input_ids, token_type_ids, position_ids, keep):  # type: ignore
            x = self.words(input_ids) + self.positions(position_ids) + self.types(token_type_ids)
            return self.attend(
                self.norm(x), paddle.unsqueeze((1 - keep.astype("float32")) * -1e4, 1)
            )

    class Roberta(Bert):
        def forward(self, input_ids):  # type: ignore
            kept = (input_ids != 1).astype("int64")
            places = paddle.cumsum(kept, axis=1) * kept + 1
            return self.out((self.words(input_ids) + self.positions(places)).mean(1))

    class Row(nn.Layer):
        """One table, and what is done to the numbers of its rows."""

        def __init__(self, rows: int, change: Callable[..., Any]) -> None:
            super().__init__()
            self.table, self.change = nn.Embedding(rows, 4), change

        def forward(self, ids):  # type: ignore[no-untyped-def]
            return self.table(self.change(ids)).sum(1)

    class Added(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(6, 4)

        def forward(self, a, b):  # type: ignore[no-untyped-def]
            return self.table(a + b).sum(1)

    class Chosen(nn.Layer):
        def __init__(self, shape: list[int], choose: Callable[..., Any]) -> None:
            super().__init__()
            self.table, self.choose = self.create_parameter(shape), choose

        def forward(self, ids):  # type: ignore[no-untyped-def]
            return self.choose(self.table, ids).sum(0, keepdim=True)

    class Lengths(nn.Layer):
        def __init__(self, mask: Callable[..., Any]) -> None:
            super().__init__()
            self.words, self.mask = nn.Embedding(WORDS, 8), mask

        def forward(self, tokens, count):  # type: ignore[no-untyped-def]
            mask = self.mask(tokens, count).astype("float32").unsqueeze(-1)
            return (self.words(tokens) * mask).sum(1) / mask.sum(1)

    class Decoder(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.out = nn.Embedding(5, 8), nn.Linear(8, 5)

        def forward(self, ids):  # type: ignore[no-untyped-def]
            step = paddle.full([1], 0, "int64")
            total = paddle.zeros([1, 5])
            while step < 3:
                scores = self.out(self.table(ids).mean(1))
                total = total + scores
                ids = paddle.argmax(scores, axis=-1, keepdim=True)
                step = step + 1
            return total

    class Sized(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(WORDS, 4)

        def forward(self, ids, size):  # type: ignore[no-untyped-def]
            picture = self.table(ids).unsqueeze(1)
            return nn.functional.interpolate(picture, size=size, mode="nearest")

    def sequence_mask(tokens: Any, count: Any) -> Any:
        return nn.functional.sequence_mask(count, dtype="float32")

    def counted_mask(tokens: Any, count: Any) -> Any:
        return paddle.arange(paddle.shape(tokens)[1]).unsqueeze(0) < count.unsqueeze(1)

    def flat(ids: Any) -> Any:
        return paddle.flatten(ids)

    ids = [None, None]
    two = {"input_ids": ids, "token_type_ids": ids}
    counted = {"tokens": ids, "count": [None]}
    one = {"ids": ids}
    return {
        "two token types": (Bert(2), two),
        "four token types": (Bert(4), two),
        "mask and positions": (Masked(2), {**two, "position_ids": ids, "keep": ids}),
        "positions past padding": (Roberta(), {"input_ids": ids}),
        "shifted": (Row(6, lambda ids: paddle.reshape(ids, [0, -1]) + 2), one),
        "from one": (Row(3, lambda ids: ids - 1), one),
        "clipped": (Row(3, lambda ids: paddle.clip(ids, 0, 2)), one),
        "remainder": (Row(6, lambda ids: paddle.concat([ids % 6, ids], axis=1)), one),
        "narrow and joined": (
            Row(4, lambda ids: paddle.concat([ids.astype("int32"), ids.astype("int32")], axis=1)),
            one,
        ),
        "added": (Added(), {"a": ids, "b": ids}),
        "gathered": (Chosen([5, 4], lambda table, ids: paddle.gather(table, flat(ids))), one),
        "selected": (
            Chosen([9, 4], lambda table, ids: paddle.index_select(table, flat(ids), axis=1)),
            one,
        ),
        "by two axes": (Chosen([3, 5, 4], paddle.gather_nd), {"ids": [None, 2]}),
        "one hot": (
            Chosen(
                [3, 4],
                lambda table, ids: (
                    nn.functional.one_hot(ids, 3).matmul(table)
                    if pir
                    else nn.functional.linear(nn.functional.one_hot(ids, 3), table)
                ),
            ),
            one,
        ),
        "lengths": (Lengths(counted_mask), counted),
        "longest length": (Lengths(sequence_mask), counted),
        "boolean mask": (Lengths(lambda _, keep: keep.astype("bool")), {**counted, "count": ids}),
        "in a loop": (Decoder(), {"ids": [1, 3]}),
        "of floats": (Row(4, lambda ids: ids.astype("int64")), one),
        "a size": (Sized(), {"ids": ids, "size": [2]}),
    }


def save_all(folder: str, pir: bool) -> None:
    """Save each into a folder of its name, in the format that this process is set to."""
    import paddle

    paddle.seed(1)
    for name, (network, shapes) in networks(pir).items():
        dtype: Any = "float32" if name == "of floats" else "int64"
        specs = [paddle.static.InputSpec(shape, dtype, name=at) for at, shape in shapes.items()]
        network.eval()
        program = paddle.jit.to_static(network, input_spec=specs, full_graph=True)
        paddle.jit.save(program, f"{folder}/{name}/inference")


def native_faults(model: Artifact, feeds: list[Feed]) -> list[str]:
    """What native Paddle has against each feed, or an output that is not finite."""
    options = RunnerOptions(threads=1)
    found = []
    with open_runner("paddle", model, options) as runner:
        for feed in feeds:
            try:
                outputs = runner.run(feed)
            except Exception as error:
                found.append(str(error))
                continue
            found += [name for name, item in outputs.items() if not np.isfinite(item).all()]
    return found
