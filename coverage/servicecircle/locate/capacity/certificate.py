"""Bounds and flows of the capacitated covering problem, checkable with numpy and nothing else.

Capacitated MCLP (Current & Storbeck 1988; Pirkul & Schilling 1991): open sites serve the rows
they cover, at most their capacity each; the objective is the most weight that can be served, and
a row may be split among sites. For *any* multipliers λ in [0, w], one per row (λ_i / w_i is what
a unit of row i is worth to a site), no plan serves more than

    ``Σ(w - λ) + Σ_open v_j(λ) + σ·purse + the p largest positive v_j(λ) - σ·c_j of the others``

where ``v_j(λ)`` is the continuous knapsack of site j: its rows by falling λ_i / w_i, filled up to
the capacity. Proof: a plan's flow x earns ``Σ x_ij = Σ x_ij·(1 - λ_i/w_i) + Σ x_ij·λ_i/w_i``; the
first sum is at most ``Σ(w - λ)``, as no row takes more than its weight, and the second at most
the knapsacks of its open sites. Without capacities it is the bound of `certificate`. Leaves of a
tree are bounds with some sites fixed in or out, as there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from servicecircle.locate.certificate import (
    TOLERANCE,
    Facts,
    allowance,
    is_whole,
    merge_rows,
    round_bound,
    tree_partitions,
)
from servicecircle.locate.certificate import certified_bound as plain_bound

Array = np.ndarray[Any, Any]

#: the arguments of `capacity_facts` that are not the capacity
QUESTION = (
    "indptr", "indices", "weight", "fixed", "required", "forbidden",
    "cost", "sites", "budget", "share",
)  # fmt: skip


@dataclass(frozen=True)
class CapacityFacts:
    """Rows × sites that are open or may be opened (CSR), and what is left to spend."""

    indptr: Array
    indices: Array
    row_of: Array  # the row of each entry
    weight: Array
    capacity: Array
    cost: Array
    base: Array  # sites that are open: fixed and required ones
    free: Array  # sites that may be opened
    count: float  # sites left, inf without a limit
    purse: float  # money left, inf without a limit


def capacity_facts(
    *,
    indptr: Array,
    indices: Array,
    weight: Array,
    capacity: Array,
    fixed: Array,
    required: Array,
    forbidden: Array,
    cost: Array | None = None,
    sites: int | None = None,
    budget: float | None = None,
    share: None = None,
) -> CapacityFacts:
    """The question's numbers; ``share`` is not used, as in every ``mclp``."""
    cost = np.zeros(len(fixed)) if cost is None or budget is None else cost
    purse = math.inf if budget is None else allowance(budget) - float(np.sum(cost[required]))
    base = fixed | required
    free = ~(base | forbidden) & (cost <= purse)
    row_of = np.repeat(np.arange(len(weight)), np.diff(indptr))
    keep = (base | free)[indices]
    size = np.bincount(row_of[keep], minlength=len(weight))
    return CapacityFacts(
        indptr=np.concatenate(([0], np.cumsum(size))),
        indices=indices[keep],
        row_of=row_of[keep],
        weight=weight,
        capacity=capacity,
        cost=cost,
        base=base,
        free=free,
        count=math.inf if sites is None else sites - int(np.sum(required)),
        purse=purse,
    )


def capacities_bind(**question: Any) -> bool:
    """Whether any site's capacity is less than the weight it covers; if not, they do not matter.

    ``question`` are the arguments of `capacity_facts`.
    """
    f = capacity_facts(**question)
    load = np.bincount(f.indices, f.weight[f.row_of], len(f.capacity))
    return bool(np.any((load > f.capacity) & (f.base | f.free)))


def knapsacks(f: CapacityFacts, lam: Array) -> Array:
    """``v_j(λ)`` of every site."""
    row, site = f.row_of, f.indices
    worth = np.divide(lam, f.weight, out=np.zeros(len(lam)), where=f.weight > 0)
    order = np.lexsort((-worth[row], site))
    row, site = row[order], site[order]
    size = f.weight[row]
    ends = np.cumsum(size)
    first = np.searchsorted(site, np.arange(len(f.capacity)))
    begin = np.append(0.0, ends)[first]  # filled before each site's first row
    room = f.capacity[site] - (ends - size - begin[site])
    return np.bincount(site, np.clip(room, 0.0, size) * worth[row], len(f.capacity))


def leaf_bound(
    f: CapacityFacts, lam: Array, sigma: float, value: Array, into: Any = (), out: Any = ()
) -> float:
    """The bound over all plans with ``into`` open and ``out`` closed; ``value`` = `knapsacks`.

    -inf where there is no such plan.
    """
    into, out = np.asarray(into, np.int64), np.asarray(out, np.int64)
    free = f.free.copy()
    free[into], free[out] = False, False
    purse, count = f.purse - float(np.sum(f.cost[into])), f.count - len(into)
    if min(purse, count) < 0:
        return -math.inf
    able = free & (f.cost <= purse)
    extra = (value - sigma * f.cost)[able]
    top = np.sort(extra[extra > 0])[::-1][: int(min(count, len(extra)))]
    money = sigma * purse if sigma else 0.0
    sure = float(np.sum(value[f.base]) + np.sum(value[into]))
    return float(np.sum(f.weight - lam)) + sure + money + float(np.sum(top))


