"""Lagrangian bounds for the p-median problem: the volume algorithm, compiled.

The multipliers are distances ``v_i``, one per row (see `distance.certificate`). A step goes from
the best multipliers so far along a running mean of the subgradients (Barahona & Anbil 2000); the
same mean of the sites that the bound opens is a fractional plan. Steps are measured in weighted
distance, so that a heavy row moves as far as a light one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from servicecircle.locate.distance.median_core import Floats, Ints, MedianCore
from servicecircle.locate.watch import Watch

PIECE = 5e7  # entries looked at between two looks at the clock
ABOVE = 1.002  # how far above the best plan the steps aim


@dataclass(frozen=True, eq=False)
class Price:
    """Multipliers of a core's rows, the bound they prove there, and a fractional plan ``y``."""

    v: Floats
    sigma: float
    bound: float
    y: Floats


class Volume:
    """A search for multipliers with some sites open (``into``) and some closed (``out``)."""

    def __init__(self, core: MedianCore, v: Floats, into: Ints, out: Ints) -> None:
        rows, n = core.shape
        self.core, self.steps = core, 0
        closed = np.zeros(n, bool)
        closed[into] = closed[out] = True
        self.purse = core.purse - float(core.cost[into].sum())
        self.count = core.count - len(into)
        if self.purse < math.inf:
            closed |= core.cost > self.purse
        if self.count <= 0:
            closed[:] = True
        self.possible = self.count >= 0 and self.purse >= 0
        self.top = core.top.copy()
        for j in into:
            part = slice(core.starts[j], core.starts[j + 1])
            self.top[core.row[part]] = np.minimum(self.top[core.row[part]], core.far[part])
        self.closed, self.into = closed, into
        self.settled = bool(closed.all())
        self.v = self.top.copy() if self.settled else np.minimum(v, self.top)
        self.g, self.mean = np.zeros(rows), np.zeros(rows)
        self.y, self.saved = np.zeros(n), np.zeros(n)
        # bound, price of money, step factor, weight of a new subgradient, failures, last bound
        self.tally = np.array([-math.inf, 0.0, 0.5, 0.1, 0.0, -math.inf])
        self._run(0, 0.0, math.inf)

    def _run(self, steps: int, aim: float, goal: float) -> None:
        core = self.core
        problem = core.indptr, core.site, core.near, core.weight, self.top, core.cost
        state = self.v, self.g, self.mean, self.y, self.saved, self.tally
        _volume(problem, self.closed, state, max(self.count, 0), self.purse, steps, aim, goal)

    def run(self, steps: int, aim: float, goal: float, watch: Watch) -> bool:
        """Up to ``steps`` more steps towards ``aim``, until ``goal`` is passed; False: no use."""
        piece = max(1, int(PIECE / (4 * max(1, len(self.core.site)))))
        while steps > 0 and not self.over(goal) and not watch.over():
            self._run(min(piece, steps), aim, goal)
            steps -= piece
            self.steps += piece
        return not self.over(goal)

    def over(self, goal: float) -> bool:
        """Whether more steps bring nothing."""
        return self.settled or self.tally[2] < 1e-6 or self.bound >= goal

    @property
    def bound(self) -> float:
        """The bound of the best multipliers, inf where there is no plan at all."""
        return float(self.tally[0]) if self.possible else math.inf

    @property
    def sigma(self) -> float:
        """The price of money of the best multipliers."""
        return float(self.tally[1])

    def price(self) -> Price:
        """The best multipliers so far."""
        y = np.clip(self.y, 0.0, 1.0)
        y[self.into] = 1.0
        return Price(self.v.copy(), self.sigma, self.bound, y)


@njit(cache=True, nogil=True)
def _evaluate(
    problem: Any, closed: Any, v: Any, count: int, purse: float, saved: Any, opened: Any, g: Any
) -> Any:
    """(bound, price of money) of multipliers; ``opened`` and ``g`` are what the bound opens."""
    indptr, site, near, w, _, cost = problem
    total, sigma = 0.0, 0.0
    saved[:] = 0.0
    for i in range(len(w)):
        total += w[i] * v[i]
        for e in range(indptr[i], indptr[i + 1]):
            if near[e] >= v[i]:
                break
            saved[site[e]] += w[i] * (v[i] - near[e])
    for j in range(len(cost)):
        if closed[j]:
            saved[j] = 0.0
    if purse < np.inf:
        sigma = _price(saved, cost, count, purse)
        total -= sigma * purse
    worth = saved - sigma * cost
    order = np.argsort(-worth)
    opened[:] = 0.0
    for k in range(min(count, len(order))):
        j = order[k]
        if worth[j] <= 0.0:
            break
        total -= worth[j]
        opened[j] = 1.0
    for i in range(len(w)):
        g[i] = 1.0
        for e in range(indptr[i], indptr[i + 1]):
            if near[e] >= v[i]:
                break
            g[i] -= opened[site[e]]
    return total, sigma


