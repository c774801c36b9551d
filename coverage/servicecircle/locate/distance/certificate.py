"""Bounds for the distance models that anyone can recompute, with numpy and nothing else.

*Base* are the fixed (existing) and required sites, ``b_i`` the distance of row ``i`` to the
nearest of them (inf without any). The *free* sites are those that may still be opened.

``p_median`` (Hakimi 1964; Lagrangian bound: Cornuéjols, Fisher & Nemhauser 1977). The multiplier
of a row is a distance ``v_i >= 0``, per unit of weight. Opening site ``j`` saves at most
``s_j = Σ w_i·max(0, v_i - d_ij)`` against ``Σ w_i·v_i``, so for any v and any price of money σ

    ``Σ w_i·v_i - Σ_base s_j - σ·purse - the p largest positive s_j - σ·c_j`` (free j)

is a lower bound. With ``min(v_i, b_i)`` in the place of ``v_i`` the base saves nothing, and the
bound is at least as good. A tree proves more: its leaves split the plans by opening (1) and
closing (0) sites, one after the other; opened sites join the base, and the bound is the weakest
leaf's. Many leaves may share a row of multipliers. A leaf with a negative row, ``-1 - k``, says:
its last fixing opens a site that the free site ``k`` dominates (nowhere farther, not dearer).

``p_center`` (Minieka 1970): no plan stays below a radius when covering every row by sites nearer
than it takes more than the sites (or the money) there are. That is an ``lscp`` certificate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from servicecircle.locate import certificate
from servicecircle.locate.certificate import Array, allowance, is_whole, tree_partitions


@dataclass(frozen=True)
class DistanceFacts:
    """What a bound needs of the question: the rows that weigh something, and what may be opened."""

    distance: Array  # demand × site, inf where unreachable
    weight: Array
    cost: Array
    base: Array  # distance of each row to the nearest site that is open anyhow
    free: Array  # sites that may still be chosen
    count: float  # sites left, inf without a limit
    purse: float  # money left, inf without a limit
    whole: bool  # whether the objective can only be a whole number


def facts(
    *,
    distance: Array,
    fixed: Array,
    required: Array,
    forbidden: Array,
    weight: Array | None = None,
    cost: Array | None = None,
    sites: int | None = None,
    budget: float | None = None,
) -> DistanceFacts:
    """The question's numbers, from dense distances and one mask per kind of site.

    Rows without weight are left out.
    """
    weight = np.ones(len(distance)) if weight is None else weight
    rows = weight > 0
    cost = np.zeros(len(fixed)) if cost is None or budget is None else cost
    purse = math.inf if budget is None else allowance(budget) - float(np.sum(cost[required]))
    able = ~forbidden
    near = distance[np.ix_(rows, able)]
    return DistanceFacts(
        distance=distance[rows],
        weight=weight[rows],
        cost=cost,
        base=_nearest(distance[rows], fixed | required),
        free=~(fixed | required | forbidden) & (cost <= purse),
        count=math.inf if sites is None else sites - int(np.sum(required)),
        purse=purse,
        whole=is_whole(weight[rows]) and is_whole(near[np.isfinite(near)]),
    )


def _nearest(distance: Array, sites: Array) -> Array:
    """Distance of each row to the nearest of the sites (a mask or indices), inf without any."""
    return np.asarray(np.min(distance[:, sites], axis=1, initial=math.inf))


def savings(f: DistanceFacts, v: Array) -> Array:
    """Per site, the most that opening it saves against serving row i from the distance v_i."""
    return np.array([f.weight @ np.maximum(0.0, v - f.distance[:, j]) for j in range(len(f.free))])


def leaf_bound(
    f: DistanceFacts,
    v: Array,
    sigma: float = 0.0,
    into: Any = (),
    out: Any = (),
    saved: Array | None = None,
) -> float:
    """The bound over all plans with the sites ``into`` open and ``out`` closed; inf without any.

    ``saved``, the savings for ``v`` itself, makes it quicker and at most weaker: then what the
    sites ``into`` save is taken off, where else ``v`` is cut down to the distance to them.
    """
    into, out = np.asarray(into, np.int64), np.asarray(out, np.int64)
    free = f.free.copy()
    free[into] = free[out] = False
    count, purse = f.count - len(into), f.purse - float(np.sum(f.cost[into]))
    if min(count, purse) < 0:
        return math.inf
    able = free & (f.cost <= purse) if count > 0 else np.zeros(len(free), bool)
    if saved is None:
        v = np.minimum(v, np.minimum(f.base, _nearest(f.distance, into)))
        saved, taken = savings(f, v), 0.0
    else:
        v, taken = np.minimum(v, f.base), float(np.sum(saved[into]))
    worth = (saved - sigma * f.cost)[able]
    top = np.sort(worth[worth > 0])[::-1][: int(min(count, len(worth)))]
    money = sigma * purse if sigma else 0.0
    return float(f.weight @ v - taken - money - np.sum(top))


def dominated(f: DistanceFacts, sites: Array, values: Array, by: int) -> bool:
    """Whether a leaf's last fixing opens a site that the free site ``by`` makes needless."""
    site = sites[-1]
    stands = bool(f.free[by]) and by not in sites and f.cost[by] <= f.cost[site]
    ours, other = (np.minimum(f.distance[:, j], f.base) for j in (site, by))
    return bool(values[-1] == 1 and stands and np.all(other <= ours))


