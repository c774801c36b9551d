"""Better multipliers for capacitated cover, compiled: the volume algorithm (Barahona & Anbil 2000).

The bound of `capacity.certificate` is convex in ``u = λ / w``, one number in [0, 1] per row. Steps
go along ``w - s``, where ``s`` is what the rows were served in the answers so far, averaged, so
that the averages come near a solution of the linear relaxation, and the steps do not zigzag. A
step's length counts each row by its weight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

AVERAGE = 0.1  # the largest share of the newest answer in the averages
STEADY = 20  # steps without progress before they get shorter
BISECTIONS = 50

# scalars of a run
BOUND, LENGTH, IDLE, SIGMA = range(4)


@njit(cache=True, nogil=True)
def sort_falling(order: Any, key: Any, first: int, last: int) -> None:
    """Sort ``order[first:last]`` by falling ``key[order]`` (Shell's, with Ciura's gaps).

    Cheap where it is almost sorted, as from one step to the next.
    """
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for a in range(first + gap, last):
            now = order[a]
            b = a - gap
            while b >= first and key[order[b]] < key[now]:
                order[b + gap] = order[b]
                b -= gap
            order[b + gap] = now


@njit(cache=True, nogil=True)
def fill(problem: Any, able: Any, u: Any, worth: Any, order: Any, share: Any, value: Any) -> None:
    """Each able site's knapsack: its ``value``, the ``share`` of each row (CSC entry) it takes."""
    _, _, cp, ci, _, w, cap, _, _, _ = problem
    for j in range(len(cap)):
        total = value[j] = 0.0
        if not able[j]:
            continue
        for c in range(cp[j], cp[j + 1]):
            worth[c] = u[ci[c]]
            total += w[ci[c]]
        binds = total > cap[j] * (1 + 1e-12)
        if binds:
            sort_falling(order, worth, cp[j], cp[j + 1])
        room, earned = cap[j], 0.0
        for t in range(cp[j], cp[j + 1]):
            c = order[t] if binds else t
            size = w[ci[c]]
            taken = size if not binds else min(size, room)
            room -= taken
            earned += taken * worth[c]
            share[c] = taken / size
        value[j] = earned


@njit(cache=True, nogil=True)
def choose(value: Any, cost: Any, free: Any, count: float, purse: float, chosen: Any) -> float:
    """Mark the free sites that the bound counts; the price of money that makes it smallest."""
    low, high = 0.0, 0.0
    if purse < np.inf:
        for j in range(len(value)):
            if free[j] and cost[j] > 0:
                high = max(high, value[j] / cost[j])
        if _take(value, cost, free, count, 0.0, chosen) <= purse:
            return 0.0
        for _ in range(BISECTIONS):
            price = (low + high) / 2
            if _take(value, cost, free, count, price, chosen) > purse:
                low = price
            else:
                high = price
    _take(value, cost, free, count, high, chosen)
    return high


@njit(cache=True, nogil=True)
def _take(value: Any, cost: Any, free: Any, count: float, price: float, chosen: Any) -> float:
    """Mark the ``count`` largest positive ``value - price * cost``; what they cost."""
    n, spent, most = len(value), 0.0, 0
    for j in range(n):
        chosen[j] = free[j] and value[j] - price * cost[j] > 0
        most += chosen[j]
    if most > count:
        order, taken = np.arange(n), 0
        sort_falling(order, value - price * cost, 0, n)
        for site in order:
            if chosen[site]:
                chosen[site] = taken < count
                taken += 1
    for j in range(n):
        if chosen[j]:
            spent += cost[j]
    return spent


@njit(cache=True, nogil=True)
def evaluate(problem: Any, sides: Any, u: Any, scratch: Any) -> Any:
    """The bound of ``u`` and its price of money; the answer stays in the scratch."""
    cp, ci, w, cost = problem[2], problem[3], problem[5], problem[7]
    base, free, count, purse = sides
    worth, order, share, value, chosen, served = scratch
    fill(problem, free | base, u, worth, order, share, value)
    sigma = choose(value, cost, free, count, purse, chosen)
    bound = 0.0
    for i in range(len(w)):
        bound += w[i] * (1 - u[i])
        served[i] = 0.0
    for j in range(len(value)):
        if base[j]:
            chosen[j] = True
            bound += value[j]
        elif chosen[j]:
            bound += value[j] - sigma * cost[j]
        if chosen[j]:
            for c in range(cp[j], cp[j + 1]):
                served[ci[c]] += share[c] * w[ci[c]]
    if sigma > 0:
        bound += sigma * purse
    return bound, sigma


@njit(cache=True, nogil=True)
def descend(problem: Any, sides: Any, run: Any, scratch: Any, goal: float, steps: int) -> None:
    """So many steps; ``run`` = (best u, averaged served, averaged plan, scalars), changed here."""
    w = problem[5]
    best, mean, plan, scalars = run
    chosen, served = scratch[4], scratch[5]
    u = np.empty(len(best))
    for _ in range(steps):
        norm = 0.0
        for i in range(len(w)):
            slope = w[i] - mean[i]
            if (slope > 0 and best[i] < 1) or (slope < 0 and best[i] > 0):
                norm += slope * slope / w[i]
        if norm <= 0.0:
            scalars[LENGTH] = 0.0
            return
        length = scalars[LENGTH] * (scalars[BOUND] - goal) / norm
        for i in range(len(w)):
            u[i] = min(1.0, max(0.0, best[i] + length * (w[i] - mean[i]) / w[i]))
        bound, sigma = evaluate(problem, sides, u, scratch)
        along = 0.0
        for i in range(len(w)):
            along += (w[i] - mean[i]) * (w[i] - served[i]) / w[i]
            mean[i] += AVERAGE * (served[i] - mean[i])
        for j in range(len(plan)):
            plan[j] += AVERAGE * (chosen[j] - plan[j])
        if bound < scalars[BOUND] - 1e-9 * abs(scalars[BOUND]):
            scalars[BOUND], scalars[SIGMA] = bound, sigma
            best[:] = u
            scalars[IDLE] = 0
            if along > 0:
                scalars[LENGTH] = min(2.0, scalars[LENGTH] * 1.1)
        else:
            scalars[IDLE] += 1
            if scalars[IDLE] >= STEADY:
                scalars[IDLE] = 0
                scalars[LENGTH] *= 0.66
