"""Good plans for the maximal covering problem: greedy, then tabu search over swaps.

Per row the number of open sites that cover it and the sum of their slots are kept (with one site,
the sum names it), and from these every site's gain, every slot's loss, and the cross term
``both[slot, site]``: weight that the slot covers alone and the site covers too. A swap then
changes the covered weight by ``gain[site] - loss[slot] + both[slot, site]``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.covering.core import Core
from servicecircle.locate.draws import below, draws_of
from servicecircle.locate.moves import CLOSE, FIRST, OPEN, TENURE, best_add, best_swap

EPS = 1e-9  # of the total weight: smaller gains are rounding


def greedy_swap(core: Core, start: Any = (), *, by_price: bool = False) -> NDArray[np.int64]:
    """Sites of a plan that no single added or swapped site improves; ``start`` comes first."""
    return _search(core, np.asarray(start, np.int64), 0, 0, by_price)


def tabu(core: Core, start: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.int64]:
    """The best plan that ``steps`` tabu moves from ``start`` meet, never worse than it."""
    return _search(core, start, steps, seed, core.facts.purse < math.inf)


def covered(core: Core, sites: NDArray[np.int64]) -> float:
    """Weight of the core's rows that the sites cover."""
    hit = np.zeros(core.shape[0], bool)
    hit[core.columns[:, sites].indices] = True
    return float(core.facts.weight[hit].sum())


def slots(core: Core) -> int:
    """The most sites that count and purse could let in."""
    cheapest = np.cumsum(np.sort(core.facts.cost))
    affordable = int(np.searchsorted(cheapest, core.facts.purse, side="right"))
    return int(min(core.facts.count, affordable, core.shape[1]))


def _search(core: Core, start: Any, steps: int, seed: int, by_price: bool) -> NDArray[np.int64]:
    f = core.facts
    price = np.maximum(f.cost, 1e-9 * max(1.0, float(f.cost.max(initial=0.0))))
    price = price if by_price else np.ones(len(f.cost))
    arrays = core.rows.indptr, core.rows.indices, core.columns.indptr, core.columns.indices
    problem = (*arrays, f.weight, f.cost, price)
    limit = slots(core)
    if limit == 0:
        return np.zeros(0, np.int64)
    state = (
        np.zeros(core.shape[0], np.int64),  # count: open sites per row
        np.zeros(core.shape[0], np.int64),  # owner: sum of their slots
        np.asarray(core.columns.T @ f.weight),  # gain per site
        np.zeros(limit),  # loss per slot
        np.zeros((limit, core.shape[1])),  # both, slot × site
        np.full(limit, -1),  # held: the site in each slot
        np.full(core.shape[1], -1),  # place: the slot of each site
        np.zeros(core.shape[1], np.int64),  # until: the step up to which a site is tabu
        np.array([0.0, f.purse, 0.0]),  # covered weight, money left, slots in use
    )
    saved = np.full(limit, -1)
    _tabu_swap(problem, state, start, steps, saved, draws_of(seed))
    return np.sort(saved[saved >= 0])


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _change(problem: Any, state: Any, slot: int, site: int, sign: int) -> None:
    """Open (sign 1) or close (-1) a site in a slot, and update all that depends on it."""
    rp, ri, cp, ci, w, cost, _ = problem
    count, owner, gain, loss, both, held, place, _, tally = state
    tally[0] += gain[site] if sign > 0 else -loss[slot]
    tally[1] -= sign * cost[site]
    tally[2] += sign
    held[slot], place[site] = (site, slot) if sign > 0 else (-1, -1)
    for e in range(cp[site], cp[site + 1]):
        k = ci[e]
        low = min(count[k], count[k] + sign)
        count[k] += sign
        lone = owner[k] if sign > 0 else owner[k] - slot
        owner[k] += sign * slot
        if low == 0:  # from or to being covered by this slot alone
            loss[slot] += sign * w[k]
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] -= sign * w[k]
                both[slot, ri[r]] += sign * w[k]
        elif low == 1:  # from or to being covered by one other slot alone
            loss[lone] -= sign * w[k]
            for r in range(rp[k], rp[k + 1]):
                both[lone, ri[r]] -= sign * w[k]


@njit(inline="always")
def _restore(problem: Any, state: Any, saved: Any) -> None:
    """Go back to a saved plan."""
    held = state[5]
    for a in range(len(held)):
        if held[a] >= 0 and held[a] != saved[a]:
            _change(problem, state, a, held[a], CLOSE)
    for a in range(len(held)):
        if held[a] != saved[a]:
            _change(problem, state, a, saved[a], OPEN)


@njit(inline="always")
def _kick(problem: Any, state: Any, now: int, draws: Any) -> None:
    """Put random sites into up to a third of the slots, and keep the old ones out for a while."""
    cost, n = problem[5], len(problem[5])
    held, place, until, tally = state[5], state[6], state[7], state[8]
    for j in range(n):
        until[j] = 0
    for _ in range(2 + below(draws, len(held) // 3)):
        a, i = below(draws, len(held)), below(draws, n)
        if held[a] >= 0:
            until[held[a]] = now + 5 + below(draws, TENURE)
            _change(problem, state, a, held[a], CLOSE)
        if held[a] < 0 and place[i] < 0 and cost[i] <= tally[1]:
            _change(problem, state, a, i, OPEN)


@njit(inline="always")
def _fill(problem: Any, state: Any, eps: float) -> None:
    """Add sites as long as one gains and fits."""
    gain, held, place, tally = state[2], state[5], state[6], state[8]
    while tally[2] < len(held):
        site = best_add(gain, place, problem[5], problem[6], tally[1], eps)
        if site < 0:
            break
        slot = FIRST
        while held[slot] >= 0:
            slot += 1
        _change(problem, state, slot, site, OPEN)


@njit(cache=True, nogil=True)
def _tabu_swap(problem: Any, state: Any, start: Any, steps: int, saved: Any, draws: Any) -> None:
    """Greedy from ``start`` and, with steps, tabu moves; without, swaps until none helps.

    The best plan goes to ``saved``, slot by slot.
    """
    cost, held, place, until, tally = problem[5], state[5], state[6], state[7], state[8]
    eps = 0.0
    for w in problem[4]:
        eps += w
    eps *= EPS
    for slot in range(len(start)):
        _change(problem, state, slot, start[slot], OPEN)
    best, stalled, now = -1.0, 0, 0
    while True:
        _fill(problem, state, eps)
        if tally[0] > best + eps or best < 0:
            best, stalled = tally[0], 0
            for a in range(len(held)):
                saved[a] = held[a]
        if now >= steps > 0:
            break
        aim = best - tally[0] + eps
        change, slot, site = best_swap(state[2:5], held, place, until, cost, tally[1], now, aim)
        if steps == 0 and (site < 0 or change <= eps):
            break
        now, stalled = now + 1, stalled + 1
        if site < 0 or stalled > 50 + 5 * len(held):
            _restore(problem, state, saved)
            _kick(problem, state, now, draws)
            stalled = 0
            continue
        until[held[slot]] = now + 5 + below(draws, TENURE)
        _change(problem, state, slot, held[slot], CLOSE)
        _change(problem, state, slot, site, OPEN)
