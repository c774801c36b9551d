"""The open part of a question: free sites × rows still to cover, identical rows merged.

Every step can be undone: multipliers found on a core are lifted to its parent, and hold there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.certificate import Facts
from servicecircle.locate.covering.merging import merge_identical
from servicecircle.locate.covering.reduction import dominated_columns, undominated_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Core:
    """A covering question in which every row is open, every site free, and all rows differ.

    ``facts`` are its numbers for `certificate.leaf_bound`; ``rows`` (CSR) and ``columns`` (CSC)
    are its coverage. ``sites`` gives each column's index in the parent. ``group`` gives each
    parent row's row here: -1 for rows that need no multiplier, -2 for weight nobody can cover.
    """

    facts: Facts
    rows: sp.csr_matrix
    columns: sp.csc_matrix
    sites: Ints
    group: Ints
    first: Ints  # one parent row of each row here
    parent_weight: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and sites."""
        return (self.rows.shape[0], self.rows.shape[1])

    def lift(self, lam: Floats, mu: float) -> Floats:
        """Multipliers of this core as multipliers of its parent's rows, at least as good there.

        A merged row's multiplier is split by weight; in ``lscp`` one row carries it. Weight that
        nobody can cover gets the largest multiplier, as then it adds nothing to the bound.
        """
        weight, lifted = self.parent_weight, np.zeros(len(self.group))
        if self.facts.model == "lscp":
            lifted[self.first] = lam
            return lifted
        here, lost = self.group >= 0, self.group == -2
        lifted[here] = (lam / self.facts.weight)[self.group[here]] * weight[here]
        lifted[lost] = weight[lost] * (mu if self.facts.model == "partial_cover" else 1.0)
        return lifted

    def only(self, rows: Ints) -> Core:
        """The core with some of its rows alone, ascending (``lscp``: a weaker question)."""
        number = np.full(self.shape[0] + 2, -1)  # the last two for groups -2 and -1
        number[-2], number[rows] = -2, np.arange(len(rows))
        matrix = sp.csr_matrix(self.rows[rows])
        return replace(
            self,
            facts=_facts(self.facts, matrix, self.facts.weight[rows], np.arange(self.shape[1])),
            rows=matrix,
            columns=matrix.tocsc(),
            group=number[self.group],
            first=self.first[rows],
        )

    def lower(self, lam: Floats) -> Floats:
        """Multipliers of the parent's rows as multipliers of this core's rows, summed."""
        here = self.group >= 0
        return np.bincount(self.group[here], lam[here], self.shape[0]).astype(np.float64)


def make_core(parent: Facts, into: Any = (), out: Any = ()) -> Core:
    """The core that is left of a question after opening ``into`` and closing ``out``."""
    into = np.asarray(into, np.int64)
    opened = np.zeros(len(parent.free), bool)
    opened[into] = True
    spent = float(parent.cost[into].sum())
    free = parent.free & ~opened & (parent.cost <= parent.purse - spent)
    free[np.asarray(out, np.int64)] = False
    hit = _meets(parent, opened)
    rest = parent.open & ~hit
    if parent.model != "lscp":
        rest &= parent.weight > 0
    reached = _meets(parent, free)
    gained = float(parent.weight[parent.open & hit].sum())
    facts = replace(
        parent,
        start=parent.start + (gained if parent.model == "mclp" else spent),
        count=parent.count - len(into),
        purse=parent.purse - spent,
        target=parent.target - gained,
    )
    return _merged(facts, rest & reached, rest & ~reached, free)


