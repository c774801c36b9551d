"""Good plans for covering all demand, or a share of it, with the fewest or cheapest sites.

Greedy first; then the plan is made too small on purpose (a site is closed), and repaired within
what is left to spend, by closing the site that loses least per cost and opening the one that
gains most. In ``lscp`` each row that stays uncovered weighs more with every step, so that the
search turns to the rows that are hard to cover (row weighting, as in local search for set cover).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate import swap
from servicecircle.locate.core import Core


def greedy_cover(core: Core, start: Any = ()) -> NDArray[np.int64]:
    """Sites that reach the target, none of them needless; ``start`` comes first."""
    return _search(core, start, 0, 0)


def cheaper_cover(core: Core, start: NDArray[np.int64], steps: int, seed: int) -> NDArray[np.int64]:
    """The cheapest plan that ``steps`` repairs from ``start`` meet, never dearer than it."""
    return _search(core, start, steps, seed)


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


def _search(core: Core, start: Any, steps: int, seed: int) -> NDArray[np.int64]:
    f, rows = core.facts, core.shape[0]
    every = f.model == "lscp"
    weight = np.ones(rows) if every else f.weight
    target = rows - 0.5 if every else f.target
    price = np.maximum(f.cost, 1e-9 * max(1.0, float(f.cost.max(initial=0.0))))
    arrays = core.rows.indptr, core.rows.indices, core.columns.indptr, core.columns.indices
    problem = (*arrays, weight, f.cost, price)
    state = (
        np.zeros(rows, np.int64),  # count: open sites per row
        np.zeros(rows, np.int64),  # owner: sum of their indices
        np.asarray(core.columns.T @ weight),  # gain per site, in row weights
        np.zeros(core.shape[1]),  # loss per site, in row weights
        weight.copy(),  # row weights
        np.zeros(core.shape[1], np.int64),  # open: 1 or 0
        np.zeros(core.shape[1], np.int64),  # until: the step up to which a site stays as it is
        np.array([0.0, 0.0]),  # covered weight, money spent
    )
    begin = np.asarray(start, np.int64)
    return np.flatnonzero(
        _cover(problem, state, target, every, begin, steps, np.random.default_rng(seed))
    )


@njit(cache=True, nogil=True)
def _change(problem: Any, state: Any, site: int, sign: int) -> None:
    """Open (sign 1) or close (-1) a site, and update all that depends on it."""
    rp, ri, cp, ci, w, cost, _ = problem
    count, owner, gain, loss, heavy, opened, _, tally = state
    opened[site] += sign
    tally[1] += sign * cost[site]
    for e in range(cp[site], cp[site + 1]):
        k = ci[e]
        low = min(count[k], count[k] + sign)
        count[k] += sign
        lone = owner[k] if sign > 0 else owner[k] - site
        owner[k] += sign * site
        if low == 0:
            tally[0] += sign * w[k]
            loss[site] += sign * heavy[k]
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] -= sign * heavy[k]
        elif low == 1:
            loss[lone] -= sign * heavy[k]


@njit(cache=True, nogil=True)
def _least_loss(problem: Any, state: Any, now: int) -> int:
    """The open site with the least loss per price, or -1; tabu ones last."""
    price = problem[6]
    loss, opened, until = state[3], state[5], state[6]
    best, found, tabu = np.inf, -1, True
    for i in range(len(price)):
        held = until[i] > now
        if opened[i] and (tabu or not held):
            ratio = loss[i] / price[i]
            if ratio < best or (tabu and not held):
                best, found, tabu = ratio, i, held
    return found


@njit(cache=True, nogil=True)
def _most_gain(problem: Any, state: Any, row: int, room: float, now: int) -> int:
    """The closed site with the most gain per price within ``room``, of one row or (-1) of all."""
    rp, ri, cost, price = problem[0], problem[1], problem[5], problem[6]
    gain, opened, until = state[2], state[5], state[6]
    first, last = (0, len(cost)) if row < 0 else (rp[row], rp[row + 1])
    best, found = 0.0, -1
    for e in range(first, last):
        i = e if row < 0 else ri[e]
        if opened[i] == 0 and cost[i] <= room and until[i] <= now and gain[i] / price[i] > best:
            best, found = gain[i] / price[i], i
    return found


@njit(cache=True, nogil=True)
def _any_uncovered(state: Any, rng: Any) -> int:
    """One uncovered row at random, or -1."""
    count, found, seen = state[0], -1, 0
    for k in range(len(count)):
        if count[k] == 0:
            seen += 1
            if rng.integers(0, seen) == 0:
                found = k
    return found


@njit(cache=True, nogil=True)
def _weigh(problem: Any, state: Any) -> None:
    """Every uncovered row weighs one more."""
    rp, ri = problem[0], problem[1]
    count, gain, heavy = state[0], state[2], state[4]
    for k in range(len(count)):
        if count[k] == 0:
            heavy[k] += 1.0
            for r in range(rp[k], rp[k + 1]):
                gain[ri[r]] += 1.0


@njit(cache=True, nogil=True)
def _prune(problem: Any, state: Any, target: float, best: float, saved: Any) -> float:
    """Save the plan while it reaches the target, and close its least useful site."""
    opened, tally, cost = state[5], state[7], problem[5]
    while tally[0] >= target:
        money = 0.0
        for i in range(len(opened)):
            money += cost[i] * opened[i]
        if money < best or (money == best and opened.sum() < saved.sum()):
            best = money
            saved[:] = opened
        site = _least_loss(problem, state, np.iinfo(np.int64).max)
        if site < 0:
            break
        _change(problem, state, site, -1)
    return best


@njit(cache=True, nogil=True)
def _cover(
    problem: Any, state: Any, target: float, every: bool, start: Any, steps: int, rng: Any
) -> Any:
    """Greedy and pruning; then ``steps`` repairs below the cost of the best plan."""
    until, tally = state[6], state[7]
    for site in start:
        _change(problem, state, site, 1)
    saved = np.ones(len(until), np.int64)
    while tally[0] < target:
        site = _most_gain(problem, state, -1, np.inf, 0)
        if site < 0:
            return saved
        _change(problem, state, site, 1)
    best = _prune(problem, state, target, np.inf, saved)
    for now in range(1, steps + 1):
        site = _least_loss(problem, state, now)
        if site >= 0:
            _change(problem, state, site, -1)
            until[site] = now + 2 + rng.integers(0, 8)
        while tally[0] < target:
            row = _any_uncovered(state, rng) if every else -1
            room = best - 1e-9 * max(1.0, best) - tally[1]
            site = _most_gain(problem, state, row, room, now)
            if site < 0:
                break
            _change(problem, state, site, 1)
            until[site] = now + 2 + rng.integers(0, 8)
        best = _prune(problem, state, target, best, saved)
        if every:
            _weigh(problem, state)
    return saved
