"""Multipliers for a core: simple ones at once, then the best method for its size.

Small cores go to HiGHS's simplex, which starts warm when sites are fixed one after the other;
larger ones to the interior point; those with very many sites, whose square system would not fit,
to subgradient steps. Whatever comes back is judged by `certificate.leaf_bound` alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from servicecircle.locate.certificate import leaf_bound
from servicecircle.locate.covering import sifting
from servicecircle.locate.covering.core import Core, Floats, Ints, make_core
from servicecircle.locate.covering.interior import interior_point
from servicecircle.locate.covering.linear import Relaxation
from servicecircle.locate.watch import Watch

SIMPLEX_ENTRIES = (
    30_000  # coverage pairs up to which the simplex is faster, at the root and in the tree
)
WHOLE_SITES = 600  # sites up to which a core's relaxation is solved as a whole (`mclp`)
DENSE_SITES = 4_000  # sites up to which a sites × sites system is worth its memory
ACCURACY = {"mclp": 1e-9, "lscp": 1e-7, "partial_cover": 1e-6}  # of the interior point at the root
NODE_ACCURACY = 1e-5  # of the interior point in the tree, 1e-9 where that leaves it open
NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Multipliers:
    """Multipliers of a core's rows, the bound they prove there, and a fractional plan ``y``."""

    lam: Floats
    mu: float
    sigma: float
    bound: float
    y: Floats


def judged(core: Core, found: Any, into: Ints = NOTHING, out: Ints = NOTHING) -> Multipliers:
    """The multipliers (λ, μ, σ, y, …) with the bound that the formula gives them."""
    lam, mu, sigma, y = found[:4]
    f = core.facts
    if f.purse == math.inf:
        sigma = 0.0  # of a parent whose money was short
    elif len(into) == 0 and len(out) == 0:
        sigma = best_price(core, lam)
    return Multipliers(lam, mu, sigma, leaf_bound(f, lam, mu, sigma, into, out), y)


def better(core: Core, a: Multipliers | None, b: Multipliers) -> Multipliers:
    """The multipliers with the tighter bound; the first where they are equal."""
    if a is None:
        return b
    tighter = b.bound < a.bound if core.facts.model == "mclp" else b.bound > a.bound
    return b if tighter else a


def simple(core: Core) -> Multipliers:
    """The best of the multipliers that need no search."""
    f, y = core.facts, np.zeros(core.shape[1])
    if f.model == "mclp":
        size = np.maximum(np.diff(core.rows.indptr), 1)
        choices = [(lam, 0.0, 0.0, y) for lam in (f.weight, f.weight / size, 0.0 * f.weight)]
    else:  # a row pays the smallest price per unit among its sites: no site is overpaid
        unit = np.ones(core.shape[0]) if f.model == "lscp" else f.weight
        size = np.asarray(core.columns.T @ unit)  # 0: all its rows were merged into others
        price = np.divide(f.cost, size, out=np.full(len(size), math.inf), where=size > 0)
        if f.model == "lscp":
            lam = np.minimum.reduceat(price[core.rows.indices], core.rows.indptr[:-1])
            choices = [(lam, 0.0, 0.0, y)]
        else:
            mu = float(price.min())
            choices = [(mu * unit, mu, 0.0, y)]
    best: Multipliers | None = None
    for choice in choices:
        best = better(core, best, judged(core, choice))
    assert best is not None
    return best


def best_price(core: Core, lam: Floats) -> float:
    """The price of money that makes the bound smallest (it is convex in the price)."""
    f = core.facts
    score = np.asarray(core.columns.T @ lam)
    low, high = 0.0, float(np.max(score / np.maximum(f.cost, 1e-12), initial=0.0))
    for _ in range(80):
        price = (low + high) / 2
        value = score - price * f.cost
        taken = np.argsort(-value, kind="stable")[: int(min(f.count, len(value)))]
        if f.cost[taken[value[taken] > 0]].sum() > f.purse:
            low = price
        else:
            high = price
    return high


def improve(
    core: Core,
    start: Multipliers,
    watch: Watch,
    seed: int,
    hear: Callable[[Multipliers], None] = lambda _: None,
    plan: Ints = NOTHING,
) -> Multipliers:
    """The best multipliers that the time allows, never worse than ``start``.

    ``hear`` is handed the best so far after every step; ``plan`` are sites of a good plan.
    """
    best = start
    if len(core.rows.indices) <= SIMPLEX_ENTRIES:
        found = Relaxation(core, seed).solve(NOTHING, NOTHING, watch)
        return best if found is None else _with_plan(better(core, best, judged(core, found)), found)
    for found in _iterates(core, plan, watch):
        best = _with_plan(better(core, best, judged(core, found)), found)
        hear(best)
    return best


def _with_plan(best: Multipliers, found: Any) -> Multipliers:
    """The multipliers with the fractional plan found last: known ones may have come without."""
    return best if best.y.any() else replace(best, y=found[3])


