"""One row for all demand rows that the same sites cover: the first thing done to a question.

A city has far fewer kinds of rows than rows. Weights add up, and multipliers found for a merged
row are split among its rows by weight, which proves the same bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.selection import Leaves, Selection

if TYPE_CHECKING:
    from servicecircle.locate.covering.question import Question

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Merged:
    """A question with one row for all demand rows that the same sites cover.

    Sites, costs and limits stay as they are. ``lifted`` brings a selection, or multipliers, back
    to the rows that were asked about; ``lowered`` brings multipliers of those here.
    """

    def __init__(self, question: Question) -> None:
        covers = question.covers
        self.first, self.group = merge_identical(covers.indptr, covers.indices, covers.shape[1])
        weight = np.bincount(self.group, question.weight, len(self.first)).astype(np.float64)
        self.question = replace(question, covers=sp.csr_matrix(covers[self.first]), weight=weight)
        if self.question.whole != question.whole:  # halves that add up: bounds would be rounded
            rows = np.arange(len(question.weight))
            self.question, self.first, self.group = question, rows, rows
        whole = self.question.weight[self.group]
        self._part = np.divide(question.weight, whole, out=np.zeros(len(whole)), where=whole > 0)

    def lowered(self, lam: Floats) -> Floats:
        """Multipliers of the asked rows as multipliers of the merged ones."""
        return np.bincount(self.group, lam, len(self.first)).astype(np.float64)

    def multipliers(self, lam: Floats) -> Floats:
        """Multipliers of the asked rows: each merged row's, split by weight."""
        return np.asarray(lam[self.group] * self._part)

    def leaves(self, leaves: Leaves | None) -> Leaves | None:
        """A tree on the asked rows."""
        return None if leaves is None else replace(leaves, group=leaves.group[self.group])

    def lifted(self, found: Selection) -> Selection:
        """A selection on the asked rows."""
        return replace(
            found,
            multipliers=self.multipliers(found.multipliers),
            leaves=self.leaves(found.leaves),
            forced=tuple(replace(one, row=int(self.first[one.row])) for one in found.forced),
        )


def merge_identical(indptr: Any, indices: Any, columns: int) -> tuple[Ints, Ints]:
    """The first row of each set of identical rows, and each row's group, in order of rows.

    ``indptr`` and ``indices`` are CSR arrays with sorted columns.
    """
    if len(indptr) == 1:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    indptr = np.asarray(indptr, np.int64)  # one type, or the functions are compiled for each
    for seed in range(8):  # random keys per column; a collision is found out and tried again
        keys = np.random.default_rng(seed).integers(0, 2**63, columns, np.uint64)
        sums = np.zeros(len(indptr) - 1, np.uint64)
        _add_keys(indptr, indices, keys, sums)
        _, first, group = np.unique(sums, return_index=True, return_inverse=True)
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        first, group = first[order], rank[group]
        if _same_rows(indptr, indices, first[group]):
            return first, group
    raise AssertionError("row keys collide")


@njit(cache=True, nogil=True)
def _add_keys(indptr: Any, indices: Any, keys: Any, out: Any) -> None:
    """Add up each row's column keys, modulo 2**64."""
    for k in range(len(out)):
        for e in range(indptr[k], indptr[k + 1]):
            out[k] += keys[indices[e]]


@njit(cache=True, nogil=True)
def _same_rows(indptr: Any, indices: Any, model: Any) -> bool:
    """Whether each row equals its model row, entry by entry."""
    for k in range(len(model)):
        shift = indptr[model[k]] - indptr[k]
        if indptr[model[k] + 1] - shift != indptr[k + 1]:
            return False
        for e in range(indptr[k], indptr[k + 1]):
            if indices[e] != indices[e + shift]:
                return False
    return True
