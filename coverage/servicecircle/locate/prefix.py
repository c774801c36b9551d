"""What is decided before branching, as the first part of every path of the tree.

Each decision is a branching of its own: the side that is taken goes on, the other side is a leaf
that the root's multipliers (or a dominating site) show to hold nothing better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from servicecircle.locate.bounds import Multipliers
from servicecircle.locate.certificate import round_bound
from servicecircle.locate.core import Core, Floats, Ints
from servicecircle.locate.selection import Leaves
from servicecircle.locate.tree import Node

ROOT = 0  # the row of the root's multipliers in the tables


@dataclass(eq=False)
class Prefix:
    """Decided sites of a core, in order, with their values and the rows of the other sides."""

    core: Core
    sites: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)  # ROOT, or -1 - k: dominated by the core's k

    @classmethod
    def of(cls, core: Core, dominated: list[tuple[int, int]]) -> Prefix:
        """The prefix that closes all dominated sites, given as pairs (site, by)."""
        prefix = cls(core)
        for site, by in dominated:
            prefix.fix(site, 0, -1 - by)
        return prefix

    def fix(self, site: int, value: int, row: int = ROOT) -> None:
        """Decide a site, unless it is decided already."""
        if site not in self.sites:
            self.sites.append(site)
            self.values.append(value)
            self.rows.append(row)

    def fixings(self) -> tuple[Ints, Ints]:
        """The sites that are open, and those that are closed."""
        sites, values = np.array(self.sites, np.int64), np.array(self.values, np.int64)
        return sites[values == 1], sites[values == 0]


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
    """The whole tree on the question's own sites and rows; ``nodes`` are on the inner core."""
    site, value, row = _paths(prefix, inner, nodes)
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
        indptr=np.cumsum([0, *map(len, site)]).astype(np.int64),
        site=prefix.core.sites[np.concatenate(site)].astype(np.int64),
        value=np.concatenate(value).astype(np.int8),
        row=np.array(row, np.int64),
        group=group,
        multipliers=multipliers,
        share=share,
        budget=np.array([sigma for _, _, sigma in table]),
    )


def _paths(
    prefix: Prefix, inner: Core, nodes: list[Node]
) -> tuple[list[Ints], list[Ints], list[int]]:
    """Sites and values of every leaf, and the rows of those that end within the prefix."""
    sites, values = np.array(prefix.sites, np.int64), np.array(prefix.values, np.int64)
    path_sites, path_values, row = [], [], []
    for i, by in enumerate(prefix.rows):
        path_sites.append(sites[: i + 1])
        path_values.append(np.append(values[:i], 1 - values[i]))
        row.append(by if by >= 0 else -1 - int(prefix.core.sites[-1 - by]))
    for node in nodes:
        more = np.array(node.path, np.int64).reshape(-1, 2)
        path_sites.append(np.concatenate([sites, inner.sites[more[:, 0]]]))
        path_values.append(np.concatenate([values, more[:, 1]]))
    return path_sites, path_values, row


def _groups(core: Core) -> tuple[Ints, float | None]:
    """Each demand row's group, with one more for weight that nobody can cover, and its weight."""
    group, lost = core.group.copy(), core.group == -2
    if core.facts.model == "lscp" or not lost.any():
        return np.maximum(group, -1), None
    group[lost] = core.shape[0]
    return group, float(core.parent_weight[lost].sum())
