"""The p-median problem, from a checked question to a selection with its proof.

Greedy and swaps, a Lagrangian bound, fixing by reduced cost, and a tree over what is left. All of
it is our own, so that every bound can be recomputed by `distance.certificate`.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from servicecircle.errors import InfeasibleError, QuestionError
from servicecircle.locate.certificate import allowance, round_bound
from servicecircle.locate.covering import question as covering
from servicecircle.locate.covering import solve as cover_search
from servicecircle.locate.distance import median_swap as swap
from servicecircle.locate.distance.certificate import facts
from servicecircle.locate.distance.median_bound import ABOVE, Price, Volume
from servicecircle.locate.distance.median_core import Floats, Ints, first_core, inner_core
from servicecircle.locate.distance.median_tree import (
    Prefix,
    Tree,
    dominated_sites,
    reduced_cost_fixings,
)
from servicecircle.locate.distance.question import DistanceQuestion
from servicecircle.locate.selection import GAP_PROVEN, Ended, Leaves, Proof, Selection, gap_of
from servicecircle.locate.threads import one_blas_thread
from servicecircle.locate.watch import Watch

# Work is counted in elementary updates, never in seconds: only the time limit itself may make two
# runs of the same question differ.
SHORT_WORK = 1e8, 1e3  # of the local search before the bound: at most, and per distance
LONG_WORK = 5e8, 3e3  # and after it, where a gap is left
ROOT_STEPS = 6000  # of the volume algorithm
NODE_LIMIT = 200_000
CLOSE = 2e-7  # a part whose bound is this close to the best plan holds nothing better
NOTHING = np.zeros(0, np.int64)


class Search:
    """One run: the best plan and the best bound so far."""

    def __init__(self, question: DistanceQuestion, watch: Watch) -> None:
        self.question, self.watch = question, watch
        self.facts = facts(**question.arrays())
        self.core = first_core(self.facts)
        self.plan: Ints = NOTHING  # sites of the core
        self.value, self.bound = math.inf, 0.0
        self.steps: list[str] = []
        self.turn = 0  # of the local search: each has its own seed

    def offer(self, plan: Ints) -> None:
        """Keep a plan if it is better than the best so far."""
        value = self.core.value(plan)
        if value < self.value:
            self.plan, self.value = np.sort(plan), value

    def rounded(self, bound: float) -> float:
        """A bound, moved to the next whole number where the objective is one."""
        return round_bound(max(0.0, bound), "p_median", self.facts.whole)

    def prove(self, bound: float) -> None:
        """Keep a bound if it is tighter than the best so far."""
        self.bound = max(self.bound, self.rounded(bound))

    @property
    def goal(self) -> float:
        """A part of the plans with at least this bound holds nothing better than the best."""
        return self.core.worst if math.isinf(self.value) else self.value * (1 - CLOSE)

    def enough(self, bound: float) -> bool:
        """Whether the gap to this bound is as small as asked for."""
        gap = gap_of(bound, self.value) if self.value < math.inf else math.inf
        return bound >= self.goal or gap <= max(self.question.gap, CLOSE)

    def finished(self) -> bool:
        """Whether the gap is as small as asked for."""
        return self.enough(self.bound)

    def ended(self) -> Ended:
        """Why the run ends."""
        gap = gap_of(min(self.bound, self.value), self.value)
        if gap <= max(self.question.gap, GAP_PROVEN):
            return "proof" if gap <= GAP_PROVEN else "gap"
        if self.watch.interrupted:
            return "interrupt"
        return "time" if self.watch.over() else "work"

    def report(self, bound: float | None = None, *, every: float = 0.0) -> None:
        """Tell the caller how far the search is, at most once in ``every`` seconds."""
        bound = self.bound if bound is None else bound
        if self.value < math.inf:
            self.watch.tell(self.value, min(bound, self.value), every=every)


def solve(question: DistanceQuestion) -> Selection:
    """The best selection that the time limit allows, with its proof."""
    watch = Watch(question.time_limit, question.callback)
    with one_blas_thread(), watch.listening():
        return _solve(Search(question, watch))


def _solve(search: Search) -> Selection:
    core = search.core
    _first_plans(search)
    if core.slots == 0 or min(core.shape) == 0:
        search.steps.append("nothing to choose")
        found = Price(core.top, 0.0, search.value, np.zeros(core.shape[1]))
        search.prove(search.value)
        return _selection(search, found, "multipliers", None)
    search.report()
    _local_search(search, SHORT_WORK, 5)
    found = _root(search)
    if not search.finished():
        _local_search(search, LONG_WORK, 20)
    if search.finished() or search.watch.over():
        return _selection(search, found, "multipliers", None)
    return _branch(search, found)


def _first_plans(search: Search) -> None:
    """Plans that always complete, whatever the time limit."""
    core = search.core
    search.offer(swap.greedy_swap(core))
    if core.purse < math.inf:
        search.offer(swap.greedy_swap(core, by_price=True))
    search.steps.append("greedy + swap")
    if math.isinf(search.value):
        _reach_all(search)
    if len(search.plan) == 0 and not (search.question.fixed | search.question.required).any():
        search.plan = np.argsort(core.cost, kind="stable")[:1]  # nobody to serve: any site will do


def _reach_all(search: Search) -> None:
    """Look for a plan that reaches every row at all, by set cover; raise where there is none."""
    q = search.question
    rows = q.weight > 0
    sure = q.fixed | q.required
    covers = sp.csr_matrix(np.isfinite(q.distance[rows]))
    search.steps.append("set cover")
    for limit, cost in ((q.sites, None), (q.budget, q.cost)):
        if limit is None:
            continue
        asked = covering.ask(
            "lscp",
            covers,
            None,
            cost=cost,
            fixed=np.flatnonzero(q.fixed).tolist(),
            required=np.flatnonzero(q.required).tolist(),
            forbidden=np.flatnonzero(~q.openable).tolist(),
            time_limit=math.inf,
            gap=0.0,
            seed=q.seed,
            callback=None,
        )
        share = Watch(search.watch.left(), within=search.watch)
        found = cover_search.solve(asked, watch=share)
        if found.bound > (allowance(limit) if cost is not None else limit):
            raise _unreachable(q, found.bound, cost is not None)
        plan = np.searchsorted(search.core.sites, np.setdiff1d(found.chosen, np.flatnonzero(sure)))
        if len(plan) <= search.core.count and search.core.cost[plan].sum() <= search.core.purse:
            search.offer(swap.greedy_swap(search.core, plan))


def _unreachable(q: DistanceQuestion, needed: float, money: bool) -> InfeasibleError:
    if money:
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


def _local_search(search: Search, most: tuple[float, float], turns: int) -> None:
    """Improve the plan by a set amount of work, less where the time is used up."""
    core = search.core
    if core.slots == 0 or math.isinf(search.value):
        return
    rows, n = core.shape
    work = min(most[0], most[1] * len(core.site))
    step = len(search.plan) * n + 4 * (rows + len(core.site)) / max(1, len(search.plan))
    for _ in range(turns):
        # no more in one go than half a second's worth: in between the clock is looked at
        for _ in range(int(np.clip(work / step / turns / 300, 1, 8))):
            if search.watch.over() or search.finished():
                return
            search.turn += 1
            steps = int(np.clip(work / step / turns, 20, 300))
            search.offer(swap.tabu(core, search.plan, steps, search.question.seed + search.turn))
            search.report(every=0.5)


def _root(search: Search) -> Price:
    """The multipliers of the whole core; plans are rounded from its fractional plan."""
    core = search.core
    volume = Volume(core, _served(search), NOTHING, NOTHING)
    search.prove(volume.bound)
    going, taken = True, 0
    while going and taken < ROOT_STEPS and not search.finished() and not search.watch.over():
        before = volume.bound
        going = volume.run(200, ABOVE * search.goal, search.goal, search.watch)
        taken += 200
        search.prove(volume.bound)
        search.offer(rounding(search, volume.price().y))
        search.report(every=0.2)
        if taken > 1000 and volume.bound - before < 0.02 * (search.goal - before):
            break
    search.steps.append(f"Lagrangian bound ({taken} steps)")
    return volume.price()


def _served(search: Search) -> Floats:
    """The distance of each row in the best plan, or where there is none, to its second site."""
    core = search.core
    served = core.top.copy()
    plan = search.plan if search.value < math.inf else np.arange(core.shape[1])
    for j in plan:
        part = slice(core.starts[j], core.starts[j + 1])
        served[core.row[part]] = np.minimum(served[core.row[part]], core.far[part])
    return served


def rounding(search: Search, y: Floats, into: Ints = NOTHING) -> Ints:
    """A plan near a fractional one: its largest sites, then greedy and swaps."""
    core = search.core
    order = np.argsort(-y, kind="stable")
    order = order[(y[order] > 0.05) & ~np.isin(order, into)]
    order = np.concatenate([into, order])[: core.slots]
    order = order[np.cumsum(core.cost[order]) <= core.purse]
    return swap.greedy_swap(core, order, by_price=core.purse < math.inf)


def _branch(search: Search, found: Price) -> Selection:
    """Fix what the root decides, and search the tree."""
    core, prefix = search.core, Prefix(search.core)
    for site, by in dominated_sites(search.facts, core):
        prefix.fix(site, 0, -1 - by)
    for site, value in reduced_cost_fixings(core, found, search.goal):
        prefix.fix(site, value)
    pairs = np.array(prefix.path(), np.int64).reshape(-1, 2)
    opened = pairs[pairs[:, 1] == 1, 0]
    inner = inner_core(search.facts, core, opened, pairs[pairs[:, 1] == 0, 0])
    search.steps.append(f"fixing ({inner.shape[1]} of {core.shape[1]} sites left)")
    at = np.searchsorted(core.sites, inner.sites)

    def offer(y: Floats, into: Ints) -> float:
        whole = np.zeros(core.shape[1])
        whole[at] = y
        search.offer(rounding(search, whole, np.concatenate([opened, at[into]])))
        return search.goal

    def report(key: float) -> None:
        search.report(max(key, search.bound), every=0.5)

    if inner.slots == 0:
        offer(np.zeros(inner.shape[1]), NOTHING)
    start = Volume(inner, found.v, NOTHING, NOTHING)
    root = Price(inner.top, 0.0, start.bound, start.y) if start.settled else start.price()
    root = Price(root.v, root.sigma, root.bound, found.y[at])
    tree = Tree(inner, root, rounded=search.rounded, offer=offer, report=report)
    tree.run(search.watch, NODE_LIMIT, search.enough)
    search.steps.append(f"branch and bound ({tree.count} nodes)")
    # parts that were decided before hold nothing below the goal
    bound = min(tree.key, search.goal)
    if bound > search.bound:
        search.prove(bound)
        leaves = prefix.leaves(_rows(search), found, inner, tree.done + tree.open)
        return _selection(search, found, "tree", leaves)
    return _selection(search, found, "multipliers", None)


def _rows(search: Search) -> Ints:
    """The core's row of each demand row; any for rows that weigh nothing."""
    rows = np.zeros(len(search.question.weight), np.int64)
    rows[search.question.weight > 0] = search.core.group
    return rows


