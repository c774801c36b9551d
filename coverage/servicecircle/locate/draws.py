"""Random whole numbers in compiled searches: those that ``default_rng(seed).integers`` draws.

numba compiles numpy's method for seconds (its checks write messages) and makes an array for every
number; this is the same stream, PCG-64 (O'Neill 2014) cut to size as Lemire (2019) does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_TIMES_HIGH, _TIMES_LOW = np.uint64(2549297995355413924), np.uint64(4865540595714422341)
_32, _58, _63, _64 = np.uint64(32), np.uint64(58), np.uint64(63), np.uint64(64)
_ONE, _HALF_WORD = np.uint64(1), np.uint64(0xFFFFFFFF)


def draws_of(seed: int) -> NDArray[np.uint64]:
    """The stream of a seed, for `below`: state and increment (high and low words of each), the
    half of the last word that is left, and whether one is."""
    state = np.random.PCG64(seed).state["state"]
    words = [half for key in ("state", "inc") for half in divmod(state[key], 1 << 64)]
    return np.array([*words, 0, 0], np.uint64)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _next(draws: Any) -> Any:
    """The next 32 bits: a word's lower half, then its upper half."""
    if draws[5] == _ONE:
        draws[5] = 0
        return draws[4]
    high, low = draws[0], draws[1]
    # the low words' product in 32-bit halves, for the part that is carried
    a, b, c, d = low >> _32, low & _HALF_WORD, _TIMES_LOW >> _32, _TIMES_LOW & _HALF_WORD
    middle = a * d + ((b * d) >> _32)
    carried = a * c + (middle >> _32) + (((middle & _HALF_WORD) + b * c) >> _32)
    high = carried + high * _TIMES_LOW + low * _TIMES_HIGH + draws[2]
    low = low * _TIMES_LOW + draws[3]
    if low < draws[3]:
        high += _ONE
    draws[0], draws[1] = high, low
    mixed, turn = high ^ low, high >> _58
    word = (mixed >> turn) | (mixed << ((_64 - turn) & _63))
    draws[4], draws[5] = word >> _32, 1
    return word & _HALF_WORD


@njit(cache=True, nogil=True, error_model="numpy")
def below(draws: Any, n: int) -> Any:
    """The next whole number from 0 up to, not including, ``n`` (1 to 2**32 - 1)."""
    if n <= 1:
        return 0  # nothing is drawn
    many = np.uint64(n)
    product = _next(draws) * many
    if product & _HALF_WORD < many:
        least = (_HALF_WORD + _ONE - many) % many  # below it some numbers would come more often
        while product & _HALF_WORD < least:
            product = _next(draws) * many
    return np.int64(product >> _32)
