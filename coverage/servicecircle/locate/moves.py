"""What tabu search over swaps looks for, whatever the model: the best site to add, the best swap.

A search keeps for every site what opening it gains (`gain`), for every slot of the plan what
closing its site loses (`loss`), and what both together change (``both[slot, site]``). ``held``
names the site in each slot and ``place`` the slot of each site, -1 where there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# typed: for every literal, numba compiles the function that is called with it once more
OPEN: Any = np.int64(1)
CLOSE: Any = np.int64(-1)
FIRST: Any = np.int64(0)
NONE: Any = np.int64(-1)
TENURE: Any = np.int64(15)  # steps: a site that was closed is tabu for 5 and a random part of these


@njit(inline="always")
def best_add(gain: Any, place: Any, cost: Any, price: Any, money: float, eps: float) -> int:
    """The closed site with the largest gain per price that the money allows, or -1."""
    best, found = 0.0, NONE
    for j in range(len(gain)):
        affordable = place[j] < 0 and cost[j] <= money
        if affordable and gain[j] > eps and gain[j] / price[j] > best:
            best, found = gain[j] / price[j], j
    return found


@njit(inline="always")
def best_swap(
    tables: Any, held: Any, place: Any, until: Any, cost: Any, money: float, now: int, aim: float
) -> Any:
    """The (change, slot, site) with the largest change; tabu sites only beyond ``aim``.

    ``tables`` are gain, loss and both; a site is tabu up to the step ``until[site]``.
    """
    gain, loss, both = tables
    best, slot, site = -np.inf, NONE, NONE
    for a in range(len(held)):
        if held[a] < 0:
            continue
        room = money + cost[held[a]]
        for j in range(len(gain)):
            if place[j] >= 0 or cost[j] > room:
                continue
            change = gain[j] - loss[a] + both[a, j]
            if change > best and (until[j] <= now or change > aim):
                best, slot, site = change, a, j
    return best, slot, site
