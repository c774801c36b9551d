"""The capacitated question with equal rows merged, and the plans that are searched on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.capacity import flow as kernel
from servicecircle.locate.capacity.certificate import CapacityFacts, capacity_facts
from servicecircle.locate.covering.core import Floats, Ints
from servicecircle.locate.covering.merging import merge_identical
from servicecircle.locate.covering.question import Question
from servicecircle.locate.watch import Watch

ROUNDING = 1e-14  # of the total weight: less is rounding
CALL_WORK = 4_000  # what a call of a kernel costs beside the pairs it looks at, in pairs
EPS = 1e-9  # of the total weight: smaller gains are rounding, as in `swap`


@dataclass(frozen=True, eq=False)
class Capacitated:
    """Rows (merged) × sites that are open or may be opened; ``group`` gives each row's merged one.

    ``group`` is -1 for rows of no weight; one last group may hold all weight that no site covers
    (``lost``). ``facts`` are the merged numbers for `capacity.certificate.leaf_bound`.
    """

    facts: CapacityFacts
    rows: sp.csr_matrix
    columns: sp.csc_matrix
    at: Ints  # each CSC entry's place in the CSR
    sites: Ints
    group: Ints
    lost: float
    problem: Any  # for the kernels

    @property
    def shape(self) -> tuple[int, int]:
        """Merged rows and sites."""
        return (self.rows.shape[0], self.rows.shape[1])

    @property
    def total(self) -> float:
        """All weight that some site covers."""
        return float(self.facts.weight.sum())

    def lift(self, lam: Floats, weight: Floats) -> Floats:
        """Multipliers of the question's rows: split by weight, the largest where nobody covers."""
        lifted = weight.copy()
        here = (self.group >= 0) & (self.group < self.shape[0])
        lifted[here] *= (lam / self.facts.weight)[self.group[here]]
        return np.minimum(lifted, weight)

    def tables(self, lams: list[Floats]) -> Floats:
        """Multipliers of all groups, the lost one included, one row each."""
        table = np.array(lams).reshape(len(lams), self.shape[0])
        return np.column_stack([table, np.full(len(lams), self.lost)]) if self.lost else table


def make_capacitated(question: Question) -> Capacitated:
    """The question as the search needs it."""
    assert question.capacity is not None
    f = capacity_facts(**question.arrays(), capacity=question.capacity)
    sites = np.flatnonzero(f.base | f.free)
    able = np.zeros(len(f.base), np.int64)
    able[sites] = np.arange(len(sites))
    size = np.diff(f.indptr)
    mine = np.flatnonzero((f.weight > 0) & (size > 0))
    keep = np.isin(f.row_of, mine)
    indptr = np.concatenate(([0], np.cumsum(size[mine])))
    indices = able[f.indices[keep]]
    first, of = merge_identical(indptr, indices, len(sites))
    ones = np.ones(len(indices))
    matrix = sp.csr_matrix(sp.csr_matrix((ones, indices, indptr), (len(mine), len(sites)))[first])
    group = np.full(len(f.weight), -1)
    group[mine] = of
    lost = (f.weight > 0) & (size == 0)
    group[lost] = len(first)
    weight = np.bincount(of, f.weight[mine], len(first)).astype(np.float64)
    return _core(f, matrix, weight, sites, group, float(f.weight[lost].sum()))


def _core(
    f: CapacityFacts, matrix: sp.csr_matrix, weight: Floats, sites: Ints, group: Ints, lost: float
) -> Capacitated:
    rows, columns = matrix.shape[0], matrix.tocsc()
    numbered = sp.csr_matrix((np.arange(matrix.nnz), matrix.indices, matrix.indptr), matrix.shape)
    at = numbered.tocsc().data.astype(np.int64)
    capacity = np.minimum(f.capacity[sites], np.asarray(columns.T @ weight))
    merged = CapacityFacts(
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int64),
        row_of=np.repeat(np.arange(rows), np.diff(matrix.indptr)),
        weight=weight,
        capacity=capacity,
        cost=f.cost[sites],
        base=f.base[sites],
        free=f.free[sites],
        count=f.count,
        purse=f.purse,
    )
    problem = (
        merged.indptr,
        merged.indices,
        columns.indptr.astype(np.int64),
        columns.indices.astype(np.int64),
        at,
        weight,
        capacity,
        merged.cost,
        merged.free,
        ROUNDING * float(weight.sum()),
    )
    return Capacitated(merged, matrix, columns, at, sites, group, lost, problem)


