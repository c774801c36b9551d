"""Good plans for covering all demand, or a share of it, with the fewest or cheapest sites.

Greedy, and needless sites out again; for a share, tabu swaps within a little less money. What
makes plans for all demand cheaper is `row_weighting`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.covering import swap
from servicecircle.locate.covering.core import Core


def greedy_cover(core: Core, start: Any = ()) -> NDArray[np.int64]:
    """Sites that reach the target, none of them needless; ``start`` comes first."""
    f, rows = core.facts, core.shape[0]
    weight = np.ones(rows) if f.model == "lscp" else f.weight
    target = rows - 0.5 if f.model == "lscp" else f.target
    price = np.maximum(f.cost, 1e-9 * max(1.0, float(f.cost.max(initial=0.0))))
    arrays = core.rows.indptr, core.rows.indices, core.columns.indptr, core.columns.indices
    problem = (*arrays, weight, f.cost, price)
    state = (
        np.zeros(rows, np.int64),  # count: open sites per row
        np.zeros(rows, np.int64),  # owner: sum of their indices
        np.asarray(core.columns.T @ weight),  # gain per site
        np.zeros(core.shape[1]),  # loss per site
        np.zeros(core.shape[1], np.int64),  # open: 1 or 0
        np.zeros(1),  # covered weight
    )
    return np.flatnonzero(_cover(problem, state, target, np.asarray(start, np.int64)))


def tighter_cover(core: Core, start: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.int64]:
    """A plan cheaper than ``start`` that still reaches the target, or ``start`` (tabu swaps).

    The question is turned around (`partial_cover` only): the most weight for a little less money.
    """
    money = spent(core, start)
    purse = money - 1e-9 * max(1.0, money)
    turned = replace(core, facts=replace(core.facts, model="mclp", purse=purse))
    less = start.copy()
    while spent(core, less) > purse:  # leave out what is missed least
        missed = [swap.covered(core, np.delete(less, i)) for i in range(len(less))]
        less = np.delete(less, int(np.argmax(missed)))
    found = swap.tabu(turned, less, steps, seed)
    return greedy_cover(core, found) if reaches(core, found) else start


def spent(core: Core, sites: NDArray[np.int64]) -> float:
    """What the sites cost."""
    return float(core.facts.cost[sites].sum())


def reaches(core: Core, sites: NDArray[np.int64]) -> bool:
    """Whether the sites cover what the question asks."""
    hit = np.zeros(core.shape[0], bool)
    hit[core.columns[:, sites].indices] = True
    if core.facts.model == "lscp":
        return bool(hit.all())
    return bool(core.facts.weight[hit].sum() >= core.facts.target)


@njit(cache=True, nogil=True)
def _change(problem: Any, state: Any, site: int, sign: int) -> None:
    """Open (sign 1) or close (-1) a site, and update all that depends on it."""
    rp, ri, cp, ci, weight, _, _ = problem
    count, owner, gain, loss, opened, tally = state
    opened[site] += sign
    for e in range(cp[site], cp[site + 1]):
        k = ci[e]
        low = min(count[k], count[k] + sign)
        count[k] += sign
        lone = owner[k] if sign > 0 else owner[k] - site
        owner[k] += sign * site
        if low == 0:
            tally[0] += sign * weight[k]
            loss[site] += sign * weight[k]
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] -= sign * weight[k]
        elif low == 1:
            loss[lone] -= sign * weight[k]


@njit(cache=True, nogil=True)
def _least_loss(problem: Any, state: Any) -> int:
    """The open site with the least loss per price, or -1."""
    price, loss, opened = problem[6], state[3], state[4]
    best, found = np.inf, -1
    for i in range(len(price)):
        if opened[i] and loss[i] / price[i] < best:
            best, found = loss[i] / price[i], i
    return found


@njit(cache=True, nogil=True)
def _most_gain(problem: Any, state: Any) -> int:
    """The closed site with the most gain per price, or -1 where none gains anything."""
    price, gain, opened = problem[6], state[2], state[4]
    best, found = 0.0, -1
    for i in range(len(price)):
        if opened[i] == 0 and gain[i] / price[i] > best:
            best, found = gain[i] / price[i], i
    return found


@njit(cache=True, nogil=True)
def _cover(problem: Any, state: Any, target: float, start: Any) -> Any:
    """Greedy; then the least useful site is closed for as long as the target is reached."""
    cost, opened, tally = problem[5], state[4], state[5]
    saved, best = np.ones(len(cost), np.int64), np.inf
    for site in start:
        _change(problem, state, site, 1)
    while tally[0] < target:
        site = _most_gain(problem, state)
        if site < 0:
            return saved
        _change(problem, state, site, 1)
    while tally[0] >= target:
        money = np.sum(cost * opened)
        if money < best or (money == best and opened.sum() < saved.sum()):
            best = money
            saved[:] = opened
        site = _least_loss(problem, state)
        if site < 0:
            break
        _change(problem, state, site, -1)
    return saved
