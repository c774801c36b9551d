"""The p-center problem: a search over the distances, each step a set cover.

A radius can be kept when covering every row by sites within it takes no more than the sites, or
the money, there are (Minieka 1970). Each answer moves one end of the range: a cover gives a plan,
whose largest distance is the new upper end; a bound above the limit gives the new lower end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate.covering import question as covering
from servicecircle.locate.covering import solve as cover_search
from servicecircle.locate.distance.certificate import center_cover, center_limit
from servicecircle.locate.distance.question import DistanceQuestion
from servicecircle.locate.selection import GAP_PROVEN, Ended, Selection, gap_of
from servicecircle.locate.threads import one_blas_thread
from servicecircle.locate.watch import Watch

GREEDY_PASSES = 3  # sets of farthest-first plans


@dataclass(frozen=True, eq=False)
class Claim:
    """A radius that nothing stays below, and the cover that shows it (None: the farthest row)."""

    radius: float
    cover: Selection | None


class Search:
    """One run: the best plan, and the largest radius that was shown to be needed."""

    def __init__(self, question: DistanceQuestion, watch: Watch) -> None:
        self.question, self.watch = question, watch
        self.limit = center_limit(question.arrays())
        self.sure = np.flatnonzero(question.fixed | question.required)
        able = question.distance[:, question.openable]
        # between the farthest row's nearest site and the farthest way of all lies the answer
        self.radii = np.unique(able[np.isfinite(able) & (able >= able.min(axis=1).max())])
        self.plan = self.sure
        self.value = math.inf
        self.claim = Claim(float(self.radii[0]), None)
        self.covers, self.stuck = 0, False

    @property
    def gap(self) -> float:
        """The gap between the radius that is needed and the best plan."""
        return gap_of(self.claim.radius, self.value) if self.value < math.inf else math.inf

    def finished(self) -> bool:
        """Whether the gap is as small as asked for."""
        return self.gap <= max(self.question.gap, 1e-12)

    def offer(self, plan: Any) -> None:
        """Keep a plan if it is better than the best so far."""
        value = float(self.question.distance[:, plan].min(axis=1, initial=math.inf).max())
        if value < self.value:
            self.plan, self.value = np.sort(plan).astype(np.int64), value

    def report(self) -> None:
        """Tell the caller how far the search is."""
        if self.value < math.inf:
            self.watch.tell(self.value, self.claim.radius)

    def ended(self) -> Ended:
        """Why the run ends."""
        if self.finished():
            return "proof" if self.gap <= GAP_PROVEN else "gap"
        if self.watch.interrupted:
            return "interrupt"
        return "time" if self.watch.over() else "work"


def solve(question: DistanceQuestion) -> Selection:
    """The best selection that the time limit allows, with its proof."""
    watch = Watch(question.time_limit, question.callback)
    with one_blas_thread(), watch.listening():
        search = Search(question, watch)
        _first_plans(search)
        if math.isinf(search.value):
            _try(search, float(search.radii[-1]) * 2 + 1)
        search.report()
        while not search.finished() and not watch.over() and not search.stuck:
            _halve(search)
            search.report()
        return _selection(search)


def _first_plans(search: Search) -> None:
    """Plans that always complete: one after the other, a site for the row that is farthest off."""
    q = search.question
    free = q.openable & ~(q.fixed | q.required)
    search.offer(search.sure)
    cost = q.cost if q.budget is not None and q.cost is not None else np.ones(len(q.fixed))
    purse = search.limit - float(cost[q.required].sum())
    far = np.argsort(-q.distance[:, q.openable].min(axis=1), kind="stable")
    for first in far[:GREEDY_PASSES]:
        search.offer(_farthest_first(search, int(first), free.copy(), cost, purse))


def _farthest_first(search: Search, row: int, free: Any, cost: Any, purse: float) -> Any:
    """Gonzalez's (1985) plan: the farthest row gets its nearest site, as long as money is left."""
    q, plan = search.question, search.sure.tolist()
    served = q.distance[:, search.sure].min(axis=1, initial=math.inf)
    while True:
        free &= cost <= purse
        reach = np.where(free, q.distance[row], math.inf)
        site = int(np.argmin(reach))
        if not reach[site] < served[row]:
            return np.array(plan, np.int64)
        plan.append(site)
        free[site], purse = False, purse - float(cost[site])
        served = np.minimum(served, q.distance[:, site])
        row = int(np.argmax(served))


