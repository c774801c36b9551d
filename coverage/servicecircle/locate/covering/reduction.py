"""Reductions of covering questions, iterated until nothing moves, and undone exactly.

*Row domination* (``lscp``): a row whose sites include all sites of another row is covered whenever
that one is. *Column domination*: a site that covers no more than another one, and costs no less,
is closed. *Forced sites* (``lscp``): a row that one site alone is left for opens it. Each makes
room for the others (Beasley 1987).

Why the proof loses nothing: let K be the rows that are left at the end, and of each forced site
the row that forced it. On K alone every domination holds outright, whatever came before it: a row
of K that was gone when site ``j`` was closed by ``k`` had forced some site earlier; then no other
site was left for it, ``j`` included, so ``j`` does not cover it. Multipliers on K are multipliers
of the question (other rows pay nothing), and where they pay no site more than it costs, they pay
no closed site more than it costs either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
PIECE = 20_000_000  # elementary steps of a kernel between two looks at the clock


def _never() -> bool:
    return False


@dataclass(frozen=True, eq=False)
class Reduced:
    """What reductions decided, on the rows and sites they were handed.

    ``closed`` are pairs (site, by) and ``forced`` pairs (site, row), both in order: ``by`` is
    closed later than ``site``, if at all. ``rows`` is K of the module's text, ascending.
    """

    closed: list[tuple[int, int]]
    forced: list[tuple[int, int]]
    rows: Ints


def reduce_cover(matrix: sp.csr_matrix, cost: Floats, over: Callable[[], bool] = _never) -> Reduced:
    """Iterated reductions of a set-cover question; they end early, and hold, once ``over()``.

    Every row of ``matrix`` (CSR, sorted columns) must have a site. Of equal sites the one with
    the smallest index stays; of equal rows the one that had the fewest sites at the beginning.
    """
    at_first = np.diff(matrix.indptr)
    rows, sites = np.arange(matrix.shape[0]), np.arange(matrix.shape[1])
    closed: list[tuple[int, int]] = []
    forced: list[tuple[int, int]] = []
    moving = True
    while moving and not over():
        order = np.lexsort((at_first[rows], np.diff(matrix.indptr)))
        keep = undominated_rows(matrix, order, over)
        matrix, rows = sp.csr_matrix(matrix[keep]), rows[keep]
        single = np.flatnonzero(np.diff(matrix.indptr) == 1)
        alone, one = np.unique(matrix.indices[matrix.indptr[single]], return_index=True)
        forced += zip(sites[alone].tolist(), rows[single[one]].tolist(), strict=True)
        open_now = np.zeros(matrix.shape[1])
        open_now[alone] = 1.0
        unhit = matrix @ open_now == 0
        matrix, rows = sp.csr_matrix(matrix[unhit]), rows[unhit]
        pairs = dominated_columns(matrix, cost[sites], over)
        closed += [(int(sites[j]), int(sites[k])) for j, k in pairs]
        left = np.bincount(matrix.indices, minlength=len(sites)) > 0
        left[[j for j, _ in pairs]] = False
        matrix, sites = sp.csr_matrix(matrix[:, left]), sites[left]
        moving = len(pairs) > 0  # else the rows are what they were: none of them can go
    kept = np.sort(np.concatenate([rows, np.array([row for _, row in forced], np.int64)]))
    return Reduced(closed, forced, kept)


def undominated_rows(
    matrix: sp.csr_matrix, order: Ints, over: Callable[[], bool] = _never
) -> NDArray[np.bool_]:
    """Which rows stay: those whose sites do not include all sites of a row before in ``order``.

    ``order`` lists the rows by ascending size. Rows not looked at when it is ``over()`` stay.
    """
    rows, columns = matrix.shape
    keep = np.ones(rows, bool)
    often = np.bincount(matrix.indices, minlength=columns)
    # kept rows as one linked list per site: each hangs on the rarest of its sites
    lists = np.full(columns, -1), np.full(rows, -1)
    mark, at = np.full(columns, -1), 0
    while at < rows and not over():
        at = _mark_rows(matrix.indptr, matrix.indices, order, often, lists, mark, keep, at, PIECE)
    return keep


@njit(cache=True, nogil=True)
def _mark_rows(
    indptr: Any, indices: Any, order: Any, often: Any, lists: Any, mark: Any, keep: Any, at: int,
    work: int,
) -> int:  # fmt: skip
    """Go on at place ``at`` of the order for about ``work`` steps; the place reached."""
    head, after = lists
    while at < len(order) and work > 0:
        i = order[at]
        at += 1
        for e in range(indptr[i], indptr[i + 1]):
            mark[indices[e]] = i
        inside, rare = False, -1
        for e in range(indptr[i], indptr[i + 1]):
            c = indices[e]
            if rare < 0 or often[c] < often[rare]:
                rare = c
            k = head[c]
            while k >= 0 and not inside:
                inside = True
                for o in range(indptr[k], indptr[k + 1]):
                    work -= 1
                    if mark[indices[o]] != i:
                        inside = False
                        break
                k = after[k]
            work -= 1
            if inside:
                break
        keep[i] = not inside
        if not inside and rare >= 0:
            after[i] = head[rare]
            head[rare] = i
    return at


def dominated_columns(
    matrix: sp.csr_matrix, cost: Floats, over: Callable[[], bool] = _never
) -> list[tuple[int, int]]:
    """Pairs (site, by) in order: ``by``, still open then, covers as much and costs no more.

    Sites with few rows come first; sites without rows are in no pair.
    """
    columns = matrix.tocsc()
    columns.sort_indices()
    size = np.diff(columns.indptr)
    order = np.argsort(size, kind="stable")
    order = order[size[order] > 0]
    by = np.full(matrix.shape[1], -1)
    arrays = matrix.indptr, matrix.indices, columns.indptr, columns.indices
    spare = np.zeros(matrix.shape[1], np.int64)
    at = 0
    while at < len(order) and not over():
        at = _mark_columns(*arrays, cost, order, by, spare, at, PIECE)
    return [(int(j), int(by[j])) for j in order if by[j] >= 0]


@njit(cache=True, nogil=True)
def _mark_columns(
    rp: Any, ri: Any, cp: Any, ci: Any, cost: Any, order: Any, by: Any, able: Any, at: int,
    work: int,
) -> int:  # fmt: skip
    """Go on at place ``at`` of the order for about ``work`` steps; the place reached.

    A site's candidates are the other sites of its smallest row; its rows strike them out.
    """
    while at < len(order) and work > 0:
        j = order[at]
        at += 1
        size = cp[j + 1] - cp[j]
        least = ci[cp[j]]
        for e in range(cp[j], cp[j + 1]):
            if rp[ci[e] + 1] - rp[ci[e]] < rp[least + 1] - rp[least]:
                least = ci[e]
        left = 0
        for e in range(rp[least], rp[least + 1]):
            k = ri[e]
            bigger = cp[k + 1] - cp[k] - size
            equal = bigger == 0 and cost[k] == cost[j]
            first = k < j or not equal
            if by[k] < 0 and k != j and bigger >= 0 and cost[k] <= cost[j] and first:
                able[left] = k
                left += 1
        work -= size + rp[least + 1] - rp[least]
        for e in range(cp[j], cp[j + 1]):
            if left == 0:
                break
            row, stay = ci[e], 0
            for a in range(left):
                work -= 8
                if _has(ri, rp[row], rp[row + 1], able[a]):
                    able[stay] = able[a]
                    stay += 1
            left = stay
        for a in range(left):  # the largest; of equally large ones the first
            k = able[a]
            if by[j] < 0 or cp[k + 1] - cp[k] > cp[by[j] + 1] - cp[by[j]]:
                by[j] = k
    return at


@njit(cache=True, nogil=True)
def _has(values: Any, low: int, high: int, value: int) -> bool:
    """Whether sorted ``values[low:high]`` hold a value."""
    end = high
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low < end and values[low] == value
