"""Local search for covering every row (``lscp``): row weighting with exchanges.

After Gao, Weise & Li 2015 (row weighting local search, RWLS), with costs. The plan is always too
cheap to cover all: each step closes the site that is missed least and opens one for a row that is
left uncovered, and every row that stays uncovered then weighs one more, so that the search turns
to the rows that are hard to cover. Weights and times go on over all of a run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.covering.core import Core
from servicecircle.locate.draws import below, draws_of
from servicecircle.locate.moves import CLOSE, NONE, OPEN

Ints = NDArray[np.int64]

LOOSE, NOW, LAST = 0, 1, 2  # the places in `numbers`: uncovered rows, step, site opened last


class RowWeighting:
    """A search from one plan that covers all rows; it goes on where it stopped."""

    def __init__(self, core: Core, start: Ints, seed: int) -> None:
        rows, sites = core.shape
        cost = core.facts.cost
        price = np.maximum(cost, 1e-9 * max(1.0, float(cost.max(initial=0.0))))
        arrays = core.rows.indptr, core.rows.indices, core.columns.indptr, core.columns.indices
        self.problem = (*arrays, cost, price)
        self.state = (
            np.zeros(rows, np.int64),  # count: open sites per row
            np.zeros(rows, np.int64),  # owner: sum of their indices
            np.ones(rows),  # heavy: row weights
            np.diff(core.columns.indptr).astype(np.float64),  # gain per site, if it were opened
            np.zeros(sites),  # loss per site, if it were closed
            np.zeros(sites, np.bool_),  # opened
            np.zeros(sites, np.int64),  # since: the step at which a site was last changed
            np.zeros(rows, np.int64),  # touched: the step at which a site of the row last was
            np.arange(rows),  # loose: the uncovered rows come first
            np.arange(rows),  # place of each row there
            np.array([rows, 1, -1]),
        )
        self.best = np.zeros(sites, np.bool_)
        self.best[start] = True
        self.value = float(cost[start].sum())
        self.draws = draws_of(seed)
        _open_all(self.problem, self.state, np.asarray(start, np.int64))

    def run(self, work: int) -> Ints:
        """The cheapest plan met so far, after about ``work`` more elementary updates."""
        self.value = _exchange(self.problem, self.state, self.best, self.value, work, self.draws)
        return np.flatnonzero(self.best)


@njit(cache=True, nogil=True)
def _open_all(problem: Any, state: Any, start: Any) -> None:
    for site in start:
        _flip(problem, state, site, OPEN)


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _flip(problem: Any, state: Any, site: int, sign: int) -> int:
    """Open (1) or close (-1) a site and update all that depends on it; the work it took."""
    rp, ri, cp, ci, _, _ = problem
    count, owner, heavy, gain, loss, opened, since, touched, loose, place, numbers = state
    opened[site] = sign > 0
    since[site] = numbers[NOW]
    work = 0
    for e in range(cp[site], cp[site + 1]):
        k = ci[e]
        low = min(count[k], count[k] + sign)
        count[k] += sign
        lone = owner[k] if sign > 0 else owner[k] - site
        owner[k] += sign * site
        touched[k] = numbers[NOW]
        if low == 0:
            loss[site] += sign * heavy[k]
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] -= sign * heavy[k]
            work += rp[k + 1] - rp[k]
            # the uncovered rows come first: swap with the one at the border
            border = numbers[LOOSE] - 1 if sign > 0 else numbers[LOOSE]
            other, here = loose[border], place[k]
            loose[here], loose[border] = other, k
            place[other], place[k] = here, border
            numbers[LOOSE] -= sign
        elif low == 1:
            loss[lone] -= sign * heavy[k]
    return work + cp[site + 1] - cp[site]


@njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)  # type: ignore[call-overload]
def _least_missed(problem: Any, state: Any, but: int) -> int:
    """The open site with the least loss per price, or -1; of equal ones the one open longest."""
    price = problem[5]
    loss, opened, since = state[4], state[5], state[6]
    best, found = np.inf, NONE
    for i in range(len(price)):
        if opened[i] and i != but:
            ratio = loss[i] / price[i]
            if ratio < best or (ratio == best and since[i] < since[found]):
                best, found = ratio, i
    return found


@njit(inline="always")
def _most_wanted(problem: Any, state: Any, row: int, room: float) -> int:
    """The closed site of a row with the most gain per price within ``room``, or -1.

    A site comes back only when something about its rows has changed since it was closed.
    """
    rp, ri, cp, ci, cost, price = problem
    gain, since, touched = state[3], state[6], state[7]
    best, found = -1.0, NONE
    for e in range(rp[row], rp[row + 1]):
        i = ri[e]
        ratio = gain[i] / price[i]
        if cost[i] > room or ratio < best or (ratio == best and since[i] >= since[found]):
            continue
        changed = touched[row] > since[i]
        for a in range(cp[i], cp[i + 1]):
            if changed:
                break
            changed = touched[ci[a]] > since[i]
        if changed:
            best, found = ratio, i
    return found


@njit(cache=True, nogil=True)
def _exchange(problem: Any, state: Any, saved: Any, best: float, work: int, draws: Any) -> float:
    """Exchanges below the cost of the best plan; plans that cover all go to ``saved``."""
    rp, ri, cost = problem[0], problem[1], problem[4]
    heavy, gain, opened, loose, numbers = state[2], state[3], state[5], state[8], state[10]
    while work > 0 and len(loose) > 0:
        while numbers[LOOSE] == 0:
            money, sites, before = 0.0, 0, 0
            for i in range(len(cost)):
                money += cost[i] if opened[i] else 0.0
                sites += opened[i]
                before += saved[i]
            if money < best or (money == best and sites < before):
                best = money
                for i in range(len(cost)):
                    saved[i] = opened[i]
            work -= _flip(problem, state, _least_missed(problem, state, NONE), CLOSE) + len(cost)
        site = _least_missed(problem, state, numbers[LAST])
        if site >= 0:
            work -= _flip(problem, state, site, CLOSE)
        numbers[NOW] += 1
        spent = 0.0
        for i in range(len(cost)):
            spent += cost[i] if opened[i] else 0.0
        room = best - 1e-9 * max(1.0, best) - spent
        work -= 2 * len(cost)
        while numbers[LOOSE] > 0:
            row = loose[below(draws, numbers[LOOSE])]
            site = _most_wanted(problem, state, row, room)
            work -= rp[row + 1] - rp[row] + 10
            if site < 0:
                break
            work -= _flip(problem, state, site, OPEN)
            numbers[LAST] = site
            room -= cost[site]
        for a in range(numbers[LOOSE]):
            k = loose[a]
            heavy[k] += 1.0
            work -= rp[k + 1] - rp[k]
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] += 1.0
        numbers[NOW] += 1
    return best