def certified_bound(*, capacity: Array, **given: Any) -> float:
    """The served weight that no plan can pass, as the certificate proves it.

    ``given`` are the arguments of `certificate.certified_bound` without its model (of a tree,
    ``table_share`` is not used). Where no capacity binds, it is that very bound. Raises
    ValueError for multipliers out of range, and for leaves that are no partition.
    """
    question = {name: given[name] for name in QUESTION if name in given}
    if not capacities_bind(capacity=capacity, **question):
        return plain_bound("mclp", **given)
    proof = {name: value for name, value in given.items() if name not in QUESTION}
    return _bound(capacity_facts(capacity=capacity, **question), **proof)


def _bound(
    f: CapacityFacts,
    *,
    multipliers: Array,
    share_multiplier: float = 0.0,
    budget_multiplier: float = 0.0,
    leaf_indptr: Array | None = None,
    leaf_site: Array | None = None,
    leaf_value: Array | None = None,
    leaf_row: Array | None = None,
    table_group: Array | None = None,
    table_multipliers: Array | None = None,
    table_share: Array | None = None,
    table_budget: Array | None = None,
) -> float:
    finite = f.capacity[np.isfinite(f.capacity)]
    whole = is_whole(f.weight) and is_whole(finite)
    if leaf_indptr is None:
        _check_multipliers(f, multipliers, budget_multiplier)
        bound = leaf_bound(f, multipliers, budget_multiplier, knapsacks(f, multipliers))
        return round_bound(bound, "mclp", whole)
    assert leaf_site is not None and leaf_value is not None and leaf_row is not None
    assert table_group is not None and table_multipliers is not None and table_budget is not None
    if not tree_partitions(f.free, leaf_indptr, leaf_site, leaf_value):
        raise ValueError("the leaves do not split the plans without a gap")
    f = _merged(f, table_group, table_multipliers.shape[1])
    _check_multipliers(f, table_multipliers, table_budget)
    if np.any(leaf_row < 0) or np.any(leaf_row >= len(table_multipliers)):
        raise ValueError("a leaf names multipliers that are not there")
    bounds = []
    values = {int(row): knapsacks(f, table_multipliers[row]) for row in np.unique(leaf_row)}
    for leaf, row in enumerate(leaf_row):
        part = slice(leaf_indptr[leaf], leaf_indptr[leaf + 1])
        sites, side = leaf_site[part], leaf_value[part]
        proof = table_multipliers[row], float(table_budget[row]), values[int(row)]
        bounds.append(leaf_bound(f, *proof, sites[side == 1], sites[side == 0]))
    return round_bound(max(bounds), "mclp", whole)


def served_weight(
    flow: Array, *, indptr: Array, indices: Array, weight: Array, capacity: Array, is_open: Array
) -> float:
    """The weight that a flow (one number per covering pair) serves.

    Raises ValueError where it is no flow: negative, from a closed site, more than a row's weight
    or a site's capacity (by more than 1e-9 of it).
    """
    if flow.shape != indices.shape or not np.all(np.isfinite(flow)) or np.any(flow < 0):
        raise ValueError("the flow must be one number from 0 up per covering pair")
    if np.any(flow[~is_open[indices]] > 0):
        raise ValueError("a closed site serves")
    row_of = np.repeat(np.arange(len(weight)), np.diff(indptr))
    taken, given = np.bincount(row_of, flow, len(weight)), np.bincount(indices, flow, len(is_open))
    for done, most, what in ((taken, weight, "row"), (given, capacity, "site")):
        if np.any(done > most * (1 + TOLERANCE)):
            raise ValueError(f"a {what} serves or takes more than it may")
    return float(np.sum(flow))


def _check_multipliers(f: CapacityFacts, lam: Array, sigma: Any) -> None:
    """Raise ValueError where multipliers leave their range: then the formula proves nothing."""
    numbers = np.asarray(lam, float), np.asarray(sigma, float)
    if any(not np.all(np.isfinite(x)) or np.any(x < 0) for x in numbers):
        raise ValueError("multipliers must be finite and not negative")
    if lam.shape[-1] != len(f.weight) or np.any(lam > f.weight * (1 + TOLERANCE)):
        raise ValueError("a multiplier is larger than the weight of its row")


def _merged(f: CapacityFacts, group: Array, groups: int) -> CapacityFacts:
    """One row per group of rows that the same sites cover; ValueError unless that is exact."""
    plain = Facts(
        model="mclp",
        indptr=f.indptr,
        indices=f.indices,
        row_of=f.row_of,
        weight=f.weight,
        cost=f.cost,
        open=np.ones(len(f.weight), bool),
        free=f.base | f.free,
        start=0.0,
        count=f.count,
        purse=f.purse,
        target=0.0,
    )
    m = merge_rows(plain, group, groups)
    return replace(f, indptr=m.indptr, indices=m.indices, row_of=m.row_of, weight=m.weight)
