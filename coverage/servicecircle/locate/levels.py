"""Partial credit as plain coverage: every step of a row's credit becomes a row of its own.

Gradual cover (Church & Roberts 1983; Berman & Krass 2002): a site that covers a row gives it full
credit, one farther off a share of it, and a row gets the largest credit of any open site. With
the credits of row i sorted, ``c1 > c2 > ... > cL > 0``, level l is a row of weight
``w_i * (c_l - c_(l+1))`` (``c_(L+1) = 0``) that all sites with at least the credit ``c_l`` cover:
an open site with the credit ``c_l`` covers the levels l, ..., L, whose weights add up to
``w_i * c_l``. So the credited weight is the covered weight of the levels, and all that holds for
``mclp`` holds. This room imports numpy alone: the model and ``servicecircle check`` both use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

STAIR_SLACK = 1e-9  # of a step: what a walk may be longer and still be on the stair below


@dataclass(frozen=True, eq=False)
class Levels:
    """The expanded rows as CSR (sorted columns), in the order of their demand rows.

    Within a demand row the levels follow by falling credit. ``row`` and ``credit`` name each
    level's demand row and credit. A row that no site credits keeps one level, of all its weight,
    with the credit 0 and without sites.
    """

    indptr: Array
    indices: Array
    weight: Array
    row: Array
    credit: Array


def decay(minutes: Any, standard: float, end: float, step: float = 1.0) -> Array:
    """The credit of walks of so many minutes: 1 up to ``standard``, from there down to 0.

    It falls along the line that reaches 0 at ``end``, in stairs of ``step`` minutes that never
    pass the line (a stair's credit is the line's at its far end), so that there are at most
    ``ceil((end - standard) / step)`` different credits above 0. Unreached is ``inf``: 0.

    Raises ValueError unless ``0 <= standard < end < inf``, ``step > 0``, and no minutes are NaN.
    """
    if not (0 <= standard < end < np.inf and 0 < step < np.inf):
        raise ValueError(
            f"decay needs 0 <= standard < end and step > 0, not {standard}, {end}, {step}"
        )
    walks = np.asarray(minutes, np.float64)
    if np.any(np.isnan(walks)):
        raise ValueError("minutes must not be NaN; unreached is inf")
    over = np.clip(walks, standard, end) - standard
    stairs = np.ceil(over / step - STAIR_SLACK)
    falling = np.maximum(0.0, 1.0 - stairs * step / (end - standard))
    return np.where(walks > standard, np.where(walks < end, falling, 0.0), 1.0)


def expand(
    indptr: Array,
    indices: Array,
    weight: Array,
    credit_indptr: Array,
    credit_indices: Array,
    credit: Array,
    sites: int,
) -> Levels:
    """The levels of all rows, from two CSR matrices of demand row × site.

    Pairs of the first are covered (credit 1); pairs of the second have the credit ``credit``, in
    [0, 1]. A pair in both is covered; a credit of 0 is none. Raises ValueError for credits out
    of range.
    """
    if not np.all((credit >= 0) & (credit <= 1)):  # false for NaN too
        raise ValueError("credits must be above 0 and at most 1")
    rows = len(indptr) - 1
    key, value = _largest(
        np.concatenate(
            [_pairs(indptr, indices, sites), _pairs(credit_indptr, credit_indices, sites)]
        ),
        np.concatenate([np.ones(len(indices)), np.asarray(credit, np.float64)]),
    )
    order = np.lexsort((-value, key // sites))
    row, site, value = key[order] // sites, key[order] % sites, value[order]
    begins = np.searchsorted(row, np.arange(rows))  # where each row's pairs begin
    last = np.append((row[1:] != row[:-1]) | (value[1:] != value[:-1]), True)[: len(row)]
    ends = np.flatnonzero(last)  # the last pair of each level
    # the empty level of a row without credit goes to the row's own place
    bare = np.setdiff1d(np.arange(rows), row)
    level_row = np.concatenate([row[ends], bare])
    level_credit = np.concatenate([value[ends], np.zeros(len(bare))])
    size = np.concatenate([ends + 1 - begins[row[ends]], np.zeros(len(bare), np.int64)])
    place = np.lexsort((-level_credit, level_row))
    level_row, level_credit, size = level_row[place], level_credit[place], size[place]
    level = np.repeat(np.arange(len(size)), size)
    begin = np.cumsum(size) - size
    pair = begins[level_row[level]] + np.arange(len(level)) - begin[level]
    inside = np.sort(level * sites + site[pair])  # levels are in order: this sorts their columns
    return Levels(
        indptr=np.concatenate(([0], np.cumsum(size))),
        indices=inside % sites,
        weight=_steps(np.asarray(weight, np.float64), level_row, level_credit),
        row=level_row,
        credit=level_credit,
    )


def credited_weight(levels: Levels, is_open: Array) -> float:
    """The weight that the open sites (a mask) are credited with."""
    level = np.repeat(np.arange(len(levels.weight)), np.diff(levels.indptr))
    hit = np.zeros(len(levels.weight), bool)
    hit[level[is_open[levels.indices]]] = True
    return float(np.sum(levels.weight[hit]))


def _pairs(indptr: Array, indices: Array, sites: int) -> Array:
    """One number per pair, row by row."""
    return np.repeat(np.arange(len(indptr) - 1) * sites, np.diff(indptr)) + indices


def _largest(key: Array, value: Array) -> tuple[Array, Array]:
    """Every pair once, with the largest of its values, without those of 0."""
    order = np.lexsort((-value, key))
    key, value = key[order], value[order]
    first = np.append(True, key[1:] != key[:-1])[: len(key)] & (value > 0)
    return key[first], value[first]


def _steps(weight: Array, row: Array, credit: Array) -> Array:
    """Each level's weight; those of a row add up to its weight times its largest credit.

    Products first, differences after: where a row's weight times each credit is whole, so are
    its levels, and a row's rounding is that of its largest product.
    """
    worth = weight[row] * credit
    below = np.append(np.where(row[1:] == row[:-1], worth[1:], 0.0), 0.0)[: len(row)]
    return np.where(credit > 0, worth - below, weight[row])
