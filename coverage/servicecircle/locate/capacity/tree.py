"""Branch and bound over the sites of a capacitated question, best bound first.

The first decisions are those that the root's multipliers make (reduced-cost fixing): each is a
branching whose other side is a leaf. All nodes, open or closed, are leaves of the certificate.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from servicecircle.locate.capacity.bounds import NODE_STEPS, Price, Pricer, settled
from servicecircle.locate.capacity.core import Capacitated
from servicecircle.locate.certificate import round_bound
from servicecircle.locate.covering.core import Floats, Ints
from servicecircle.locate.selection import Leaves
from servicecircle.locate.watch import Watch

TABLE_NUMBERS = 30_000_000  # multipliers that a tree may hold, 240 MB
STRONG = 3  # sites that are tried on both sides at a node, at most
TRUSTED = 3  # tries after which a site's average loss is believed
Path = tuple[tuple[int, int], ...]


@dataclass(order=True)
class Node:
    """A part of all plans: ``key`` is its bound, negative, ``path`` its fixings (site, value)."""

    key: float
    number: int
    path: Path = field(compare=False)
    price: Price = field(compare=False, repr=False)
    y: Floats = field(compare=False, repr=False)

    def fixings(self) -> tuple[Ints, Ints]:
        """The sites fixed in, and those fixed out."""
        into = [site for site, value in self.path if value]
        out = [site for site, value in self.path if not value]
        return np.array(into, np.int64), np.array(out, np.int64)


class CapacityTree:
    """A search; ``offer`` is handed fractional plans and returns the best value known."""

    def __init__(
        self,
        core: Capacitated,
        root: Price,
        pricer: Pricer,
        *,
        whole: bool,
        gap: float,
        best: float,
        offer: Callable[[Floats, Ints], float],
        report: Callable[[float], None],
    ) -> None:
        self.core, self.root, self.pricer = core, root, pricer
        self.whole, self.gap, self.best = whole, gap, best
        self.offer, self.report = offer, report
        self.done: list[Node] = []
        self.open: list[Node] = []
        self.count = 1
        self.tries, self.losses = np.zeros((2, core.shape[1])), np.zeros((2, core.shape[1]))
        path: Path = ()
        for site, value in self._decided():
            self.done.append(self._node((*path, (site, 1 - value)), root, root.y))
            path = (*path, (site, value))
        self.fixed = len(path)
        rest = self._node(path, root, root.y)
        into, out = rest.fixings()
        if self._decided_all(into, out):
            price = self._settle(into, out)
            rest = self._node(path, price, price.y)
        self.open.append(rest)

    def _decided(self) -> list[tuple[int, int]]:
        """(site, value) wherever the root shows that the other value brings nothing better."""
        decided = []
        for site in np.flatnonzero(self.core.facts.free):
            for value in (0, 1):
                side = np.array([site])
                into, out = (side, side[:0]) if value == 0 else (side[:0], side)
                if self.hopeless(-self._rounded(self.root.at(self.core, into, out))):
                    decided.append((int(site), value))
                    break
        return decided

    def _node(self, path: Path, price: Price, y: Floats) -> Node:
        node = Node(math.inf, self.count, path, price, y)
        node.key = -self._rounded(price.at(self.core, *node.fixings()))
        self.count += 1
        return node

    def _rounded(self, bound: float) -> float:
        return round_bound(bound, "mclp", self.whole)

    @property
    def bound(self) -> float:
        """The served weight that nothing can pass."""
        return max((-node.key for node in [*self.open[:1], *self.done]), default=-math.inf)

    def hopeless(self, key: float) -> bool:
        """Whether a part with this key holds nothing better than the best plan."""
        return -key <= self.best + 2e-7 * max(self.best, 1e-9)

    def finished(self) -> bool:
        """Whether the best plan is as good as asked for."""
        if not self.open:
            return True
        key = self.open[0].key
        return self.hopeless(key) or -key - self.best <= self.gap * max(self.best, 1e-9)

    def run(self, watch: Watch, limit: int) -> None:
        """Search until finished, out of time, or at ``limit`` nodes or the memory's end."""
        while not self.finished() and self.count < limit and not watch.over():
            if (len(self.done) + len(self.open)) * self.core.shape[0] > TABLE_NUMBERS:
                return
            node = heapq.heappop(self.open)
            children = self._branch(node, watch)
            if children is None:
                self.done.append(node)
                if not self.hopeless(node.key):
                    return  # out of time, or nothing is left to decide: it stays as it is
                continue
            for child in children:
                if self.hopeless(child.key):
                    self.done.append(child)
                else:
                    heapq.heappush(self.open, child)
            self.report(self.bound)

    def _branch(self, node: Node, watch: Watch) -> list[Node] | None:
        """Split a node at the site that helps most; None where time ran out or nothing is free."""
        self.best = max(self.best, self.offer(node.y, node.fixings()[0]))
        best: list[Node] | None = None
        score = -1.0
        for site in self._candidates(node):
            if best is not None and np.all(self.tries[:, site] >= TRUSTED):
                break
            pair = [self._child(node, site, value, watch) for value in (1, 0)]
            losses = [child.key - node.key for child in pair]
            for loss, value in zip(losses, (1, 0), strict=True):
                away = 1 - node.y[site] if value else node.y[site]
                if math.isfinite(loss) and away > 1e-3:
                    self.tries[value, site] += 1
                    self.losses[value, site] += loss / away
            if _score(*losses) > score:
                best, score = pair, _score(*losses)
            if watch.over() or any(self.hopeless(child.key) for child in pair):
                break
        return best

    def _candidates(self, node: Node) -> list[int]:
        """Sites worth branching on, the most promising first."""
        y, fixed = node.y, {site for site, _ in node.path}
        able = [int(j) for j in np.flatnonzero(self.core.facts.free) if int(j) not in fixed]
        sites = [j for j in able if 0.02 < y[j] < 0.98]
        if not sites:  # the averages are nearly whole: the one that is least so
            return sorted(able, key=lambda j: (-min(y[j], 1 - y[j]), -y[j], j))[:1]
        average = self.losses.sum(1) / np.maximum(self.tries.sum(1), 1)
        each = np.where(self.tries > 0, self.losses / np.maximum(self.tries, 1), average[:, None])
        expect = {j: _score(each[1, j] * (1 - y[j]), each[0, j] * y[j]) for j in sites}
        sites.sort(key=lambda j: (-expect[j], -min(y[j], 1 - y[j]), j))
        return sites[:STRONG]

    def _child(self, node: Node, site: int, value: int, watch: Watch) -> Node:
        """One side of a branching, bounded by its parent's multipliers or by its own."""
        child = self._node((*node.path, (site, value)), node.price, node.y)
        if self.hopeless(child.key) or watch.over():
            return child
        into, out = child.fixings()
        if self._decided_all(into, out):
            found = self._settle(into, out)
        else:
            found = self.pricer.improve(
                node.price, watch, self.best, steps=NODE_STEPS, into=into, out=out
            )
        bound = -self._rounded(found.at(self.core, into, out))
        child.y = found.y
        if bound > child.key:
            child.key, child.price = bound, found
        return child

    def _decided_all(self, into: Ints, out: Ints) -> bool:
        """Whether no more sites can be opened."""
        f = self.core.facts
        free = f.free & (f.cost <= f.purse - float(f.cost[into].sum()))
        free[into], free[out] = False, False
        return len(into) >= f.count or not free.any()

    def _settle(self, into: Ints, out: Ints) -> Price:
        """Offer the only plan of a part in which all is decided; its exact multipliers."""
        self.best = max(self.best, self.offer(np.zeros(self.core.shape[1]), into))
        return settled(self.core, into, out)

    def leaves(self, budgets: bool) -> Leaves:
        """The tree on the question's own sites and rows."""
        nodes = self.done + self.open
        number: dict[int, int] = {}
        prices: list[Price] = []
        for node in nodes:  # nodes share multipliers: each is stored once
            key = id(node.price.lam)
            if key not in number:
                number[key] = len(prices)
                prices.append(node.price)
        paths = [np.array(node.path, np.int64).reshape(-1, 2) for node in nodes]
        path = np.concatenate(paths)
        return Leaves(
            indptr=np.cumsum([0, *map(len, paths)]).astype(np.int64),
            site=self.core.sites[path[:, 0]].astype(np.int64),
            value=path[:, 1].astype(np.int8),
            row=np.array([number[id(node.price.lam)] for node in nodes], np.int64),
            group=self.core.group,
            multipliers=self.core.tables([price.lam for price in prices]),
            share=np.zeros(len(prices)),
            budget=np.array([price.sigma for price in prices]) * budgets,
        )


def _score(one: float, other: float) -> float:
    """How much a branching helps: the smaller loss counts most."""
    low, high = sorted(min(x, 1e15) for x in (one, other))
    return float(low + 0.1 * high)