class Plan:
    """A plan that is being changed, with its largest flow; the sites of the base stay open."""

    def __init__(self, core: Capacitated, sites: Any = ()) -> None:
        rows, n = core.shape
        f = core.facts
        self.core = core
        self.limit = int(min(f.count, int(f.free.sum())))
        self.least = EPS * core.total
        self.state = (
            np.zeros(core.rows.nnz),
            f.weight.copy(),
            np.zeros(n),
            np.zeros(n, bool),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros(n, np.int64),
            np.zeros(rows, bool),
            np.zeros(n, bool),
            np.array([0.0, f.purse, float(self.limit)]),
            np.zeros(1, np.int64),
        )
        self.saved = np.zeros(core.rows.nnz), np.zeros(rows), np.zeros(n), np.zeros(3)
        self.even = np.ones(n)
        tiny = 1e-9 * max(1.0, float(f.cost.max(initial=0.0)))
        self.price = np.maximum(f.cost, tiny) if f.purse < math.inf else self.even
        self.open([*np.flatnonzero(f.base), *sites])

    @property
    def sites(self) -> Ints:
        """The sites that were opened, without the base."""
        return np.flatnonzero(self.state[3] & self.core.facts.free)

    @property
    def served(self) -> float:
        """The weight that is served."""
        return float(self.state[9][0])

    @property
    def work(self) -> int:
        """Units of work done so far."""
        return int(self.state[10][0])

    def open(self, sites: Any) -> None:
        """Open sites, as far as places and money last, and serve."""
        f, tally = self.core.facts, self.state[9]
        for site in sites:
            if not self.state[3][site] and (
                f.base[site] or (tally[2] > 0.5 and f.cost[site] <= tally[1])
            ):
                kernel.open_site(self.core.problem, self.state, site)
        kernel.maximise(self.core.problem, self.state)

    def add_work(self, more: int) -> None:
        """Count work done elsewhere."""
        self.state[10][0] += more

    def close(self, site: int) -> None:
        """Close a site and serve its rows from others."""
        kernel.close_site(self.core.problem, self.state, site)
        kernel.maximise(self.core.problem, self.state)

    def fill(self, by_price: bool = False) -> None:
        """Open the best site again and again, until none gains or fits."""
        price = self.price if by_price else self.even
        arguments = self.core.problem, self.state, self.saved, price, self.least
        while kernel.add_best(*arguments) >= 0:
            pass

    def hungry(self) -> NDArray[np.bool_]:
        """Rows at which more capacity would serve more: the flow's minimum cut."""
        kernel.hungry(self.core.problem, self.state)
        return self.state[7].copy()

    def swaps(self, rng: np.random.Generator, watch: Watch, until: int) -> None:
        """Exchange site after site for a better one until none is, or work or time is used up."""
        order, still = self.sites, 0
        while still < len(self.sites) and self.work < until and not watch.over():
            if still == 0:
                order = rng.permutation(self.sites)
            for old in order:
                if self.work >= until or watch.over():
                    return
                arguments = self.core.problem, self.state, self.saved, self.even
                new = kernel.exchange(*arguments, old, self.least)
                self.add_work(CALL_WORK)
                still = still + 1 if new == old else 0
                if new != old:
                    self.fill()
                    break

    def kick(self, rng: np.random.Generator) -> None:
        """Close a few sites at random, open others at random in their places."""
        sites = self.sites
        few = min(len(sites), 2 + int(rng.integers(0, max(1, len(sites) // 3))))
        for old in rng.choice(sites, few, replace=False):
            kernel.close_site(self.core.problem, self.state, old)
        closed = np.flatnonzero(self.core.facts.free & ~self.state[3])
        self.open(rng.permutation(closed)[: max(1, few // 2)])
        self.fill()


def local_search(
    core: Capacitated, start: Ints, work: float, seed: int, watch: Watch
) -> tuple[Ints, float]:
    """The best plan near ``start`` (sites, served) that so much work finds; swaps, then kicks."""
    rng = np.random.default_rng(seed)
    plan = Plan(core, start)
    best, value = plan.sites, plan.served
    until = int(work)
    while len(plan.sites) and not watch.over():
        plan.swaps(rng, watch, until)
        if plan.served > value + plan.least:
            best, value = plan.sites, plan.served
        if plan.work >= until:
            break
        done = plan.work
        plan = Plan(core, best)
        plan.add_work(done + CALL_WORK)
        plan.kick(rng)
    return best, value


@njit(cache=True, nogil=True)
def share_out(
    indptr: Any, indices: Any, weight: Any, first: Any, rows: Any, size: Any, carried: Any
) -> Any:
    """The flow of merged rows dealt to their demand rows: row after row, site after site.

    ``rows[first[g]:first[g + 1]]`` are the demand rows of group g, whose flow is
    ``carried[size[g]:size[g + 1]]``; ``indptr`` and ``indices`` are the demand rows' pairs.
    """
    out = np.zeros(len(indices))
    for g in range(len(first) - 1):
        at, end = size[g], size[g + 1]
        left = carried[at] if at < end else 0.0
        for t in range(first[g], first[g + 1]):
            room = weight[rows[t]]
            while at < end and room > 0.0:
                amount = min(room, left)
                out[indptr[rows[t]] + at - size[g]] += amount
                room -= amount
                left -= amount
                if left <= 0.0:
                    at += 1
                    left = carried[at] if at < end else 0.0
    return out
