"""The whole matrix."""

from operators import activations, arithmetic, movements, sums, windows
from operators.network import Network


def networks() -> dict[str, Network]:
    """Every network by its name."""
    families = (
        activations.activations,
        windows.convolutions,
        windows.pools,
        windows.pads,
        windows.resizes,
        sums.norms,
        sums.reductions,
        sums.sorting,
        arithmetic.binary,
        arithmetic.unary,
        arithmetic.comparisons,
        arithmetic.products,
        movements.shapes,
        movements.joins,
        movements.fills,
        movements.special,
    )
    found: dict[str, Network] = {}
    for family in families:
        for network in family():
            if network.name in found:
                raise ValueError(f"two networks are called {network.name}")
            found[network.name] = network
    return found
