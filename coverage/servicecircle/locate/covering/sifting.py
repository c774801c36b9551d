"""Multipliers for large maximal covering cores, found on the few rows and sites that matter.

At an optimum of the relaxation most rows are covered clearly (their multiplier is 0) or clearly
not (it is their weight), and most sites are clearly too weak to be opened. So a small core of the
rows in between and of the promising sites is solved; rows outside it whose multiplier is their
weight stand in it as one row per site. What comes back is judged by the formula on all rows and
sites, so that a bad guess costs quality, never validity; rows and sites that the answer
contradicts join the small core, and it is solved again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit
from numpy.typing import NDArray

from servicecircle.locate.certificate import leaf_bound
from servicecircle.locate.covering.core import Core, Floats, Ints
from servicecircle.locate.covering.interior import interior_point
from servicecircle.locate.covering.merging import merge_identical
from servicecircle.locate.covering.weighting import greedy_cover
from servicecircle.locate.watch import Watch

Mask = NDArray[np.bool_]

NOTHING = np.zeros(0, np.int64)
SURE = 0.01  # how far from 0 and from its weight a multiplier is, as a share, when it is unsure
EDGE = 0.02  # how far from covered once a row is, when it is unsure
WEAK = 0.05  # how far a site's worth may lie below that of the last one chosen
NODE_TURNS = 5
SHARP = 0.05  # what a bound at a node may lack, as a share of its distance from the goal
LAST_AT_NODE = 1e-9  # accuracy there, where it is close to the goal
FIRST = 1e-3  # the same at the root
TURNS = 100  # at the root
WHOLE_TURNS = 4  # turns at the root with all rows: before, nothing is known of them
BATCHES = 3  # of unlike sites, taken in together
BETWEEN = (0.1, 0.25, 0.5, 0.75)  # points tried between the best multipliers and the newest


@dataclass(frozen=True, eq=False)
class Node:
    """A part of a core's plans: sites open and closed, and what they leave to choose from."""

    core: Core
    into: Ints
    out: Ints
    hit: Mask  # rows that the open sites cover
    free: Mask  # sites that may still be opened
    count: float
    purse: float

    @classmethod
    def of(cls, core: Core, into: Ints, out: Ints) -> Node:
        """The part with the sites ``into`` open and ``out`` closed."""
        f = core.facts
        hit, purse = np.zeros(core.shape[0], bool), f.purse - float(f.cost[into].sum())
        hit[core.columns[:, into].indices] = True
        free = f.cost <= purse
        free[into], free[out] = False, False
        return cls(core, into, out, hit, free, f.count - len(into), purse)

    def judged(self, lam: Floats, sigma: float) -> float:
        """The bound that multipliers of the core's rows prove here.

        That is `certificate.leaf_bound` but for its care about parts where little is left.
        """
        f, worth = self.core.facts, self.worth(lam, sigma)
        top = np.sort(worth[worth > 0])[::-1][: int(min(self.count, len(worth)))]
        rows = np.where(self.hit, f.weight, f.weight - lam)
        money = sigma * self.purse if sigma else 0.0
        return float(f.start + rows.sum() + top.sum() + money)

    def worth(self, lam: Floats, sigma: float) -> Floats:
        """What each free site adds to the bound; -inf for the others."""
        score = self.core.columns.T @ np.where(self.hit, 0.0, lam) - sigma * self.core.facts.cost
        return np.where(self.free, score, -math.inf)

    def last_chosen(self, worth: Floats) -> float:
        """The worth of the last site that the bound counts."""
        if self.count >= len(worth):
            return 0.0
        return max(0.0, float(-np.partition(-worth, int(self.count) - 1)[int(self.count) - 1]))

    def times(self, y: Floats) -> Floats:
        """How often each row is covered by a fractional plan, open sites not counted."""
        return np.asarray(self.core.rows @ y)


