"""Multipliers for capacitated cover: simple ones, then HiGHS's simplex or the volume algorithm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from servicecircle.locate.capacity import volume
from servicecircle.locate.capacity.certificate import knapsacks, leaf_bound
from servicecircle.locate.capacity.core import Capacitated, Plan
from servicecircle.locate.covering.core import Floats, Ints
from servicecircle.locate.covering.linear import THREADS
from servicecircle.locate.watch import Watch

SIMPLEX_PAIRS = 3_000  # pairs up to which the simplex is faster
PIECE_WORK = 1e7  # pairs that are looked at between two looks at the clock
FIRST_LENGTH = 0.5  # of a step, as a share of Polyak's
SHORTEST = 1e-3  # the steps' length at which the bound hardly moves any more
ROOT_STEPS = 4_000
NODE_STEPS = 150
NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Price:
    """Multipliers, the sites' knapsacks at them, the bound they prove, a fractional plan ``y``."""

    lam: Floats
    sigma: float
    value: Floats
    bound: float
    y: Floats

    def at(self, core: Capacitated, into: Ints, out: Ints) -> float:
        """The bound they prove over a part of the plans."""
        return leaf_bound(core.facts, self.lam, self.sigma, self.value, into, out)


def judged(core: Capacitated, lam: Floats, y: Floats, into: Any = (), out: Any = ()) -> Price:
    """Multipliers with the bound that the formula gives them, at the best price of money."""
    f = core.facts
    lam = np.clip(lam, 0.0, f.weight)
    value = knapsacks(f, lam)
    free, _, purse, count = _sides(core, into, out)
    sigma = volume.choose(value, f.cost, free, count, purse, np.zeros(len(value), np.bool_))
    return Price(lam, sigma, value, leaf_bound(f, lam, sigma, value, into, out), y)


def _sides(core: Capacitated, into: Any, out: Any) -> tuple[Any, Any, float, float]:
    """Free and open sites, purse and count in a part of the plans."""
    f = core.facts
    into, out = np.asarray(into, np.int64), np.asarray(out, np.int64)
    free, base = f.free.copy(), f.base.copy()
    free[into], free[out], base[into] = False, False, True
    purse = f.purse - float(f.cost[into].sum())
    free &= f.cost <= purse
    return free, base, purse, float(f.count - len(into))


def simple(core: Capacitated, hungry: Any) -> Price:
    """The best of: all weight, the sites' capacities, and the minimum cut of the best plan."""
    w, y = core.facts.weight, np.zeros(core.shape[1])
    return min(
        (judged(core, lam, y) for lam in (0.0 * w, w, np.where(hungry, w, 0.0))),
        key=lambda price: price.bound,
    )


def settled(core: Capacitated, into: Ints, out: Ints) -> Price:
    """Multipliers where nothing more can be opened: the minimum cut, as tight as can be."""
    y = np.zeros(core.shape[1])
    y[into] = 1.0
    cut = Plan(core, into).hungry()
    return judged(core, np.where(cut, core.facts.weight, 0.0), y, into, out)


class Pricer:
    """Finds multipliers, at the root and at the nodes of a tree."""

    def __init__(self, core: Capacitated, seed: int) -> None:
        self.core = core
        self.relaxation = Relaxation(core, seed) if core.rows.nnz <= SIMPLEX_PAIRS else None

    def improve(
        self,
        start: Price,
        watch: Watch,
        goal: float,
        *,
        steps: int = ROOT_STEPS,
        into: Ints = NOTHING,
        out: Ints = NOTHING,
        hear: Callable[[Price], None] = lambda _: None,
    ) -> Price:
        """Multipliers for a part of the plans, never worse than ``start``; ``goal``: a plan's
        value, below which no bound need go."""
        if self.relaxation is not None:
            found = self.relaxation.solve(into, out, watch)
            if found is None:
                return start
            new = judged(self.core, *found, into, out)
            return new if new.bound < start.at(self.core, into, out) else _with(start, new.y)
        return self._descend(start, watch, goal, steps, into, out, hear)

    def _descend(
        self,
        start: Price,
        watch: Watch,
        goal: float,
        steps: int,
        into: Ints,
        out: Ints,
        hear: Callable[[Price], None],
    ) -> Price:
        core, (rows, n) = self.core, self.core.shape
        free, base, purse, count = _sides(core, into, out)
        sides, nnz = (base, free, count, purse), core.rows.nnz
        scratch = (
            np.zeros(nnz),
            np.arange(nnz),
            np.zeros(nnz),
            np.zeros(n),
            np.zeros(n, bool),
            np.zeros(rows),
        )
        u = start.lam / core.facts.weight
        bound, sigma = volume.evaluate(core.problem, sides, u, scratch)
        scalars = np.array([bound, FIRST_LENGTH, 0.0, sigma])
        run = u, scratch[5].copy(), scratch[4].astype(float), scalars
        piece = int(max(1, min(100, PIECE_WORK / max(1, nnz))))
        best = start
        for done in range(0, steps, piece):
            if watch.over() or scalars[volume.LENGTH] < SHORTEST or scalars[volume.BOUND] <= goal:
                break
            count_here = min(piece, steps - done)
            volume.descend(core.problem, sides, run, scratch, goal, count_here)
            new = judged(core, u * core.facts.weight, run[2].copy(), into, out)
            best = new if new.bound < best.at(core, into, out) else _with(best, new.y)
            hear(best)
        return best


