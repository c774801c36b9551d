"""Branch and bound over the sites of a p-median core, best bound first; its leaves are the proof.

What is decided before branching is the first part of every path: each decision is a branching of
its own, whose other side the root's multipliers (or a dominating site) show to hold nothing
better. The nodes still open when a tree is stopped are leaves as well.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit

from servicecircle.locate.distance.certificate import DistanceFacts
from servicecircle.locate.distance.median_bound import Price, Volume
from servicecircle.locate.distance.median_core import Floats, Ints, MedianCore
from servicecircle.locate.selection import Leaves
from servicecircle.locate.watch import Watch

TABLE_NUMBERS = 30_000_000  # multipliers that a tree may hold, 240 MB
PROBES = 6  # sites that are tried on both sides at a node, at most
PROBE_STEPS, NODE_STEPS = 30, 600  # of the volume algorithm, for a try and for a node
ROOT = 0  # the row of the root's multipliers in the tables
Path = tuple[tuple[int, int], ...]


@dataclass(order=True)
class Node:
    """A part of all plans: ``key`` is its bound, ``path`` its fixings."""

    key: float
    number: int
    path: Path = field(compare=False)
    price: Price = field(compare=False, repr=False)
    y: Floats = field(compare=False, repr=False)
    free: Ints = field(compare=False, repr=False)


def fixings(path: Path) -> tuple[Ints, Ints]:
    """The sites that are open on a path, and those that are closed."""
    pairs = np.array(path, np.int64).reshape(-1, 2)
    return pairs[pairs[:, 1] == 1, 0], pairs[pairs[:, 1] == 0, 0]


class Tree:
    """A search over one core; ``offer`` is handed fractional plans, returns what to stay below."""

    def __init__(
        self,
        core: MedianCore,
        root: Price,
        *,
        rounded: Callable[[float], float],
        offer: Callable[[Floats, Ints], float],
        report: Callable[[float], None],
    ) -> None:
        self.core, self.rounded, self.offer, self.report = core, rounded, offer, report
        self.far = Price(core.top, 0.0, 0.0, root.y)  # for parts in which nothing is left to choose
        none = np.zeros(0, np.int64)
        self.goal, self.count = offer(root.y, none), 1
        free = np.arange(core.shape[1])
        self.open = [Node(rounded(root.bound), 0, (), root, root.y, free)]
        self.done: list[Node] = []

    @property
    def key(self) -> float:
        """The value that no plan is below."""
        top = self.open[0].key if self.open else math.inf
        return min([top, *(node.key for node in self.done[:1])], default=math.inf)

    def run(self, watch: Watch, limit: int, enough: Callable[[float], bool]) -> None:
        """Search until all parts are bounded, out of time, or at the end of nodes or memory."""
        while self.open and self.count < limit and not watch.over():
            stored = (len(self.done) + len(self.open)) * self.core.shape[0]
            if stored > TABLE_NUMBERS or enough(self.key):
                return
            node = heapq.heappop(self.open)
            children = [] if node.key >= self.goal else self.branch(node, watch)
            if not children:
                self.close(node)
            for child in children:
                if child.key >= self.goal:
                    self.close(child)
                else:
                    heapq.heappush(self.open, child)
            if node.key < self.goal and not children:
                return  # out of time, or nothing free: the node stays as it is
            self.report(self.key)

    def close(self, node: Node) -> None:
        """Make a node a leaf; the weakest is kept first."""
        self.done.append(node)
        if node.key < self.done[0].key:
            self.done[0], self.done[-1] = self.done[-1], self.done[0]

    def branch(self, node: Node, watch: Watch) -> list[Node]:
        """Split a node at the site that helps most; nothing where time ran out."""
        self.goal = min(self.goal, self.offer(node.y, fixings(node.path)[0]))
        if node.key >= self.goal:
            return []
        best: list[tuple[Node, Volume | None]] = []
        score = -1.0
        for site in self._candidates(node):
            if watch.over():
                break
            pair = [self._child(node, site, value, watch) for value in (1, 0)]
            low, high = sorted(min(child.key, self.goal) - node.key for child, _ in pair)
            if low + 0.1 * high > score:
                best, score = pair, low + 0.1 * high
            if any(child.key >= self.goal for child, _ in pair):
                break
        for child, volume in best:
            if volume is not None and child.key < self.goal:
                self._improve(child, volume, watch)
        return [child for child, _ in best]

    def _candidates(self, node: Node) -> Ints:
        """Sites worth branching on, the most undecided first."""
        y = node.y[node.free]
        undecided = np.minimum(y, 1 - y)
        order = np.lexsort((-y, -undecided))
        tries = int(np.clip(np.sum(undecided > 0.02), 1, PROBES))
        return np.asarray(node.free[order[:tries]])

    def _child(self, node: Node, site: int, value: int, watch: Watch) -> tuple[Node, Volume | None]:
        """One side of a branching, bounded by its parent's multipliers or by better ones."""
        path = (*node.path, (int(site), value))
        into, out = fixings(path)
        volume = Volume(self.core, node.price.v, into, out)
        free = np.flatnonzero(~volume.closed)
        price = Price(node.price.v, volume.sigma, volume.bound, node.y)
        child = Node(self.rounded(volume.bound), self.count, path, price, node.y, free)
        self.count += 1
        if volume.settled:
            child.price = self.far
            y = np.zeros(self.core.shape[1])
            if volume.possible:
                self.goal = min(self.goal, self.offer(y, into))
            return child, None
        if child.key >= self.goal:
            return child, None
        volume.run(PROBE_STEPS, 1.002 * self.goal, self.goal, watch)
        self._take(child, volume)
        return child, volume

    def _take(self, child: Node, volume: Volume) -> None:
        price = volume.price()
        child.y = price.y
        if self.rounded(price.bound) >= child.key:
            child.key, child.price = self.rounded(price.bound), price

    def _improve(self, child: Node, volume: Volume, watch: Watch) -> None:
        """More steps, as long as they bring the bound nearer to what has to be reached."""
        for _ in range(NODE_STEPS // 50):
            before = volume.bound
            going = volume.run(50, 1.002 * self.goal, self.goal, watch)
            if not going or volume.bound - before < 0.03 * (self.goal - before):
                break
        self._take(child, volume)


@dataclass(eq=False)
class Prefix:
    """Decided sites of a core, in order: (site, value, row of the other side's bound)."""

    core: MedianCore
    decided: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fix(self, site: int, value: int, row: int = ROOT) -> None:
        """Decide a site, unless it is decided already."""
        self.decided.setdefault(int(site), (int(value), int(row)))

    def path(self) -> Path:
        """The decisions that all plans of the tree share."""
        return tuple((site, value) for site, (value, _) in self.decided.items())

    def leaves(self, rows: Any, root: Price, inner: MedianCore, nodes: list[Node]) -> Leaves:
        """The whole tree on the question's sites; ``rows`` gives each demand row's row here."""
        mine = self.path()
        paths, row, prices = [], [], {(id(root.v), root.sigma): (ROOT, root)}
        for i, (site, (value, other)) in enumerate(self.decided.items()):
            paths.append((*mine[:i], (site, 1 - value)))
            row.append(other if other >= 0 else -1 - int(self.core.sites[-1 - other]))
        at = np.searchsorted(self.core.sites, inner.sites)
        for node in nodes:
            paths.append((*mine, *((int(at[site]), value) for site, value in node.path)))
            key = id(node.price.v), node.price.sigma
            row.append(prices.setdefault(key, (len(prices), node.price))[0])
        pairs = np.array([pair for path in paths for pair in path], np.int64).reshape(-1, 2)
        table = [price for _, price in prices.values()]
        return Leaves(
            indptr=np.cumsum([0, *map(len, paths)]).astype(np.int64),
            site=self.core.sites[pairs[:, 0]].astype(np.int64),
            value=pairs[:, 1].astype(np.int8),
            row=np.array(row, np.int64),
            group=rows,
            multipliers=np.array([price.v for price in table]),
            share=np.zeros(len(table)),
            budget=np.array([price.sigma for price in table]),
        )


def reduced_cost_fixings(core: MedianCore, root: Price, goal: float) -> list[tuple[int, int]]:
    """(site, value) wherever the other value cannot lead to a plan below ``goal``."""
    none = np.zeros(0, np.int64)
    volume = Volume(core, root.v, none, none)
    worth = volume.saved - root.sigma * core.cost
    ranked = np.append(np.sort(worth)[::-1], 0.0)
    last, following = max(0.0, ranked[core.count - 1]), max(0.0, ranked[core.count])
    opened = np.zeros(len(worth), bool)
    opened[np.argsort(-worth, kind="stable")[: core.count]] = True
    opened &= worth > 0
    change = np.where(opened, worth - following, last - worth)
    done = root.bound + np.maximum(change, 0.0) >= goal
    return [(int(j), int(opened[j])) for j in np.flatnonzero(done)]


def dominated_sites(f: DistanceFacts, core: MedianCore) -> list[tuple[int, int]]:
    """Pairs (site, by): ``by`` is nowhere farther than ``site``, and costs no more.

    ``by`` is itself in no pair. Of equal sites the one with the smallest index stays.
    """
    first = np.unique(core.group, return_index=True)[1]
    nearest = np.minimum(f.distance[np.ix_(first, core.sites)], core.top[:, None])
    best = _dominated(np.ascontiguousarray(nearest.T), core.cost)
    return [(int(site), int(by)) for site, by in enumerate(best) if by >= 0]


@njit(cache=True, nogil=True)
def _dominated(columns: Any, cost: Any) -> Any:
    n, rows = columns.shape
    best = np.full(n, -1)
    for j in range(n):
        for k in range(n):
            if k == j or best[k] >= 0 or cost[k] > cost[j]:
                continue
            i, equal = 0, cost[k] == cost[j]
            while i < rows and columns[k, i] <= columns[j, i]:
                equal = equal and columns[k, i] == columns[j, i]
                i += 1
            if i == rows and not (equal and k > j):
                best[j] = k
                break
    for j in range(n):  # follow dominations to a site that nothing dominates
        while best[j] >= 0 and best[best[j]] >= 0:
            best[j] = best[best[j]]
    return best
