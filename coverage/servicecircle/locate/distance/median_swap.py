"""Good plans for the p-median problem: greedy, then tabu search over interchanges.

The interchange of Teitz & Bart (1968), with the tables of Resende & Werneck (2004): per row the
nearest and second nearest open site; per closed site what opening it gains, per slot what closing
it loses, and the cross term ``both[slot, site]`` for rows whose nearest site is in the slot. A
swap then saves ``gain[site] - loss[slot] + both[slot, site]``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from servicecircle.locate.distance.median_core import Ints, MedianCore
from servicecircle.locate.draws import below, draws_of
from servicecircle.locate.moves import CLOSE, FIRST, OPEN, TENURE, best_add, best_swap

EPS = 1e-10  # of the plan's value: smaller savings are rounding


def greedy_swap(core: MedianCore, start: Any = (), *, by_price: bool = False) -> Ints:
    """Sites of a plan that no single added or swapped site improves; ``start`` comes first."""
    return _search(core, np.asarray(start, np.int64), 0, 0, by_price)


def tabu(core: MedianCore, start: Ints, steps: int, seed: int) -> Ints:
    """The best plan that ``steps`` tabu moves from ``start`` meet, never worse than it."""
    return _search(core, start, steps, seed, core.purse < math.inf)


def _search(core: MedianCore, start: Any, steps: int, seed: int, by_price: bool) -> Ints:
    rows, n = core.shape
    limit = core.slots
    if limit == 0:
        return np.zeros(0, np.int64)
    price = np.maximum(core.cost, 1e-9 * max(1.0, float(core.cost.max(initial=0.0))))
    price = price if by_price else np.ones(n)
    lists = core.indptr, core.site, core.near, core.starts, core.row, core.far
    problem = (*lists, core.weight, core.top, core.cost, price)
    state = (
        np.full(rows, -1),  # first: slot of the nearest open site, -1 for what is open anyhow
        np.full(rows, -1),  # second: slot of the second nearest
        core.top.copy(),  # its distance
        core.top.copy(),  # distance of the second nearest
        np.zeros(n),  # gain per site
        np.zeros(limit),  # loss per slot
        np.zeros((limit, n)),  # both, slot × site
        np.full(limit, -1),  # held: the site in each slot
        np.full(n, -1),  # place: the slot of each site
        np.zeros(n, np.int64),  # until: the step up to which a site is tabu
        np.array([0.0, core.purse, 0.0]),  # value, money, slots in use
    )
    saved = np.full(limit, -1)
    _tabu_swap(problem, state, start, steps, saved, draws_of(seed))
    return np.sort(saved[saved >= 0])


@njit(inline="always")
def _begin(problem: Any, state: Any, start: Any) -> None:
    """Open the sites of ``start``, all at once, and set up the tables."""
    w, cost = problem[6], problem[8]
    d1, held, place, tally = state[2], state[7], state[8], state[10]
    for slot in range(len(start)):
        held[slot], place[start[slot]] = start[slot], slot
        tally[1] -= cost[start[slot]]
        tally[2] += 1
    for i in range(len(w)):
        _find_two(problem, state, i)
        _count_row(problem, state, i, 1.0)
        tally[0] += w[i] * d1[i]


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _count_row(problem: Any, state: Any, i: int, sign: float) -> None:
    """Put a row into the tables (sign 1), or take it out (-1)."""
    indptr, site, near, w = problem[0], problem[1], problem[2], problem[6][i] * sign
    first, _, d1, d2, gain, loss, both = state[:7]
    a = first[i]
    if a >= 0:
        loss[a] += w * (d2[i] - d1[i])
    for e in range(indptr[i], indptr[i + 1]):
        if near[e] >= d2[i]:
            break
        j = site[e]
        if near[e] < d1[i]:
            gain[j] += w * (d1[i] - near[e])
        if a >= 0:
            both[a, j] += w * (d2[i] - max(near[e], d1[i]))


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _find_two(problem: Any, state: Any, i: int) -> None:
    """Find a row's two nearest open sites anew."""
    indptr, site, near, top = problem[0], problem[1], problem[2], problem[7]
    first, second, d1, d2 = state[:4]
    place = state[8]
    first[i], second[i], d1[i], d2[i] = -1, -1, top[i], top[i]
    found = 0
    for e in range(indptr[i], indptr[i + 1]):
        slot = place[site[e]]
        if slot < 0:
            continue
        if found == 0:
            first[i], d1[i], found = slot, near[e], 1
        else:
            second[i], d2[i] = slot, near[e]
            return


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _change(problem: Any, state: Any, slot: int, site: int, sign: int) -> None:
    """Open (sign 1) or close (-1) a site in a slot, and update all that depends on it."""
    starts, row, far, w, cost = problem[3], problem[4], problem[5], problem[6], problem[8]
    first, second, d1, d2 = state[:4]
    held, place, tally = state[7], state[8], state[10]
    tally[1] -= sign * cost[site]
    tally[2] += sign
    held[slot], place[site] = (site, slot) if sign > 0 else (-1, -1)
    for e in range(starts[site], starts[site + 1]):
        i = row[e]
        touched = far[e] < d2[i] if sign > 0 else first[i] == slot or second[i] == slot
        if touched:
            tally[0] -= w[i] * d1[i]
            _count_row(problem, state, i, -1.0)
            _find_two(problem, state, i)
            _count_row(problem, state, i, 1.0)
            tally[0] += w[i] * d1[i]


@njit(inline="always")
def _restore(problem: Any, state: Any, saved: Any) -> None:
    """Go back to a saved plan."""
    held = state[7]
    for a in range(len(held)):
        if held[a] >= 0 and held[a] != saved[a]:
            _change(problem, state, a, held[a], CLOSE)
    for a in range(len(held)):
        if held[a] != saved[a]:
            _change(problem, state, a, saved[a], OPEN)


@njit(inline="always")
def _kick(problem: Any, state: Any, now: int, draws: Any) -> None:
    """Put random sites into up to a third of the slots, and keep the old ones out for a while."""
    cost, n = problem[8], len(problem[8])
    held, place, until, tally = state[7], state[8], state[9], state[10]
    for j in range(n):
        until[j] = 0
    for _ in range(2 + below(draws, len(held) // 3)):
        a, j = below(draws, len(held)), below(draws, n)
        if held[a] >= 0:
            until[held[a]] = now + 5 + below(draws, TENURE)
            _change(problem, state, a, held[a], CLOSE)
        if held[a] < 0 and place[j] < 0 and cost[j] <= tally[1]:
            _change(problem, state, a, j, OPEN)


@njit(inline="always")
def _fill(problem: Any, state: Any, eps: float) -> None:
    """Add sites as long as one gains and fits."""
    gain, held, place, tally = state[4], state[7], state[8], state[10]
    while tally[2] < len(held):
        site = best_add(gain, place, problem[8], problem[9], tally[1], eps * abs(tally[0]))
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
    cost, held, place, until, tally = problem[8], state[7], state[8], state[9], state[10]
    _begin(problem, state, start)
    best, stalled, now = np.inf, 0, 0
    while True:
        _fill(problem, state, EPS)
        eps = EPS * abs(tally[0])
        if tally[0] < best - eps:
            best, stalled = tally[0], 0
            for a in range(len(held)):
                saved[a] = held[a]
        if now >= steps > 0:
            break
        aim = tally[0] - best + eps
        saving, slot, site = best_swap(state[4:7], held, place, until, cost, tally[1], now, aim)
        if steps == 0 and (site < 0 or saving <= eps):
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
