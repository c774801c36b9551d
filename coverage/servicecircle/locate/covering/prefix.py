"""What is decided before branching, as the first part of every path of the tree.

Each decision is a branching of its own: the side that is taken goes on, the other side is a leaf
that the root's multipliers (or a dominating site) show to hold nothing better.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from servicecircle.locate.certificate import REPEAT, Facts, leaf_bound, round_bound
from servicecircle.locate.covering.bounds import Multipliers
from servicecircle.locate.covering.core import Core, Floats, Ints, dominated_sites, make_core
from servicecircle.locate.covering.reduction import reduce_cover
from servicecircle.locate.covering.tree import Node
from servicecircle.locate.selection import Forced, Leaves

ROOT = 0  # the row of the root's multipliers in the tables


@dataclass(eq=False)
class Prefix:
    """Decided sites of a core, in order, with their values and the rows of the other sides."""

    core: Core
    sites: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # ROOT, or -1 - k: dominated by the core's k
    decided: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, core: Core, dominated: list[tuple[int, int]]) -> Prefix:
        """The prefix that closes all dominated sites, given as pairs (site, by)."""
        prefix = cls(core)
        for site, by in dominated:
            prefix.fix(site, 0, -1 - by)
        return prefix

    def fix(self, site: int, value: int, row: int = ROOT) -> None:
        """Decide a site, unless it is decided already."""
        if site not in self.decided:
            self.decided.add(site)
            self.sites.append(site)
            self.values.append(value)
            self.rows.append(row)

    def fixings(self) -> tuple[Ints, Ints]:
        """The sites that are open, and those that are closed."""
        sites, values = np.array(self.sites, np.int64), np.array(self.values, np.int64)
        return sites[values == 1], sites[values == 0]


@dataclass(frozen=True, eq=False)
class Reductions:
    """A question after its reductions: what they decided, and the core that is left.

    ``prefix.core`` holds the rows that carry the proof and all sites; ``rest`` is what the
    prefix leaves of it, its sites counted there. ``rows`` are the rows of ``prefix.core`` that
    forced the sites ``sites``, for the reasons ``forced`` (on the question's own indices).
    """

    prefix: Prefix
    rest: Core
    sites: Ints
    rows: Ints
    forced: tuple[Forced, ...]

    def whole_plan(self, plan: Ints) -> Ints:
        """A plan of the rest as a plan of the prefix's core."""
        return np.concatenate([self.sites, self.rest.sites[plan]])

    def lift(self, found: Multipliers) -> Multipliers:
        """Multipliers of the rest for the prefix's core; the same bound (see `reduction`)."""
        core, rest = self.prefix.core, self.rest
        y = np.zeros(core.shape[1])
        y[self.sites], y[rest.sites] = 1.0, found.y
        lam = rest.lift(unpaid(rest, found.lam), found.mu)
        lam[self.rows] = core.facts.cost[self.sites]
        bound = leaf_bound(core.facts, lam, found.mu, found.sigma)
        return Multipliers(lam, found.mu, found.sigma, bound, y)


def unpaid(core: Core, lam: Floats) -> Floats:
    """Multipliers that pay no site more than it costs, with the same bound or a better one.

    What is taken from the rows of a site is at most what it was paid too much.
    """
    score, lam = np.asarray(core.columns.T @ lam), lam.copy()
    for j in np.flatnonzero(score > core.facts.cost):
        rows = core.columns.indices[core.columns.indptr[j] : core.columns.indptr[j + 1]]
        total = float(lam[rows].sum())
        if total > core.facts.cost[j]:
            lam[rows] *= core.facts.cost[j] / total
    return lam


def reductions(facts: Facts, over: Callable[[], bool]) -> Reductions:
    """The reductions of a question that minimises cost (``lscp``, ``partial_cover``)."""
    core = make_core(facts)
    if facts.model != "lscp":
        prefix = Prefix.of(core, dominated_sites(core))
        nothing = np.zeros(0, np.int64)
        rest = make_core(core.facts, *prefix.fixings())
        return Reductions(prefix, rest, nothing, nothing, ())
    found = reduce_cover(core.rows, core.facts.cost, over)
    rows = np.array([row for _, row in found.forced], np.int64)
    forced = tuple(_reason(facts, core, site, row) for site, row in found.forced)
    core = core.only(found.rows)
    prefix = Prefix.of(core, found.closed)
    for site, _ in found.forced:
        prefix.fix(site, 1)
    rest = make_core(core.facts, *prefix.fixings())
    return Reductions(prefix, rest, prefix.fixings()[0], np.searchsorted(found.rows, rows), forced)


def _reason(facts: Facts, core: Core, site: int, row: int) -> Forced:
    """Why a site is forced, on the question's own indices."""
    demand, station = int(core.first[row]), int(core.sites[site])
    others = facts.indices[facts.indptr[demand] : facts.indptr[demand + 1]]
    return Forced(station, demand, tuple(int(j) for j in others if j != station))


def reduced_cost_fixings(
    core: Core, root: Multipliers, best: float, whole: bool
) -> list[tuple[int, int]]:
    """(site, value) wherever the other value cannot lead to a plan better than ``best``."""
    f, lam, mu, sigma = core.facts, root.lam, root.mu, root.sigma
    score = np.asarray(core.columns.T @ lam)
    # the plain formula: `root.bound` may be tighter, but does not move with a site
    if f.model != "mclp":
        reduced = f.cost - score
        rows = lam if f.model == "lscp" else np.minimum(0.0, lam - mu * f.weight)
        target = mu * f.target if f.model == "partial_cover" else 0.0
        bound = f.start + float(rows.sum() + np.minimum(0.0, reduced).sum()) + target
        other, value = bound + np.abs(reduced), (reduced < 0).astype(int)
    else:
        worth = score - sigma * f.cost
        top = _top(worth, f.count)
        money = sigma * f.purse if f.purse < math.inf else 0.0
        bound = f.start + float((f.weight - lam).sum() + worth[top].sum()) + money
        other, value = bound - _change(worth, f.count), top.astype(int)
    rounded = np.array([round_bound(float(b), f.model, whole) for b in other])
    done = rounded <= best if f.model == "mclp" else rounded >= best
    return [(int(j), int(value[j])) for j in np.flatnonzero(done)]


def _top(worth: Floats, count: float) -> np.ndarray:
    """The sites that the bound counts: positive, and among the ``count`` largest."""
    top = np.zeros(len(worth), bool)
    top[np.argsort(-worth, kind="stable")[: int(min(count, len(worth)))]] = True
    return top & (worth > 0)


def _change(worth: Floats, count: float) -> Floats:
    """How much the bound falls when each site is forced to the other side."""
    ranked = np.append(np.sort(worth)[::-1], 0.0)
    limit = int(min(count, len(worth)))
    last = max(0.0, ranked[limit - 1]) if count < math.inf else 0.0
    following = max(0.0, ranked[limit]) if count < math.inf else 0.0
    change = np.where(_top(worth, count), worth - following, last - worth)
    return np.asarray(np.maximum(change, 0.0))


def leaves_of(prefix: Prefix, root: Multipliers, inner: Core, nodes: list[Node]) -> Leaves:
    """The whole tree on the question's own sites and rows.

    ``root`` are multipliers of the prefix's core, ``nodes`` are on the inner core, which is what
    the prefix leaves of it.
    """
    nodes = sorted(nodes, key=lambda node: node.path)
    indptr, site, value = _paths(prefix, inner, nodes)
    row = [by if by >= 0 else -1 - int(prefix.core.sites[-1 - by]) for by in prefix.rows]
    proofs = {id(node.proof): node.proof for node in nodes}
    number = {key: 1 + i for i, key in enumerate(proofs)}
    row += [number[id(node.proof)] for node in nodes]
    table = [(root.lam, root.mu, root.sigma)]
    table += [(inner.lift(m.lam, m.mu), m.mu, m.sigma) for m in proofs.values()]
    group, lost = _groups(prefix.core)
    share = np.array([mu for _, mu, _ in table])
    multipliers = np.array([lam for lam, _, _ in table])
    if lost is not None:
        partial = prefix.core.facts.model == "partial_cover"
        multipliers = np.column_stack([multipliers, lost * (share if partial else 1 + 0 * share)])
    return Leaves(
        indptr=indptr,
        site=site,
        value=value,
        row=np.array(row, np.int64),
        group=group,
        multipliers=multipliers,
        share=share,
        budget=np.array([sigma for _, _, sigma in table]),
    )


def _paths(prefix: Prefix, inner: Core, nodes: list[Node]) -> tuple[Ints, Ints, Any]:
    """Every leaf's path: indptr, sites, values; what the leaf before it begins with is abridged.

    Written out, the other sides of ``n`` decisions alone would take ``n² / 2`` entries.
    """
    own = prefix.core.sites
    steps = [(int(own[j]), v) for j, v in zip(prefix.sites, prefix.values, strict=True)]
    paths: list[list[tuple[int, int]]] = []
    for i, (site, value) in enumerate(steps):  # the leaf before took the other side one step ago
        again = [(i - 1, REPEAT), steps[i - 1]] if i > 1 else steps[:i]
        paths.append([*again, (site, 1 - value)])
    before: list[tuple[int, int]] | None = None
    for node in nodes:
        more = [(int(own[inner.sites[j]]), v) for j, v in node.path]
        if before is None:
            again = [(len(steps) - 1, REPEAT), steps[-1]] if len(steps) > 1 else steps
            paths.append([*again, *more])
        else:
            same = next(i for i, (a, b) in enumerate(zip(before, more, strict=False)) if a != b)
            paths.append([(len(steps) + same, REPEAT), *more[same:]])
        before = more
    flat = np.array([step for path in paths for step in path], np.int64).reshape(-1, 2)
    indptr = np.cumsum([0, *map(len, paths)]).astype(np.int64)
    return indptr, flat[:, 0].copy(), flat[:, 1].astype(np.int8)


def _groups(core: Core) -> tuple[Ints, float | None]:
    """Each demand row's group, with one more for weight that nobody can cover, and its weight."""
    group, lost = core.group.copy(), core.group == -2
    if core.facts.model == "lscp" or not lost.any():
        return np.maximum(group, -1), None
    group[lost] = core.shape[0]
    return group, float(core.parent_weight[lost].sum())