def _with(price: Price, y: Floats) -> Price:
    """The same multipliers with another fractional plan."""
    return Price(price.lam, price.sigma, price.value, price.bound, y)


class Relaxation:
    """The linear relaxation in HiGHS, with ``x_ij <= w_i * y_j``, kept between solves."""

    def __init__(self, core: Capacitated, seed: int) -> None:
        self.core = core
        self.solver = highspy.Highs()
        self.solver.silent()
        self.solver.setOptionValue("threads", THREADS)
        self.solver.setOptionValue("random_seed", seed)
        self.solver.passModel(model(core))
        self.columns = np.arange(core.shape[1], dtype=np.int32)

    def solve(self, into: Ints, out: Ints, watch: Watch) -> tuple[Floats, Floats] | None:
        """(λ, y) with some sites fixed; None where time ran out or nothing is allowed."""
        n, f = self.core.shape[1], self.core.facts
        low, high = f.base.astype(float), np.ones(n)
        low[into], high[out] = 1.0, 0.0
        self.solver.changeColsBounds(n, self.columns, low, high)
        left = watch.left()
        if left <= 0:
            return None
        self.solver.setOptionValue("time_limit", self.solver.getRunTime() + left)
        self.solver.run()
        if self.solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = self.solver.getSolution()
        rows = self.core.shape[0]
        unit = np.clip(-np.array(solution.row_dual)[:rows], 0.0, 1.0)
        return f.weight * (1.0 - unit), np.array(solution.col_value)[:n]


def model(core: Capacitated) -> highspy.HighsLp:
    """The model in HiGHS's form, minimising the negative served weight.

    Columns: the sites, then the weight each pair (CSR order) carries. Rows: one per demand row,
    one per site (capacity), one per pair, then count and purse.
    """
    f, (rows, n), nnz = core.facts, core.shape, core.rows.nnz
    pairs = np.arange(nnz)
    ones = np.ones(nnz)
    demand = sp.csr_matrix((ones, pairs, f.indptr), (rows, nnz))
    site = sp.csr_matrix((ones, (f.indices, pairs)), (n, nnz))
    link = sp.csr_matrix((-f.weight[f.row_of], (pairs, f.indices)), (nnz, n))
    blocks = [
        [sp.csr_matrix((rows, n)), demand],
        [sp.diags(-f.capacity), site],
        [link, sp.identity(nnz)],
    ]
    upper = [f.weight, np.zeros(n + nnz)]
    for line, limit in ((f.free.astype(float), f.count), (np.where(f.free, f.cost, 0.0), f.purse)):
        if limit < np.inf:
            blocks.append([sp.csr_matrix(line), sp.csr_matrix((1, nnz))])
            upper.append(np.array([float(limit)]))
    matrix = sp.bmat(blocks).tocsc()
    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = matrix.shape
    lp.col_cost_ = np.concatenate([np.zeros(n), -ones])
    lp.col_lower_ = np.concatenate([f.base.astype(float), np.zeros(nnz)])
    lp.col_upper_ = np.concatenate([np.ones(n), f.weight[f.row_of]])
    lp.row_lower_ = np.full(matrix.shape[0], -highspy.kHighsInf)
    lp.row_upper_ = np.concatenate(upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = matrix.indptr, matrix.indices
    lp.a_matrix_.value_ = matrix.data
    return lp