def _selection(search: Search, found: Price, proof: Proof, leaves: Leaves | None) -> Selection:
    """The result on the question's own sites and rows."""
    q = search.question
    if math.isinf(search.value):
        raise _no_plan(search)
    bound = min(search.bound, search.value)
    gap = gap_of(bound, search.value)
    sure = np.flatnonzero(q.fixed | q.required)
    v = np.append(found.v, 0.0) if len(found.v) == 0 else found.v
    search.report()
    return Selection(
        chosen=np.sort(np.concatenate([sure, search.core.sites[search.plan]])).astype(np.int64),
        objective=search.value,
        bound=bound,
        gap=gap,
        proven=gap <= GAP_PROVEN,
        proof=proof,
        multipliers=np.where(q.weight > 0, v[_rows(search)], 0.0),
        share_multiplier=0.0,
        budget_multiplier=found.sigma,
        leaves=leaves,
        method=", ".join(search.steps),
        stopped=search.ended(),
        seconds=search.watch.elapsed(),
    )


def _no_plan(search: Search) -> QuestionError:
    """What to say where no plan that reaches all rows was found."""
    if search.bound >= search.core.worst:
        return InfeasibleError(
            "在允许的站点数和预算内，任何方案都到不了全部需求点；请放宽限制或增加候选站点。",
            "Within the stations and the budget allowed, no plan reaches all demand: allow more, "
            "or bring candidates.",
        )
    return QuestionError(
        "在限定时间内没有找到能到达全部需求点的方案；请延长时间、增加新增数量或预算。",
        "No plan that reaches all demand was found in time: allow more time, stations or money.",
    )
