"""Bounds that anyone can recompute: the covering certificates, with numpy and nothing else.

A bound here holds for *any* multipliers, so a reader need not trust whoever found them.

Fixed (existing) and required sites are open; *base* is what they cover. Over the other rows and
the free sites (column sums ``s = Bᵀλ``), with forced-in sites of a leaf counted to the base:

- ``mclp`` (Church & ReVelle 1974; Lagrangian bound: Galvão & ReVelle 1996), λ in [0, w], σ >= 0:
  ``covered(base) + Σ(w - λ) + σ·purse + the p largest positive s_j - σ·c_j``.
- ``lscp`` (Toregas et al. 1971), λ >= 0: ``c(required) + Σλ + Σ min(0, c_j - s_j)``.
- ``partial_cover``, λ, μ >= 0, T the weight still to be covered:
  ``c(required) + μT + Σ min(0, λ_i - μ·w_i) + Σ min(0, c_j - s_j)``.

A tree proves more: its leaves split the plans by fixing sites in (1) or out (0), one after the
other, and the bound is the weakest leaf's. Many leaves may share a row of multipliers. A leaf
with a negative row, ``-1 - k``, says: its last fixing opens a site that site ``k`` dominates
(``k`` is still free, covers all it covers, costs no more), so plans without it are as good. A
leaf's path may begin with ``(k, REPEAT)``: the first ``k`` fixings of the leaf before it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

TOLERANCE = 1e-9  # relative slack of budgets, shares and multiplier ranges
REPEAT = 2  # the value of the entry that abridges a path
WHOLE_SLACK = 1e-6  # what rounding to whole numbers forgives; grows with the bound's own rounding

Array = np.ndarray[Any, Any]


def allowance(budget: float) -> float:
    """The most that may be spent under a budget: 1e-9 more than it, for sums of decimals."""
    return budget + TOLERANCE * max(1.0, budget)


def target_weight(weight: Array, share: float) -> float:
    """The covered weight that counts as ``share`` of all: 1e-9 less than it, for sums."""
    return share * float(np.sum(weight)) * (1.0 - TOLERANCE)


def is_whole(numbers: Array) -> bool:
    """Whether every number is whole and their sum is exact in float64."""
    return bool(np.all(numbers == np.rint(numbers)) and np.sum(np.abs(numbers)) < 2**53)


def round_bound(bound: float, model: str, whole: bool) -> float:
    """The bound moved to the next whole number where the objective can only be whole."""
    if not whole or not math.isfinite(bound):
        return bound
    slack = max(WHOLE_SLACK, 1e-12 * abs(bound))
    return float(math.floor(bound + slack) if model == "mclp" else math.ceil(bound - slack))


@dataclass(frozen=True)
class Facts:
    """What a bound needs of the question: open rows × free sites, and what is left to spend."""

    model: str
    indptr: Array  # CSR over all rows, free sites only
    indices: Array
    row_of: Array  # the row of each entry
    weight: Array
    cost: Array
    open: Array  # rows that base does not cover
    free: Array  # sites that may still be chosen
    start: float  # covered(base), or c(required)
    count: float  # sites left, inf without a limit
    purse: float  # money left, inf without a limit
    target: float  # weight still to be covered (partial_cover)


def facts(
    model: str,
    *,
    indptr: Array,
    indices: Array,
    fixed: Array,
    required: Array,
    forbidden: Array,
    weight: Array | None = None,
    cost: Array | None = None,
    sites: int | None = None,
    budget: float | None = None,
    share: float | None = None,
) -> Facts:
    """The question's numbers, from coverage as CSR arrays and one mask per kind of site."""
    weight = np.ones(len(indptr) - 1) if weight is None else weight
    if cost is None or (model == "mclp" and budget is None):
        cost = np.full(len(fixed), 0.0 if model == "mclp" else 1.0)
    row_of = np.repeat(np.arange(len(weight)), np.diff(indptr))
    covered, base = np.zeros(len(weight), bool), fixed | required
    if np.any(base):
        covered[row_of[base[indices]]] = True
    done, spent = float(np.sum(weight[covered])), float(np.sum(cost[required]))
    purse = math.inf if budget is None else allowance(budget) - spent
    free = ~(base | forbidden) & (cost <= purse)
    keep = slice(None) if np.all(free) else free[indices]
    return Facts(
        model=model,
        indptr=np.concatenate(([0], np.cumsum(np.bincount(row_of[keep], minlength=len(weight))))),
        indices=indices[keep],
        row_of=row_of[keep],
        weight=weight,
        cost=cost,
        open=~covered,
        free=free,
        start=done if model == "mclp" else spent,
        count=math.inf if sites is None else sites - int(np.sum(required)),
        purse=purse,
        target=target_weight(weight, share) - done if share is not None else 0.0,
    )


