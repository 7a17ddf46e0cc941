"""eˣ, logarithms and cosines where losses and noises need them, as plain arithmetic, so that a loop becomes vector instructions.

The library's own functions are calls, one number at a time: 4 and 7 ns each, where these take about 1. All are good to
1 unit in the last place, cosines to 3 (`tests/kernels/test_elementary.py` holds them to mpmath), and NaN comes out as NaN.
Reference: W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980; fdlibm, s_log1p.c, for log1p's polynomial.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from kernels._jit import by_type, inline_contracted

D, S, L, I, U = np.float64, np.float32, np.int64, np.int32, np.uint64  # noqa: E741  double, single, integers of their size

# Adding 1.5·2⁵² (2²³) rounds to a whole number, which then stands in the lowest bits of the sum.
ROUND_D, ROUND_S = D(1.5 * 2**52), S(1.5 * 2**23)
ROUND_D_BITS, ROUND_S_BITS = L(ROUND_D.view(np.int64)), I(ROUND_S.view(np.int32))
LOG2_E_D, LOG2_E_S = D(1 / np.log(2)), S(1 / np.log(2))
# ln 2 as a sum: the first part has so many zeros at its end that its product with a whole number below 2¹¹ (2⁸) is exact.
LN2_HIGH_D, LN2_LOW_D = D(float.fromhex("0x1.62e42feep-1")), D(float.fromhex("0x1.a39ef35793c76p-33"))
LN2_HIGH_S, LN2_LOW_S = S(float.fromhex("0x1.62e4p-1")), S(float.fromhex("0x1.7f7d1cp-20"))
# Below these eˣ is 0 in either type.
LEAST_D, LEAST_S = D(-746), S(-104)
E_D = tuple(D(1 / factorial(i)) for i in range(14))
E_S = tuple(S(1 / factorial(i)) for i in range(8))
L_D = tuple(D(float.fromhex(c)) for c in (
    "0x1.5555555555593p-1", "0x1.999999997fa04p-2", "0x1.2492494229359p-2", "0x1.c71c51d8e78afp-3",
    "0x1.7466496cb03dep-3", "0x1.39a09d078c69fp-3", "0x1.2f112df3e5244p-3",
))  # fmt: skip
L_S = tuple(S(float.fromhex(c)) for c in ("0xaaaaaa.0p-24", "0xccce13.0p-25", "0x91e9ee.0p-25", "0xf89e26.0p-26"))


def _exp_double(x):
    x = LEAST_D if x < LEAST_D else x
    shifted = x * LOG2_E_D + ROUND_D
    whole = shifted - ROUND_D
    r = (x - whole * LN2_HIGH_D) - whole * LN2_LOW_D
    tail = E_D[13]
    for i in range(12, 1, -1):
        tail = tail * r + E_D[i]
    power = L(D(shifted).view(np.int64) - ROUND_D_BITS)
    half = L(power >> 1)  # 2^power may be too small to be a normal number; its two halves are not
    first, second = L((half + 1023) << 52).view(np.float64), L((power - half + 1023) << 52).view(np.float64)
    return (D(1) + (r + r * r * tail)) * first * second


def _exp_single(x):
    x = LEAST_S if x < LEAST_S else x
    shifted = x * LOG2_E_S + ROUND_S
    whole = shifted - ROUND_S
    r = (x - whole * LN2_HIGH_S) - whole * LN2_LOW_S
    square = r * r  # terms in pairs, which do not wait for one another (Estrin's scheme)
    tail = (E_S[2] + E_S[3] * r) + square * ((E_S[4] + E_S[5] * r) + square * (E_S[6] + E_S[7] * r))
    power = I(S(shifted).view(np.int32) - ROUND_S_BITS)
    half = I(power >> 1)
    first, second = I((half + 127) << 23).view(np.float32), I((power - half + 127) << 23).view(np.float32)
    return (S(1) + (r + square * tail)) * first * second


exp = by_type(_exp_single, _exp_double)
"""e^x for x ≤ 0."""

# √½, as bits: what is taken off so that 1 + u = 2^power · m has m between √½ and √2.
ROOT_D, MANTISSA_D, SHIFT_D = U(0x3FE6A09E00000000), U(0x000FFFFFFFFFFFFF), U(52)
OFFSET_D = U(0x3FF0000000000000 - 0x3FE6A09E00000000)
# A whole number in the lowest bits of 2⁵², as a float64, less 2⁵² and the bias of exponents.
MAGIC_BITS, MAGIC = U(0x4330000000000000), D(2**52 + 1023)
ONE_S, ROOT_S, MANTISSA_S = I(0x3F800000), I(0x3F3504F3), I(0x007FFFFF)


def _log_double(w, lost):
    """log(w) + lost, for a normal number w."""
    bits = D(w).view(np.uint64) + OFFSET_D
    power = U((bits >> SHIFT_D) | MAGIC_BITS).view(np.float64) - MAGIC  # no vector before AVX-512 has int64 → float64
    f = U((bits & MANTISSA_D) + ROOT_D).view(np.float64) - D(1)
    s = f / (D(2) + f)
    z = s * s
    even = z * z  # terms in pairs, which do not wait for one another (Estrin's scheme)
    high = (L_D[3] + z * L_D[4]) + even * (L_D[5] + z * L_D[6])
    tail = z * (L_D[0] + (z * L_D[1] + even * (L_D[2] + z * high)))
    square = D(0.5) * f * f
    return s * (square + tail) + (power * LN2_LOW_D + lost) - square + f + power * LN2_HIGH_D


_log_double = inline_contracted(_log_double)


def _log1p_double(x):
    w = D(1) + x
    lost = (D(1) - (w - x) if x > D(1) else x - (w - D(1))) / w  # what rounding 1 + x lost
    result = _log_double(w, lost)
    return result if x < D(np.inf) else x


def _log1p_single(x):
    w = S(1) + x
    bits = I(S(w).view(np.int32) + (ONE_S - ROOT_S))
    power = S(I((bits >> 23) - 127))
    f = I((bits & MANTISSA_S) + ROOT_S).view(np.float32) - S(1)
    lost = (S(1) - (w - x) if x > S(1) else x - (w - S(1))) / w
    s = f / (S(2) + f)
    z = s * s
    tail = z * (L_S[0] + z * (L_S[1] + z * (L_S[2] + z * L_S[3])))
    square = S(0.5) * f * f
    result = s * (square + tail) + (power * LN2_LOW_S + lost) - square + f + power * LN2_HIGH_S
    return result if x < S(np.inf) else x


log1p = by_type(_log1p_single, _log1p_double)
"""log(1 + x) for x ≥ 0."""

# log(1 + x) = 2·atanh(s) = s·(2 + ⅔s² + ⅖s⁴ + …) with s = x / (2 + x), which is ⅓ at most, and 2s = x − sx.
ATANH_S = tuple(S(2 / (2 * i + 1)) for i in range(1, 7))


def _log1p_single_of_fraction(x):
    s = x / (S(2) + x)
    z = s * s
    square = z * z
    low, middle, high = ATANH_S[0] + z * ATANH_S[1], ATANH_S[2] + z * ATANH_S[3], ATANH_S[4] + z * ATANH_S[5]
    return x - s * (x - z * (low + square * (middle + square * high)))


log1p_of_fraction = by_type(_log1p_single_of_fraction, _log1p_double)
"""log(1 + x) for x in [0, 1], which takes half as long in float32, and is good to 1.2 units there."""


# sin t = t − t³/3! + t⁵/5! − …, for |t| ≤ π/2
S_D = tuple(D((-1) ** i / factorial(2 * i + 1)) for i in range(1, 11))
TURN = D(2 * np.pi)


@inline_contracted
def minus_log(x):
    """−log x for a normal float64 x."""
    return -_log_double(x, D(0))


@inline_contracted
def _sine(t):
    """sin t for |t| ≤ π/2."""
    z = t * t
    square = z * z
    fourth = square * square  # terms in pairs, which do not wait for one another (Estrin's scheme)
    low = (S_D[0] + S_D[1] * z) + square * (S_D[2] + S_D[3] * z)
    high = (S_D[4] + S_D[5] * z) + square * (S_D[6] + S_D[7] * z)
    return t + t * z * (low + fourth * (high + fourth * (S_D[8] + S_D[9] * z)))


@inline_contracted
def cos_of_turns(x):
    """cos 2πx for a float64 x in [0, 1]: the sine of what is left to a quarter turn."""
    return _sine(TURN * (abs(x - D(0.5)) - D(0.25)))


@inline_contracted
def sin_of_turns(x):
    """sin 2πx for a float64 x in [0, 1]: from the nearest of 0, a half turn and a whole one."""
    near = D(0.5) - x
    near = x if near > D(0.25) else near
    near = x - D(1) if near < D(-0.25) else near
    return _sine(TURN * near)
