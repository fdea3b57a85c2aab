"""Logarithm, exponential and fifth root to eleven digits, compiled into the place that asks.

A call into the C library makes the compiler put every number at hand aside and fetch it again; a sample needs about ten
such functions, and they were a quarter of its time. Short polynomials on a reduced argument stay in registers. They
take one number, or four at once (`lanes`).
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

from aiops.detection.lanes import Lanes, larger, power_lanes, smaller, split_lanes

LN2, LOG2_E = 0.6931471805599453, 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # their sum is ln 2 to more digits than one number holds
HALF_ROOT = 0x3FE6A09E667F3BCD  # bits of sqrt(1/2)
EXP_MAX = 700.0  # beyond, a float64 would overflow


@intrinsic
def bits_of(typingctx: Any, x: Any) -> Any:
    """The bits of a float64 as an int64."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def float_of(typingctx: Any, bits: Any) -> Any:
    """The float64 with these bits."""

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


def split(x: Any) -> Any:
    """x > 0 as m * 2**e with m between sqrt(1/2) and sqrt(2): (m, e)."""


@overload(split)
def _split(x):
    if isinstance(x, Lanes):
        return lambda x: split_lanes(x, HALF_ROOT)

    def of_one(x):
        bits = bits_of(x)
        exponent = (bits - HALF_ROOT) >> 52
        return float_of(bits - (exponent << 52)), float(exponent)

    return of_one


def power_of_two(shifted: Any) -> Any:
    """2**k of the whole number k in the lowest bits."""


@overload(power_of_two)
def _power_of_two(shifted):
    if isinstance(shifted, Lanes):
        return lambda shifted: power_lanes(shifted)  # noqa: PLW0108  # numba compares names of arguments
    return lambda shifted: float_of((bits_of(shifted) + 1023) << 52)


@njit(fastmath={"contract"})
def log(x):
    """ln x for a finite x >= 2.3e-308: artanh series of the mantissa."""
    m, exponent = split(x)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    zz = z * z
    series = (1.0 + z * (1 / 3)) + zz * ((1 / 5 + z * (1 / 7)) + zz * ((1 / 9 + z * (1 / 11)) + zz * (1 / 13)))
    return exponent * LN2 + 2.0 * s * series


@njit(fastmath={"contract"})
def exp(x):
    """e**x, at most e**EXP_MAX: Taylor series of the rest after whole powers of two."""
    x = smaller(larger(x, -EXP_MAX), EXP_MAX)
    shifted = x * LOG2_E + 6755399441055744.0  # 1.5 * 2**52: rounds to a whole number, kept in the low bits
    whole = shifted - 6755399441055744.0
    r = (x - whole * LN2_HIGH) - whole * LN2_LOW
    rr = r * r
    low = (1.0 + r) + rr * (1 / 2 + r * (1 / 6))
    middle = (1 / 24 + r * (1 / 120)) + rr * (1 / 720 + r * (1 / 5040))
    high = (1 / 40320 + r * (1 / 362880)) + rr * (1 / 3628800)
    rrrr = rr * rr
    return (low + rrrr * (middle + rrrr * high)) * power_of_two(shifted)


@njit
def fifth_root(x):
    """x**0.2 for x > 0; what is smaller than any normal number counts as the smallest."""
    return exp(0.2 * log(max(x, 2.3e-308)))