@dataclass(frozen=True, eq=False)
class Small:
    """A core of some rows and sites of a part, and the way back."""

    part: Node
    core: Core
    rows: Ints  # the large core's rows that are in it
    group: Ints  # their rows here
    base: Floats  # multipliers of the large core's other rows
    constant: float  # what those and the open sites add to the bound

    @classmethod
    def of(cls, part: Node, rows: Mask, sites: Mask, lam: Floats) -> Small:
        """The small core; ``lam`` says what multipliers the other rows have: 0 or the weight."""
        f = part.core.facts
        column, row = np.flatnonzero(sites), np.flatnonzero(rows & ~part.hit)
        matrix = sp.csr_matrix(part.core.rows[row][:, column])
        matrix.sort_indices()
        reached = np.diff(matrix.indptr) > 0
        matrix, row = sp.csr_matrix(matrix[reached]), row[reached]
        first, group = merge_identical(matrix.indptr, matrix.indices, len(column))
        weight = np.bincount(group, f.weight[row], len(first)).astype(np.float64)
        base = np.where(lam > 0.5 * f.weight, f.weight, 0.0)
        lost = rows.copy()
        lost[row] = False
        base[lost] = lam[lost]  # no site here covers them: as they were
        base[row], base[part.hit] = 0.0, 0.0
        rest = ~part.hit
        rest[row] = False
        constant = f.start + f.weight[part.hit].sum() + (f.weight - base)[rest].sum()
        alone = np.asarray(part.core.columns[:, column].T @ base)
        single = np.flatnonzero(alone > 0)
        units = sp.csr_matrix(
            (np.ones(len(single)), (np.arange(len(single)), single)), (len(single), len(column))
        )
        whole = sp.vstack([matrix[first], units], format="csr")
        core = _core(part, whole, np.concatenate([weight, alone[single]]), column)
        return cls(part, core, row, group, base, float(constant))

    def lift(self, lam: Floats) -> Floats:
        """Multipliers of the small core as multipliers of the large one's rows."""
        lifted, weight = self.base.copy(), self.part.core.facts.weight
        share = lam / self.core.facts.weight
        lifted[self.rows] = share[self.group] * weight[self.rows]
        return lifted


def _core(part: Node, matrix: sp.csr_matrix, weight: Floats, sites: Ints) -> Core:
    """A core out of its arrays."""
    f, (rows, columns) = part.core.facts, matrix.shape
    cost = f.cost[sites]
    facts = replace(
        f,
        indptr=matrix.indptr.astype(np.int64),
        indices=matrix.indices.astype(np.int64),
        row_of=np.repeat(np.arange(rows), np.diff(matrix.indptr)),
        weight=weight,
        cost=cost,
        open=np.ones(rows, bool),
        free=np.ones(columns, bool),
        start=0.0,
        count=part.count if part.count < columns else math.inf,
        purse=part.purse if part.purse < cost.sum() else math.inf,
    )
    none = np.zeros(0, np.int64)
    return Core(facts, matrix, matrix.tocsc(), sites, none, none, f.weight)


@dataclass(frozen=True, eq=False)
class Answer:
    """Multipliers of the large core's rows, the bound they prove, a fractional plan."""

    lam: Floats
    sigma: float
    y: Floats
    bound: float
    missing: float  # what the small core's solution still lacks, as a share


def at_root(core: Core, plan: Ints, watch: Watch, accuracy: float) -> Iterator[Answer]:
    """Answers for a whole core, better and better; ``plan`` are sites to begin with.

    Column generation: the small core begins with sites enough to cover every row, and takes in
    what its multipliers would rather choose, several unlike ones at a time. Since the bound is
    convex in the multipliers, points between the best and the newest are tried too (Wentges 1997).
    """
    part, f = Node.of(core, NOTHING, NOTHING), core.facts
    cover = greedy_cover(replace(core, facts=replace(f, model="lscp", cost=np.ones(len(f.cost)))))
    sites = np.isin(np.arange(core.shape[1]), np.concatenate([plan, cover])) & part.free
    rows = np.ones(core.shape[0], bool)
    lam, aim = f.weight / np.maximum(1, np.diff(core.rows.indptr)), FIRST
    best: Answer | None = None
    for turn in range(TURNS):
        newest = _solved(Small.of(part, rows, sites, lam), watch, max(aim, accuracy))
        if newest is None:
            return
        best = newest if best is None else _between(part, best, newest)
        yield replace(best, y=newest.y, missing=newest.missing)
        more, lost = _unlike_sites(part, sites, best, newest)
        sites, lam = sites | more, newest.lam
        if turn >= WHOLE_TURNS:
            sure = rows if aim < FIRST else unsure_rows(part, lam, newest.y)
            rows, wrong = _contradicted(part, sure, newest)
            lost += wrong
        if lost <= max(aim, accuracy) * abs(best.bound):
            if aim <= accuracy:
                return
            aim *= 1e-2


def at_node(
    part: Node, guess: tuple[Floats, float, Floats], watch: Watch, goal: float
) -> Iterator[Answer]:
    """Answers for a part of a core's plans, better and better; ``guess`` is its parent's λ, σ, y.

    A bound down to ``goal`` is all that is wanted, and one far above it need not be sharp.
    """
    lam, sigma, y = guess
    rows, sites = unsure_rows(part, lam, y), good_sites(part, lam, sigma, y)
    for _ in range(NODE_TURNS):
        answer = _solved(Small.of(part, rows, sites, lam), watch, LAST_AT_NODE, goal)
        if answer is None:
            return
        yield answer
        above = answer.bound - goal
        if above <= 0:
            return
        more, lost = _better_sites(part, sites, answer)
        rows, wrong = _contradicted(part, rows, answer)
        sites, lam = sites | more, answer.lam
        if lost + wrong <= SHARP * above:
            return