def _merged(parent: Facts, rows: NDArray[np.bool_], lost: Any, free: NDArray[np.bool_]) -> Core:
    """Merge the chosen rows of the parent over its free sites that reach any of them."""
    mine = np.flatnonzero(rows)
    indptr, useful = np.zeros(len(mine) + 1, np.int64), np.zeros(len(free), bool)
    _count(parent.indptr, parent.indices, mine, free, indptr)
    indices = np.empty(indptr[-1], np.int32)
    _copy(parent.indptr, parent.indices, mine, free, indices, useful)
    sites, column = np.flatnonzero(useful), (np.cumsum(useful) - 1).astype(np.int32)
    indices = column[indices]
    first, group = merge_identical(indptr, indices, len(sites))
    matrix = sp.csr_matrix((np.ones(len(indices)), indices, indptr), (len(mine), len(sites)))
    if len(first) < len(mine):
        matrix = sp.csr_matrix(matrix[first])
    if parent.model == "lscp":
        matrix, first, group = _undominated(matrix, first, group)
    where = np.full(len(rows), -1)
    where[mine] = group
    where[lost] = -2
    weight = np.bincount(group[group >= 0], parent.weight[mine][group >= 0], len(first))
    return Core(
        facts=_facts(parent, matrix, weight.astype(np.float64), sites),
        rows=matrix,
        columns=matrix.tocsc(),
        sites=sites,
        group=where,
        first=mine[first],
        parent_weight=parent.weight,
    )


def _meets(parent: Facts, sites: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows any of the sites (a mask) covers."""
    found = np.zeros(len(parent.open), bool)
    _mark(parent.indptr, parent.indices, sites, found)
    return found


# arrays are made outside: in compiled functions they take their time to compile


@njit(cache=True, nogil=True)
def _mark(indptr: Any, indices: Any, sites: Any, found: Any) -> None:
    """Mark the rows that any of the sites (a mask) covers."""
    for k in range(len(found)):
        for e in range(indptr[k], indptr[k + 1]):
            if sites[indices[e]]:
                found[k] = True


@njit(cache=True, nogil=True)
def _count(indptr: Any, indices: Any, rows: Any, sites: Any, ends: Any) -> None:
    """Where the entries of some rows over some sites (a mask) end, row after row."""
    for i in range(len(rows)):
        ends[i + 1] = ends[i]
        for e in range(indptr[rows[i]], indptr[rows[i] + 1]):
            ends[i + 1] += sites[indices[e]]


@njit(cache=True, nogil=True)
def _copy(indptr: Any, indices: Any, rows: Any, sites: Any, out: Any, used: Any) -> None:
    """Copy these entries, columns as they were, and mark the sites in use."""
    at = 0
    for k in rows:
        for e in range(indptr[k], indptr[k + 1]):
            if sites[indices[e]]:
                out[at] = indices[e]
                used[indices[e]] = True
                at += 1


def _facts(parent: Facts, matrix: sp.csr_matrix, weight: Floats, sites: Ints) -> Facts:
    """The facts of a core whose rows are all open and whose sites are all free."""
    rows, columns = matrix.shape
    cost = parent.cost[sites]
    return replace(
        parent,
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int64),
        row_of=np.repeat(np.arange(rows), np.diff(matrix.indptr)),
        weight=weight,
        cost=cost,
        open=np.ones(rows, bool),
        free=np.ones(columns, bool),
        # limits that cannot bind are none: the solvers have less to do
        count=parent.count if parent.count < columns else math.inf,
        purse=parent.purse if parent.purse < cost.sum() else math.inf,
    )


def _undominated(matrix: sp.csr_matrix, first: Ints, group: Ints) -> tuple[Any, Ints, Ints]:
    """Leave out rows that are covered whenever some other row is (``lscp`` only)."""
    keep = undominated_rows(matrix, np.argsort(np.diff(matrix.indptr), kind="stable"))
    number = np.where(keep, np.cumsum(keep) - 1, -1)
    return sp.csr_matrix(matrix[keep]), first[keep], number[group]


def dominated_sites(core: Core) -> list[tuple[int, int]]:
    """Pairs (site, by), in order: ``by`` covers all that ``site`` covers and costs no more.

    ``by`` is closed later than ``site``, if at all. Of equal sites the smallest index stays.
    """
    return dominated_columns(core.rows, core.facts.cost)