def leaf_bound(
    f: Facts, lam: Array, mu: float = 0.0, sigma: float = 0.0, into: Any = (), out: Any = ()
) -> float:
    """The bound over all plans with the sites ``into`` open and the sites ``out`` closed.

    ``lam`` is one multiplier per row. Without any such plan: -inf (``mclp``), inf (the others).
    No bound is weaker than covering all that is in reach, or than opening nothing more.
    """
    into, out = np.asarray(into, np.int64), np.asarray(out, np.int64)
    chosen, free = np.zeros(len(f.free), bool), f.free.copy()
    chosen[into], free[into], free[out] = True, False, False
    hit = _reached(f, chosen) & f.open
    rest = f.open & ~hit
    score = np.bincount(f.indices, np.where(rest, lam, 0.0)[f.row_of], len(free))
    spent, gained = float(np.sum(f.cost[into])), float(np.sum(f.weight[hit]))
    if f.model == "mclp":
        able = free & (f.cost <= f.purse - spent)
        limits = f.count - len(into), f.purse - spent
        if min(limits) < 0:
            return -math.inf
        most = float(np.sum(f.weight[rest & _reached(f, able)])) if limits[0] > 0 else 0.0
        loose = float(np.sum((f.weight - lam)[rest])) + (sigma * limits[1] if sigma else 0.0)
        value = (score - sigma * f.cost)[able]
        top = np.sort(value[value > 0])[::-1][: int(min(limits[0], len(value)))]
        return f.start + gained + min(most, loose + float(np.sum(top)))
    must, reachable = f.target - gained, rest & _reached(f, free)
    reduced = float(np.sum(np.minimum(0.0, (f.cost - score)[free])))
    if f.model == "lscp":
        unmet = bool(np.any(rest & ~reachable))
        rows = float(np.sum(lam[rest]))
    else:
        unmet = bool(np.sum(f.weight[reachable]) < must)
        rows = mu * must + float(np.sum(np.minimum(0.0, (lam - mu * f.weight)[rest])))
    return math.inf if unmet else f.start + spent + max(0.0, rows + reduced)


def _reached(f: Facts, sites: Array) -> Array:
    """Rows that any of the sites (a mask) covers."""
    hit = np.zeros(len(f.open), bool)
    if np.any(sites):
        hit[f.row_of[sites[f.indices]]] = True
    return hit


def site_rows(f: Facts) -> tuple[Array, Array]:
    """The open rows of every free site, one site after the other: (indptr, rows)."""
    entries = np.flatnonzero(f.open[f.row_of])
    entries = entries[np.argsort(f.indices[entries], kind="stable")]
    size = np.bincount(f.indices[entries], minlength=len(f.free))
    return np.concatenate(([0], np.cumsum(size))), f.row_of[entries]


def dominated(f: Facts, by_site: tuple[Array, Array], sites: Array, values: Array, by: int) -> bool:
    """Whether a leaf's last fixing opens a site that the free site ``by`` makes needless.

    Rows that the path's other open sites cover do not count. For a plan of the leaf, take the
    last site out and ``by`` in: it costs no more, covers no less, and keeps every other fixing of
    the path, as ``by`` is not on it. So it lies on the other side of the leaf's last branching,
    which other leaves bound (there too a domination only leads on, to a longer path).
    """
    site, (indptr, rows) = sites[-1], by_site
    if values[-1] != 1 or not f.free[by] or by in sites or f.cost[by] > f.cost[site]:
        return False
    ours, theirs = (rows[indptr[j] : indptr[j + 1]] for j in (site, by))
    missed = ours[~np.isin(ours, theirs)]
    opened = sites[:-1][values[:-1] == 1] if len(missed) else sites[:0]
    hit = [rows[indptr[j] : indptr[j + 1]] for j in opened]
    return bool(np.all(np.isin(missed, np.concatenate([missed[:0], *hit]))))


def tree_paths(indptr: Array, site: Array, value: Array) -> Iterator[tuple[Array, Array]]:
    """Sites and values of every leaf, abridged paths written out; ValueError where they are not.

    A path is good until the next one is taken.
    """
    sites = values = np.zeros(0, np.int64)
    for start, end in pairwise(indptr):
        more, side, again = site[start:end], value[start:end], 0
        if len(more) and side[0] == REPEAT:
            more, side, again = more[1:], side[1:], int(more[0])
        if not 0 <= again <= len(sites):
            raise ValueError("a leaf repeats more of the path before it than there is")
        sites = np.concatenate([sites[:again], more])
        values = np.concatenate([values[:again], side])
        yield sites, values


def tree_partitions(
    free: Array, indptr: Array, site: Array, value: Array, *, abridged: bool = False
) -> bool:
    """Whether the leaves split all plans: each branching has both sides, on one free site.

    ``abridged`` paths may begin with `REPEAT`; else a path is taken as it stands.
    """
    tree: list[dict[int, int]] = [{}]  # per node: value → child, and under -1 its site
    nodes, path = [0], list[int]()  # the leaf before: its nodes, and its sites
    used, ends = set[int](), set[int]()  # the sites of the path, the nodes that are leaves
    for start, end in pairwise(indptr):
        fixings = np.column_stack([site[start:end], value[start:end]]).tolist()
        again = 0
        if abridged and fixings and fixings[0][1] == REPEAT:
            again = fixings.pop(0)[0]
        if not 0 <= again <= len(path):
            return False
        used.difference_update(path[again:])
        del nodes[again + 1 :], path[again:]
        for at, side in fixings:
            node = tree[nodes[-1]]
            if side not in (0, 1) or at < 0 or not free[at] or at in used:
                return False
            if node.setdefault(-1, at) != at:
                return False
            if side not in node:
                node[side] = len(tree)
                tree.append({})
            nodes.append(node[side])
            path.append(at)
            used.add(at)
        if nodes[-1] in ends:
            return False
        ends.add(nodes[-1])
    return all(len(node) == (0 if i in ends else 3) for i, node in enumerate(tree))