@njit(cache=True, nogil=True)
def _price(saved: Any, cost: Any, count: int, purse: float) -> float:
    """The price of money that makes the bound largest (it is concave in the price)."""
    low, high = 0.0, 0.0
    for j in range(len(cost)):
        if cost[j] > 0.0:
            high = max(high, saved[j] / cost[j])
    for _ in range(40):
        sigma = (low + high) / 2
        worth = saved - sigma * cost
        order = np.argsort(-worth)
        money = 0.0
        for k in range(min(count, len(order))):
            if worth[order[k]] <= 0.0:
                break
            money += cost[order[k]]
        if money > purse:
            low = sigma
        else:
            high = sigma
    return high


@njit(cache=True, nogil=True)
def _move(problem: Any, state: Any, low: Any, aim: float, x: Any) -> bool:
    """Put into ``x`` the multipliers one step on; False where there is nowhere to go."""
    w, top = problem[3], problem[4]
    v, mean, tally = state[0], state[2], state[5]
    moving = 0.0
    for i in range(len(w)):
        if (mean[i] > 0.0 and v[i] < top[i]) or (mean[i] < 0.0 and v[i] > low[i]):
            moving += w[i] * mean[i] * mean[i]
    if moving <= 1e-18 * w.sum():
        tally[2] = 0.0
    if tally[2] < 1e-6:
        return False
    size = tally[2] * max(aim - tally[0], 1e-9 * abs(aim)) / moving
    for i in range(len(w)):
        x[i] = min(top[i], max(low[i], v[i] + size * mean[i]))
    return True


@njit(cache=True, nogil=True)
def _volume(
    problem: Any,
    closed: Any,
    state: Any,
    count: int,
    purse: float,
    steps: int,
    aim: float,
    goal: float,
) -> None:
    """Steps of the volume algorithm; with no steps, the bound of the multipliers as they are."""
    indptr, _, near, w, top, cost = problem
    v, g, mean, y, saved, tally = state
    opened, x, low = np.zeros(len(cost)), v.copy(), top.copy()
    for i in range(len(w)):  # below its nearest site a multiplier only loses
        if indptr[i] < indptr[i + 1]:
            low[i] = min(top[i], near[indptr[i]])
    if steps == 0:
        tally[0], tally[1] = _evaluate(problem, closed, v, count, purse, saved, opened, g)
        mean[:], y[:] = g, opened
        tally[5] = tally[0]
        return
    for step in range(steps):
        if tally[0] >= goal or not _move(problem, state, low, aim, x):
            return
        bound, sigma = _evaluate(problem, closed, x, count, purse, saved, opened, g)
        gg, dot, length = 0.0, 0.0, 0.0
        for i in range(len(w)):
            gg += w[i] * g[i] * g[i]
            dot += w[i] * g[i] * mean[i]
            length += w[i] * mean[i] * mean[i]
        apart = gg - 2 * dot + length
        share = (length - dot) / apart if apart > 0.0 else 1.0
        share = min(max(share, tally[3] / 10), tally[3])
        mean += share * (g - mean)
        y += share * (opened - y)
        if bound > tally[0]:
            tally[0], tally[1], tally[4] = bound, sigma, 0.0
            v[:] = x
            if dot > 0.0:
                tally[2] = min(2.0, 1.1 * tally[2])
        else:
            tally[4] += 1.0
            if tally[4] >= 20.0:
                tally[2] *= 0.66
                tally[4] = 0.0
        if step % 100 == 99:
            if tally[0] - tally[5] < 1e-3 * abs(tally[0]) and tally[3] > 1e-3:
                tally[3] /= 1.5
            tally[5] = tally[0]
