"""Networks for the parity tests, saved by Paddle: they amplify rounding, or crash it."""

from typing import Any

SIDE = 16


def save(kind: str, prefix: str) -> None:
    """Save one of the networks below; runs in a worker."""
    import paddle

    paddle.seed(7)
    network = _KINDS[kind]()
    network.eval()
    spec = [paddle.static.InputSpec([None, 3, SIDE, SIDE], "float32", name="x")]
    paddle.jit.save(paddle.jit.to_static(network, input_spec=spec, full_graph=True), prefix)


def _residual(depth: int, gain: float) -> Any:
    """Residual sums without normalisation around a saturating function.

    Each block stretches differences by ``gain`` where it does not saturate, so rounding grows
    with the depth, while the values stay where they are.
    """
    import paddle
    from paddle import nn

    class Residual(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2D(3, 16, 3, stride=2, padding=1)
            self.blocks = nn.LayerList([nn.Conv2D(16, 16, 3, padding=1) for _ in range(depth)])
            self.head = nn.Linear(16, 5)
            for block in self.blocks:
                deviation = gain / (16 * 9) ** 0.5
                block.weight.set_value(paddle.randn(block.weight.shape) * deviation)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            hidden = self.stem(x)
            for block in self.blocks:
                hidden = 0.7 * hidden + paddle.sin(block(hidden))
            return self.head(hidden.mean([2, 3]))

    return Residual()


def _crashing() -> Any:
    """Paddle 3.2.2 ends with SIGSEGV on it with oneDNN: a batch_norm without scale and bias."""
    from paddle import nn

    return nn.Sequential(
        nn.Conv2D(3, 4, 3, stride=2),
        nn.AdaptiveAvgPool2D(1),
        nn.Flatten(),
        nn.Linear(4, 5),
        nn.BatchNorm1D(5, weight_attr=False, bias_attr=False),
    )


def _infinite() -> Any:
    """Not one finite value, whatever it is fed."""
    import paddle
    from paddle import nn

    class Infinite(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            grown = 1e30 * (1e30 * paddle.exp(x.mean([2, 3])))
            return self.head(grown - grown)

    return Infinite()


def _constant() -> Any:
    """One answer to everything."""
    from paddle import nn

    class Constant(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 5)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            return self.head(0.0 * x.mean([2, 3]))

    return Constant()


def _overflowing() -> Any:
    """Beyond float32's range and back again: only float64 has an answer, Paddle's hides it."""
    import paddle
    from paddle import nn

    class Overflowing(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(3, 64)

        def forward(self, x):  # type: ignore[no-untyped-def]  # to_static reads this source
            grown = paddle.log(paddle.exp(300 * paddle.abs(x[:, :, 0, 0])))
            return nn.functional.softmax(self.head(grown / 300))

    return Overflowing()


_KINDS = {
    "amplifying": lambda: _residual(24, 2.0),
    "constant": _constant,
    "chaotic": lambda: _residual(60, 6.0),
    "crashing": _crashing,
    "infinite": _infinite,
    "overflowing": _overflowing,
}