def _iterates(core: Core, plan: Ints, watch: Watch) -> Iterator[Any]:
    if core.facts.model == "mclp" and core.shape[1] > WHOLE_SITES:
        for found in sifting.at_root(core, plan, watch, ACCURACY["mclp"]):
            yield found.lam, 0.0, found.sigma, found.y, found.missing
    elif core.shape[1] > DENSE_SITES:
        yield from subgradient(core, watch)
    else:
        yield from interior_point(core, watch, ACCURACY[core.facts.model])


def subgradient(core: Core, watch: Watch, steps: int = 400) -> Iterator[Any]:
    """Multipliers by plain subgradient steps: for cores with too many sites for anything else."""
    f = core.facts
    best = simple(core)
    lam, mu, sigma = best.lam.copy(), best.mu, best.sigma
    size, stalled = 2.0, 0
    for _ in range(steps):
        if watch.over():
            return
        y, z = _answer(core, lam, mu, sigma)
        slope = z - core.rows @ y
        if f.model == "partial_cover":
            mu = max(0.0, mu + size * best.mu * 0.05 * (1 - float(f.weight @ z) / f.target))
        length = abs(best.bound - f.start) * 0.02 * size / max(float(slope @ slope), 1e-9)
        lam = np.maximum(0.0, lam + length * slope)
        if f.model == "mclp":
            lam = np.minimum(lam, f.weight)
        now = judged(core, (lam, mu, sigma, y))
        sigma, stalled = now.sigma, stalled + 1
        if better(core, best, now) is now:
            best, stalled = now, 0
            yield now.lam, now.mu, now.sigma, now.y, math.inf
        if stalled > 15:
            size, stalled, lam, mu = size / 2, 0, best.lam.copy(), best.mu


def _answer(core: Core, lam: Floats, mu: float, sigma: float) -> tuple[Floats, Floats]:
    """The plan and the covered rows that the multipliers would choose."""
    f = core.facts
    worth = np.asarray(core.columns.T @ lam) - (sigma if f.model == "mclp" else 1.0) * f.cost
    y = (worth > 0).astype(float)
    if f.count < len(y):
        y[np.argsort(-worth, kind="stable")[int(f.count) :]] = 0.0
    if f.model == "partial_cover":
        return y, (lam < mu * f.weight).astype(float)
    return y, np.ones(len(lam))


class Nodes:
    """Multipliers at the nodes of a tree over one core."""

    def __init__(self, core: Core, seed: int) -> None:
        self.core = core
        small = len(core.rows.indices) <= SIMPLEX_ENTRIES
        self.relaxation = Relaxation(core, seed) if small else None
        self.cheap = small

    def solve(
        self, into: Ints, out: Ints, watch: Watch, best: float, guess: Multipliers
    ) -> Multipliers | None:
        """The node's multipliers, or None where time ran out before there were any.

        ``best`` is the objective to beat: a bound on its wrong side needs no more accuracy.
        ``guess`` is what the node's parent knows.
        """
        if self.relaxation is not None:
            found = self.relaxation.solve(into, out, watch)
            return None if found is None else judged(self.core, found, into, out)
        if self.core.facts.model == "mclp":
            return self._sifted(into, out, watch, best, guess)
        return self._inner(into, out, watch, best)

    def _sifted(
        self, into: Ints, out: Ints, watch: Watch, goal: float, guess: Multipliers
    ) -> Multipliers | None:
        part = sifting.Node.of(self.core, into, out)
        best: Multipliers | None = None
        near = guess.lam, guess.sigma, guess.y
        for found in sifting.at_node(part, near, watch, goal):
            y = found.y.copy()
            y[into] = 1.0
            now = Multipliers(found.lam, 0.0, found.sigma, found.bound, y)
            best = replace(better(self.core, best, now), y=y)
        if best is None:
            return None
        return judged(self.core, (best.lam, 0.0, best.sigma, best.y), into, out)

    def _inner(self, into: Ints, out: Ints, watch: Watch, goal: float) -> Multipliers | None:
        part = make_core(self.core.facts, into, out)
        best: Multipliers | None = None
        if min(part.shape) == 0:
            return None
        last, sign = np.zeros(part.shape[1]), -1.0 if part.facts.model == "mclp" else 1.0
        for found in interior_point(part, watch, ACCURACY[part.facts.model]):
            best = better(part, best, judged(part, found))
            last, missing = found[3], sign * (goal - best.bound) / max(abs(goal), 1e-9)
            if missing <= 0 or (found[4] < NODE_ACCURACY and missing > 10 * found[4]):
                break
        if best is None:
            return None
        y = np.zeros(self.core.shape[1])
        y[into], y[part.sites] = 1.0, last
        lifted = part.lift(best.lam, best.mu), best.mu, best.sigma, y
        return judged(self.core, lifted, into, out)