def merge_rows(f: Facts, group: Array, groups: int) -> Facts:
    """The same facts with one row per group; raises ValueError unless that is exact.

    Rows of a group must be covered by the same free sites. Rows in no group (-1) must be in the
    base or weigh nothing; in ``lscp`` any row may be left out, as that only weakens the bound.
    """
    rows = np.flatnonzero(group >= 0)
    first = np.full(groups, -1)
    first[group[rows][::-1]] = rows[::-1]
    left = (group < 0) & f.open & (f.weight > 0)
    same = np.diff(f.indptr)[rows], np.diff(f.indptr)[first[group[rows]]]
    alike = np.all(first >= 0) and np.array_equal(*same)
    alike = alike and np.array_equal(f.open[rows], f.open[first[group[rows]]])
    if alike:
        mine, model = _entries(f.indptr, rows), _entries(f.indptr, first[group[rows]])
        alike = np.array_equal(f.indices[mine], f.indices[model])
    if not alike or (f.model != "lscp" and np.any(left)):
        raise ValueError("the certificate merges rows that are not alike, or leaves rows out")
    kept = _entries(f.indptr, first)
    size = np.diff(f.indptr)[first]
    return Facts(
        **{
            **vars(f),
            "indptr": np.concatenate(([0], np.cumsum(size))),
            "indices": f.indices[kept],
            "row_of": np.repeat(np.arange(groups), size),
            "weight": np.bincount(group[rows], f.weight[rows], groups),
            "open": f.open[first],
        }
    )


def _entries(indptr: Array, rows: Array) -> Array:
    """Positions of the entries of ``rows``, one row after the other."""
    size = np.diff(indptr)[rows]
    return np.repeat(indptr[rows] - (np.cumsum(size) - size), size) + np.arange(np.sum(size))


def check_multipliers(f: Facts, lam: Array, mu: Any, sigma: Any) -> None:
    """Raise ValueError where multipliers leave their range: then the formula proves nothing."""
    numbers = [np.asarray(x, float) for x in (lam, mu, sigma)]
    if any(not np.all(np.isfinite(x)) or np.any(x < 0) for x in numbers):
        raise ValueError("multipliers must be finite and not negative")
    if f.model == "mclp" and np.any((lam > f.weight * (1 + TOLERANCE)) & f.open):
        raise ValueError("a multiplier is larger than the weight of its row")


def certified_bound(
    model: str,
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
    **question: Any,
) -> float:
    """The bound that a certificate proves: an upper one for ``mclp``, else a lower one.

    ``question`` are the arguments of `facts`. Without leaves, ``multipliers`` (one per demand
    row) carry it alone. With leaves: leaf ``i`` fixes ``leaf_site[a:b]`` to ``leaf_value[a:b]``
    (``a, b = leaf_indptr[i:i + 2]``; see `tree_paths`) and uses row ``leaf_row[i]`` of the tables,
    where ``table_multipliers`` is (rows × groups) and ``table_group`` names each row's group.
    Raises ValueError for multipliers out of range, and for leaves that are no partition.
    """
    f = facts(model, **question)
    able = ~(question["fixed"] | question["forbidden"])
    whole = is_whole(f.weight if model == "mclp" else f.cost[able])
    if leaf_indptr is None:
        check_multipliers(f, multipliers, share_multiplier, budget_multiplier)
        bound = leaf_bound(f, multipliers, share_multiplier, budget_multiplier)
        return round_bound(bound, model, whole)
    assert leaf_site is not None and leaf_value is not None and leaf_row is not None
    assert table_group is not None and table_multipliers is not None
    assert table_share is not None and table_budget is not None
    if not tree_partitions(f.free, leaf_indptr, leaf_site, leaf_value, abridged=True):
        raise ValueError("the leaves do not split the plans without a gap")
    f = merge_rows(f, table_group, table_multipliers.shape[1])
    check_multipliers(f, table_multipliers, table_share, table_budget)
    bounds, by_site = [], site_rows(f)
    paths = tree_paths(leaf_indptr, leaf_site, leaf_value)
    for row, (sites, values) in zip(leaf_row, paths, strict=True):
        if row >= 0:
            tables = table_multipliers[row], float(table_share[row]), float(table_budget[row])
            bounds.append(leaf_bound(f, *tables, sites[values == 1], sites[values == 0]))
        elif not dominated(f, by_site, sites, values, int(-1 - row)):
            raise ValueError("a leaf rests on a domination that does not hold")
    return round_bound(max(bounds) if model == "mclp" else min(bounds), model, whole)
