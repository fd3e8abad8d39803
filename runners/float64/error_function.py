"""The Gauss error function in float64, for whole arrays."""

from collections.abc import Sequence

import numpy as np

from paddleport.tensors import Array

Quotient = tuple[Sequence[float], Sequence[float]]

# FreeBSD's lib/msun/src/s_erf.c (Sun Microsystems, 1993): four intervals, a quotient of two
# polynomials in each, the constant term first. Its error is below one unit in the last place.
_SMALL, _MIDDLE, _LARGE, _ONE = 0.84375, 1.25, 1 / 0.35, 6.0
_AT_ONE = 8.45062911510467529297e-01
_BELOW_SMALL = (
    (
        *(1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02),
        *(-5.77027029648944159157e-03, -2.37630166566501626084e-05),
    ),
    (
        *(1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02),
        *(5.08130628187576562776e-03, 1.32494738004321644526e-04, -3.96022827877536812320e-06),
    ),
)
_BELOW_MIDDLE = (
    (
        *(-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01),
        *(3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02),
        -2.16637559486879084300e-03,
    ),
    (
        *(1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01),
        *(7.18286544141962662868e-02, 1.26171219808761642112e-01, 1.36370839120290507362e-02),
        1.19844998467991074170e-02,
    ),
)
_BELOW_LARGE = (
    (
        *(-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01),
        *(-6.23753324503260060396e01, -1.62396669462573470355e02, -1.84605092906711035994e02),
        *(-8.12874355063065934246e01, -9.81432934416914548592e00),
    ),
    (
        *(1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02),
        *(6.45387271733267880336e02, 4.29008140027567833386e02, 1.08635005541779435134e02),
        *(6.57024977031928170135e00, -6.04244152148580987438e-02),
    ),
)
_BELOW_ONE = (
    (
        *(-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01),
        *(-1.60636384855821916062e02, -6.37566443368389627722e02, -1.02509513161107724954e03),
        -4.83519191608651397019e02,
    ),
    (
        *(1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03),
        *(3.19985821950859553908e03, 2.55305040643316442583e03, 4.74528541206955367215e02),
        -2.24409524465858183362e01,
    ),
)
_INTERVALS = (
    (_SMALL, _MIDDLE, _BELOW_MIDDLE),
    (_MIDDLE, _LARGE, _BELOW_LARGE),
    (_LARGE, _ONE, _BELOW_ONE),
)


def erf(x: Array) -> Array:
    """2 / √π times the integral of exp(-t²) from 0 to x."""
    size = np.abs(x)
    result = np.where(np.isnan(x), x, np.copysign(1.0, x))
    near = np.flatnonzero(size < _SMALL)
    value = x.take(near)
    result.put(near, value + value * _quotient(_BELOW_SMALL, value * value))
    for low, high, polynomials in _INTERVALS:
        places = np.flatnonzero((size >= low) & (size < high))
        value = size.take(places)
        result.put(places, np.copysign(_far(value, polynomials), x.take(places)))
    return result


def _far(size: Array, polynomials: Quotient) -> Array:
    if polynomials is _BELOW_MIDDLE:
        return _AT_ONE + _quotient(polynomials, size - 1)
    square = size * size
    return np.asarray(1 - np.exp(_quotient(polynomials, 1 / square) - square - 0.5625) / size)


def _quotient(polynomials: Quotient, x: Array) -> Array:
    above, below = (_polynomial(item, x) for item in polynomials)
    return np.asarray(above / below)


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    *others, last = coefficients
    result = np.full_like(x, last)
    for coefficient in reversed(others):
        result *= x
        result += coefficient
    return result