def _halve(search: Search) -> None:
    """Decide a radius in the middle of those between the claim and the best plan."""
    low = int(np.searchsorted(search.radii, search.claim.radius))
    high = int(np.searchsorted(search.radii, search.value))
    _try(search, float(search.radii[(low + high + 1) // 2]))


def _try(search: Search, radius: float) -> None:
    """Ask for a cover of all rows by sites nearer than ``radius``: a plan, a claim, or neither."""
    q, limit = search.question, search.limit

    def decided(_: float, cost: float, bound: float, __: float) -> None:
        if cost <= limit or bound > limit:
            raise KeyboardInterrupt  # ends the cover's search, not this one

    parts = center_cover(radius, q.arrays())
    covers = sp.csr_matrix(
        (np.ones(len(parts["indices"])), parts["indices"], parts["indptr"]), q.distance.shape
    )
    asked = covering.ask(
        "lscp",
        covers,
        None,
        cost=parts["cost"],
        time_limit=math.inf,
        gap=0.0,
        seed=q.seed,
        callback=None,
        fixed=np.flatnonzero(parts["fixed"]).tolist(),
        required=np.flatnonzero(parts["required"]).tolist(),
        forbidden=np.flatnonzero(parts["forbidden"]).tolist(),
    )
    share = Watch(search.watch.left(), decided, within=search.watch)
    found = cover_search.solve(asked, watch=share)
    search.covers += 1
    within, above = found.objective <= limit, found.bound > limit
    if within:
        search.offer(found.chosen)
    elif above:
        higher = int(np.searchsorted(search.radii, radius))
        if higher == len(search.radii):
            raise _unreachable(search, found.bound)
        search.claim = Claim(float(search.radii[higher]), found)
    else:
        search.stuck = not search.watch.over()


def _unreachable(search: Search, needed: float) -> InfeasibleError:
    q = search.question
    if q.budget is not None:
        return InfeasibleError(
            f"到达全部需求点至少需要预算 {needed:g}，现有 {q.budget:g}；请提高预算或增加候选站点。",
            f"Reaching all demand costs at least {needed:g}, the budget is {q.budget:g}: raise "
            "it, or bring candidates.",
        )
    return InfeasibleError(
        f"到达全部需求点至少需要新增 {needed:g} 个站点，只允许 {q.sites} 个；"
        "请增加新增数量或候选站点。",
        f"Reaching all demand takes at least {needed:g} new stations, {q.sites} are allowed: "
        "allow more, or bring candidates.",
    )


def _selection(search: Search) -> Selection:
    if math.isinf(search.value):
        raise QuestionError(
            "在限定时间内没有找到能到达全部需求点的方案；请延长时间、增加新增数量或预算。",
            "No plan that reaches all demand was found in time: allow more time, stations or "
            "money.",
        )
    cover, bound = search.claim.cover, min(search.claim.radius, search.value)
    plain = Selection(
        chosen=search.plan,
        objective=search.value,
        bound=bound,
        gap=gap_of(bound, search.value),
        proven=gap_of(bound, search.value) <= GAP_PROVEN,
        proof="multipliers",
        multipliers=np.zeros(len(search.question.distance)),
        share_multiplier=0.0,
        budget_multiplier=0.0,
        leaves=None,
        method=f"farthest first, set cover at {search.covers} radii",
        stopped=search.ended(),
        seconds=search.watch.elapsed(),
    )
    if cover is None:
        return plain
    return replace(plain, proof=cover.proof, multipliers=cover.multipliers, leaves=cover.leaves)