def certified_bound(model: str, **given: Any) -> float:
    """The lower bound that a certificate proves: of `p_median_bound` or `p_center_bound`."""
    return p_median_bound(**given) if model == "p_median" else p_center_bound(**given)


def p_median_bound(
    *,
    multipliers: Array,
    budget_multiplier: float = 0.0,
    leaf_indptr: Array | None = None,
    leaf_site: Array | None = None,
    leaf_value: Array | None = None,
    leaf_row: Array | None = None,
    table_group: Array | None = None,
    table_multipliers: Array | None = None,
    table_budget: Array | None = None,
    **question: Any,
) -> float:
    """The lower bound on Σ weight · distance to the nearest open site.

    ``question`` are the arguments of `facts`; ``multipliers`` (distances, one per demand row)
    carry the bound alone. With leaves: leaf ``i`` fixes ``leaf_site[a:b]`` to
    ``leaf_value[a:b]`` (``a, b = leaf_indptr[i:i + 2]``) with row ``leaf_row[i]`` of the tables;
    the multiplier of demand row ``k`` is ``table_multipliers[row, table_group[k]]``. Raises
    ValueError for multipliers out of range, and for leaves that are no partition.
    """
    question.pop("table_share", None)
    f = facts(**question)
    used = np.ones(len(question["distance"]), bool)
    if question.get("weight") is not None:
        used = question["weight"] > 0
    if leaf_indptr is None:
        _check(multipliers, budget_multiplier)
        return _whole(leaf_bound(f, multipliers[used], budget_multiplier), f.whole)
    assert leaf_site is not None and leaf_value is not None and leaf_row is not None
    assert table_group is not None and table_multipliers is not None and table_budget is not None
    _check(table_multipliers, table_budget)
    if not tree_partitions(f.free, leaf_indptr, leaf_site, leaf_value):
        raise ValueError("the leaves do not split the plans without a gap")
    group = table_group[used]
    saved: dict[int, Array] = {}
    leaves = []
    for leaf, row in enumerate(leaf_row):
        part = slice(leaf_indptr[leaf], leaf_indptr[leaf + 1])
        sites, values = leaf_site[part], leaf_value[part]
        fixings = sites[values == 1], sites[values == 0]
        if row >= 0:
            v, sigma = table_multipliers[row][group], float(table_budget[row])
            if row not in saved:
                saved[row] = savings(f, np.minimum(v, f.base))
            quick = leaf_bound(f, v, sigma, *fixings, saved=saved[row])
            leaves.append((quick, v, sigma, fixings))
        elif not dominated(f, sites, values, int(-1 - row)):
            raise ValueError("a leaf rests on a domination that does not hold")
    return _whole(_weakest(f, leaves), f.whole)


def _weakest(f: DistanceFacts, leaves: list[Any]) -> float:
    """The smallest bound of the leaves, of which as few as possible are bounded the slow way."""
    leaves.sort(key=lambda leaf: leaf[0])
    least = math.inf
    for quick, v, sigma, fixings in leaves:
        if quick >= least:
            break
        least = min(least, max(quick, leaf_bound(f, v, sigma, *fixings)))
    return least


def _check(multipliers: Array, sigma: Any) -> None:
    """Raise ValueError where multipliers leave their range: then the formula proves nothing."""
    numbers = np.asarray(multipliers, float), np.asarray(sigma, float)
    if any(not np.all(np.isfinite(x)) or np.any(x < 0) for x in numbers):
        raise ValueError("multipliers must be finite and not negative")


def _whole(bound: float, whole: bool) -> float:
    """The bound, moved to the next whole number where the objective is one, and never below 0."""
    return certificate.round_bound(max(0.0, bound), "p_median", whole)


def p_center_bound(*, radius: float, **given: Any) -> float:
    """The lower bound on the largest distance to the nearest open site.

    ``radius`` is the claim, `Selection.bound`: nothing below it is possible. ``given`` are the
    arguments of `facts` (weights are not read) and those of `certificate.certified_bound` for
    the covering of every row by sites nearer than ``radius``. Where they do not prove the claim,
    the bound is what the farthest row has to its nearest site. Raises ValueError as there.
    """
    question = center_cover(radius, given)
    needed = certificate.certified_bound("lscp", **question)
    allowed = given["distance"][:, ~question["forbidden"]]
    nearest = float(np.max(np.min(allowed, axis=1, initial=math.inf)))
    above = allowed[allowed >= max(radius, nearest)]
    return float(np.min(above)) if needed > center_limit(given) else nearest


def center_limit(question: dict[str, Any]) -> float:
    """The most sites, or the most money, that a covering may take."""
    budget = question["budget"]
    return float(question["sites"]) if budget is None else allowance(budget)


def center_cover(radius: float, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of an ``lscp`` certificate: every row within less than ``radius``."""
    budget, cost = given["budget"], given["cost"]
    near = given["distance"] < radius
    question = {k: x for k, x in given.items() if k not in ("distance", "weight", "sites")}
    question.pop("budget", None)
    question["cost"] = None if budget is None else cost
    if budget is not None and cost is not None:
        purse = allowance(budget) - float(np.sum(cost[given["required"]]))
        dear = ~(given["fixed"] | given["required"]) & (cost > purse)
        question["forbidden"] = given["forbidden"] | dear
    elif given["sites"] == int(np.sum(given["required"])):  # no other may be opened
        question["forbidden"] = ~(given["fixed"] | given["required"])
    return question | {
        "indptr": np.concatenate(([0], np.cumsum(np.sum(near, axis=1)))),
        "indices": np.nonzero(near)[1],
    }
