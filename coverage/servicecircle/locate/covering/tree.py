"""Branch and bound over the sites, best bound first; its leaves are the certificate.

Values are turned so that less is better (a covered weight counts negative). A node is a list of
fixings with the multipliers that bound it, so that a tree stopped early is a proof as well: the
nodes still open are leaves.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from servicecircle.locate.certificate import leaf_bound, round_bound
from servicecircle.locate.covering.bounds import Multipliers, Nodes
from servicecircle.locate.covering.core import Core, Floats, Ints
from servicecircle.locate.watch import Watch

TABLE_NUMBERS = 30_000_000  # multipliers that a tree may hold, 240 MB
THREADS = 2  # both sides of a branching at once
STRONG = 8  # sites that are tried on both sides at a node, at most
TRUSTED = 2  # tries after which a site's average degradation is believed
Path = tuple[tuple[int, int], ...]


@dataclass(order=True)
class Node:
    """A part of all plans: ``key`` is its bound (less is better), ``path`` its fixings."""

    key: float
    number: int
    path: Path = field(compare=False)
    proof: Multipliers = field(compare=False, repr=False)
    y: Floats = field(compare=False, repr=False)  # the fractional plan that was found last

    def fixings(self) -> tuple[Ints, Ints]:
        """The sites fixed in, and those fixed out."""
        into = [site for site, value in self.path if value]
        out = [site for site, value in self.path if not value]
        return np.array(into, np.int64), np.array(out, np.int64)


class Tree:
    """A search over one core; ``offer`` is handed fractional plans and returns the best value."""

    def __init__(
        self,
        core: Core,
        root: Multipliers,
        nodes: Nodes,
        *,
        whole: bool,
        gap: float,
        best: float,
        offer: Callable[[Floats, Ints], float],
        report: Callable[[float], None],
    ) -> None:
        self.core, self.nodes, self.whole, self.gap = core, nodes, whole, gap
        self.sign = -1.0 if core.facts.model == "mclp" else 1.0
        self.best, self.offer, self.report = best, offer, report
        self.done: list[Node] = []
        self.closed = math.inf  # the weakest key among the done
        self.tries = np.zeros((2, core.shape[1]))
        self.losses = np.zeros((2, core.shape[1]))
        first = Node(self.sign * root.bound, 0, (), root, root.y)
        self.open, self.count = [first], 1

    def rounded(self, key: float) -> float:
        """A key moved to the next whole number where objectives can only be whole.

        Keys themselves are kept as they are: whole ones would not tell which branching helps.
        """
        return self.sign * round_bound(self.sign * key, self.core.facts.model, self.whole)

    @property
    def key(self) -> float:
        """The (rounded) key that nothing can be better than."""
        top = self.open[0].key if self.open else math.inf
        return self.rounded(min(top, self.closed))

    def hopeless(self, key: float) -> bool:
        """Whether a part with this key holds nothing better than the best plan."""
        return self.rounded(key) >= self.best - 2e-7 * max(abs(self.best), 1e-9)

    def finished(self) -> bool:
        """Whether the best plan is as good as asked for."""
        close = self.best - self.key <= self.gap * max(abs(self.best), 1e-9)
        return not self.open or close or self.hopeless(self.key)

    def run(self, watch: Watch, limit: int) -> None:
        """Search until finished, out of time, or at ``limit`` nodes or the memory's end."""
        with ThreadPoolExecutor(THREADS) as self.pool:
            self._run(watch, limit)

    def _run(self, watch: Watch, limit: int) -> None:
        while not self.finished() and self.count < limit and not watch.over():
            if (len(self.done) + len(self.open)) * self.core.shape[0] > TABLE_NUMBERS:
                return
            node = heapq.heappop(self.open)
            children = None if self.hopeless(node.key) else self.branch(node, watch)
            if children is None:
                self.close(node)
                if not self.hopeless(node.key):
                    return  # out of time: the node stays as it is
                continue
            for child in children:
                if self.hopeless(child.key):
                    self.close(child)
                else:
                    heapq.heappush(self.open, child)
            self.report(self.key)

    def close(self, node: Node) -> None:
        """Make a node a leaf."""
        self.done.append(node)
        self.closed = min(self.closed, node.key)

    def leaves(self) -> list[Node]:
        """All parts of the tree as it is now."""
        return self.done + self.open

    def branch(self, node: Node, watch: Watch) -> list[Node] | None:
        """Split a node at the site that helps most; None where time ran out or nothing is free."""
        self.best = min(self.best, self.offer(node.y, node.fixings()[0]))
        best: list[Node] | None = None
        score, idle = -1.0, 0
        for site in self._candidates(node):
            if best is not None and self._trusted(site):
                break  # sorted by expectation: the rest promises less than what was tried
            pair = self._pair(node, site, watch)
            if any(child is None for child in pair):
                return best
            children = [child for child in pair if child is not None]
            self._learn(node, site, children)
            value = self._score([child.key - node.key for child in children])
            best, score, idle = (children, value, 0) if value > score else (best, score, idle + 1)
            if idle >= 3 or any(self.hopeless(child.key) for child in children):
                break
        return best

    def _candidates(self, node: Node) -> list[int]:
        """Sites worth branching on, the most promising first."""
        y = node.y
        fixed = {site for site, _ in node.path}
        fractional = np.minimum(y, 1 - y)
        sites = [int(j) for j in np.flatnonzero(fractional > 1e-4) if int(j) not in fixed]
        if not sites:  # a whole plan that is not proven by rounding alone
            rest = [j for j in range(len(y)) if j not in fixed]
            return sorted(rest, key=lambda j: (-y[j], j))[:1]
        average = self.losses.sum(1) / np.maximum(self.tries.sum(1), 1)
        each = np.where(self.tries > 0, self.losses / np.maximum(self.tries, 1), average[:, None])
        expect = {j: self._score([each[1, j] * (1 - y[j]), each[0, j] * y[j]]) for j in sites}
        sites.sort(key=lambda j: (-expect[j], -fractional[j], j))
        return sites[: STRONG if self.nodes.cheap else STRONG // 2]

    @staticmethod
    def _score(losses: list[float]) -> float:
        """How much a branching helps: the smaller degradation counts most."""
        low, high = sorted(min(x, 1e15) for x in losses)
        return float(low + 0.1 * high)

    def _trusted(self, site: int) -> bool:
        return bool(np.all(self.tries[:, site] >= TRUSTED))

    def _learn(self, node: Node, site: int, children: list[Node]) -> None:
        """Keep the degradation per unit that each side brought."""
        away = (1 - node.y[site], node.y[site])
        for child, distance, side in zip(children, away, (1, 0), strict=True):
            if math.isfinite(child.key) and distance > 1e-6:
                self.tries[side, site] += 1
                self.losses[side, site] += (child.key - node.key) / distance

    def _pair(self, node: Node, site: int, watch: Watch) -> list[Node | None]:
        """Both sides of a branching; on two cores where each takes a while."""
        count = self.count
        self.count += 2

        def side(value: int) -> Node | None:
            return self._child(node, site, value, count + 1 - value, watch)

        return list(map(side, (1, 0)) if self.nodes.cheap else self.pool.map(side, (1, 0)))

    def _child(self, node: Node, site: int, value: int, number: int, watch: Watch) -> Node | None:
        """One side of a branching, bounded by its parent's multipliers or by its own."""
        path = (*node.path, (site, value))
        child = Node(math.inf, number, path, node.proof, node.y)
        into, out = child.fixings()
        old = node.proof
        bound = leaf_bound(self.core.facts, old.lam, old.mu, old.sigma, into, out)
        child.key = self.sign * bound
        if self.hopeless(child.key):
            return child
        guess = replace(old, y=node.y)
        new = self.nodes.solve(into, out, watch, self.sign * self.best, guess)
        if new is None:
            return None if watch.over() else child
        child.y = new.y
        if self.sign * new.bound > self.sign * bound:
            child.key, child.proof = self.sign * new.bound, new
        return child