def unsure_rows(part: Node, lam: Floats, y: Floats) -> Mask:
    """Rows whose multiplier is neither clearly 0 nor clearly their weight."""
    weight = part.core.facts.weight
    between = (lam > SURE * weight) & (lam < (1 - SURE) * weight)
    return np.asarray((between | (np.abs(part.times(y) - 1) < EDGE)) & ~part.hit)


def good_sites(part: Node, lam: Floats, sigma: float, y: Floats) -> Mask:
    """Sites in the fractional plan, or nearly worth it."""
    worth = part.worth(lam, sigma)
    enough = part.last_chosen(worth)
    return ((worth > enough - WEAK * abs(enough)) | (y > 1e-6)) & part.free


def _solved(small: Small, watch: Watch, accuracy: float, goal: float = -math.inf) -> Answer | None:
    """The best answer of the small core's interior point, judged in the large core.

    Once the small core's bound is down to ``goal``, or clearly will not be, it goes no further.
    """
    best, found = math.inf, None
    if min(small.core.shape) == 0:
        return None
    for step in interior_point(small.core, watch, accuracy):
        bound = leaf_bound(small.core.facts, step[0], 0.0, step[2])
        if bound < best:
            best, found = bound, step
        above = (best + small.constant - goal) / max(abs(goal), 1e-9)
        if above <= 0 or step[4] < SHARP * above:
            break
    if found is None:
        return None
    y = np.zeros(small.part.core.shape[1])
    y[small.core.sites] = found[3]
    lam = small.lift(found[0])
    return Answer(lam, found[2], y, small.part.judged(lam, found[2]), found[4])


def _between(part: Node, best: Answer, newest: Answer) -> Answer:
    """The best of the best so far, the newest, and points between them."""
    choices = [best, newest]
    for way in BETWEEN:
        lam = best.lam + way * (newest.lam - best.lam)
        sigma = best.sigma + way * (newest.sigma - best.sigma)
        choices.append(Answer(lam, sigma, newest.y, part.judged(lam, sigma), newest.missing))
    return min(choices, key=lambda answer: answer.bound)


def _better_sites(part: Node, sites: Mask, answer: Answer) -> tuple[Mask, float]:
    """Sites that the multipliers would rather choose, with near ones; what is lost without."""
    worth = part.worth(answer.lam, answer.sigma)
    inside = part.last_chosen(np.where(sites, worth, -math.inf))
    lost = float(np.maximum(worth - inside, 0.0)[~sites & part.free].sum())
    return worth > inside - WEAK * abs(inside), lost


def _unlike_sites(part: Node, sites: Mask, best: Answer, newest: Answer) -> tuple[Mask, float]:
    """Sites that the multipliers would rather choose, but few that cover the same rows."""
    more, lost = sites.copy(), 0.0
    a = part.core.rows, part.core.columns
    arrays = a[0].indptr, a[0].indices, a[1].indptr, a[1].indices
    for answer in (best, newest):
        worth = part.worth(answer.lam, answer.sigma)
        inside = part.last_chosen(np.where(sites, worth, -math.inf))
        gain = np.maximum(worth - inside, 0.0)
        gain[sites] = 0.0
        lost = float(gain.sum())
        for _ in range(BATCHES):
            _pick_unlike(*arrays, answer.lam.copy(), worth.copy(), gain, more, batch(part))
    return more, lost


def batch(part: Node) -> int:
    """How many sites that cover different rows are worth a look at once."""
    return int(min(max(part.count, 20), 100))


@njit(cache=True, nogil=True)
def _pick_unlike(
    rp: Any, ri: Any, cp: Any, ci: Any, lam: Any, left: Any, gain: Any, taken: Any, count: int
) -> None:
    """Take greedily what covers most of the multipliers ``lam`` that nothing taken here covers."""
    for _ in range(count):
        best, site = 0.0, -1
        for j in range(len(gain)):
            if gain[j] > 0 and not taken[j] and left[j] > best:
                best, site = left[j], j
        if site < 0:
            return
        taken[site] = True
        for e in range(cp[site], cp[site + 1]):
            k = ci[e]
            if lam[k] > 0:
                for r in range(rp[k], rp[k + 1]):
                    left[ri[r]] -= lam[k]
                lam[k] = 0.0


def _contradicted(part: Node, rows: Mask, answer: Answer) -> tuple[Mask, float]:
    """The rows and those outside whose multiplier does not fit the plan; what that may cost."""
    weight, over = part.core.facts.weight, part.times(answer.y) - 1.0
    full = answer.lam > 0.5 * weight
    wrong = np.where(full, over > 0, over < 0) & ~rows & ~part.hit
    lost = float((weight * np.minimum(np.abs(over), 1.0))[wrong].sum())
    return rows | wrong, lost
