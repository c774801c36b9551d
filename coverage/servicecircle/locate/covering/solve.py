"""From a checked question to a selection: plan, bound, fixing, tree, and HiGHS as a last resort."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from servicecircle.locate.certificate import round_bound
from servicecircle.locate.covering import swap, weighting
from servicecircle.locate.covering.bounds import (
    NOTHING,
    SIMPLEX_ENTRIES,
    Multipliers,
    Nodes,
    better,
    improve,
    judged,
    simple,
)
from servicecircle.locate.covering.core import Core, Floats, Ints, dominated_sites, make_core
from servicecircle.locate.covering.linear import solve_whole
from servicecircle.locate.covering.merging import Merged
from servicecircle.locate.covering.prefix import (
    Prefix,
    Reductions,
    leaves_of,
    reduced_cost_fixings,
    reductions,
)
from servicecircle.locate.covering.question import Question
from servicecircle.locate.covering.row_weighting import RowWeighting
from servicecircle.locate.covering.tree import Node, Tree
from servicecircle.locate.selection import GAP_PROVEN, Ended, Leaves, Proof, Selection, gap_of
from servicecircle.locate.threads import one_blas_thread
from servicecircle.locate.watch import Watch

# How much each step may do is counted in work, never in seconds: only the time limit itself may
# make two runs of the same question differ.
SHORT_WORK = 2e8  # elementary updates of the local search before the bound
LONG_WORK = 1.5e9  # and after it, where a gap is left
SMALL_SHARE = 0.03  # of that work, where the tree is so quick that it finds the better plans itself
WORK_PER_PAIR = 20_000  # the most of it per coverage pair
HANDOVER_ENTRIES = 300_000  # coverage pairs beyond which HiGHS would not get far
HANDOVER_WORK = 2e8  # nodes × coverage pairs of a small tree before HiGHS gets its turn
NODE_LIMIT = 200_000


class Search:
    """One run: the best plan and the best bounds so far. Values are in the question's sense."""

    def __init__(self, question: Question, watch: Watch) -> None:
        self.watch = watch
        self.question, self.mclp = question, question.model == "mclp"
        self.sign = -1.0 if self.mclp else 1.0  # times a value: less is better
        self.facts = question.facts()
        self.reduced: Reductions | None = None  # before any bound, where that loses nothing
        if not self.mclp:
            self.reduced = reductions(self.facts, self.watch.over)
        self.core = make_core(self.facts) if self.reduced is None else self.reduced.prefix.core
        self.rest = self.core if self.reduced is None else self.reduced.rest
        self.whole = question.whole
        self.plan: Ints = np.zeros(0, np.int64)  # sites of the core
        self.value = -math.inf if self.mclp else math.inf
        self.bound = math.inf if self.mclp else self.facts.start
        self.steps: list[str] = []
        self.turn = 0  # of the local search: each has its own seed

    def worth(self, plan: Ints) -> float:
        """The objective of a plan, or the worst of all where it does not do what was asked."""
        if self.mclp:
            return self.facts.start + swap.covered(self.core, plan)
        if not weighting.reaches(self.core, plan):
            return math.inf
        return self.facts.start + weighting.spent(self.core, plan)

    def offer(self, plan: Ints) -> None:
        """Keep a plan if it is better than the best so far."""
        value = self.worth(plan)
        if value > self.value if self.mclp else value < self.value:
            self.plan, self.value = np.sort(plan), value

    def offer_rest(self, plan: Ints) -> None:
        """Offer a plan of what the reductions left."""
        self.offer(plan if self.reduced is None else self.reduced.whole_plan(plan))

    def rest_plan(self) -> Ints:
        """The best plan, as far as the reductions left its sites to be chosen."""
        if self.reduced is None:
            return self.plan
        return np.flatnonzero(np.isin(self.rest.sites, self.plan))

    def sites_of_rest(self) -> Ints:
        """The question's index of each site that is left to choose."""
        return self.core.sites if self.reduced is None else self.core.sites[self.rest.sites]

    def lifted(self, found: Multipliers) -> Multipliers:
        """Multipliers of the rest for the core."""
        return found if self.reduced is None else self.reduced.lift(found)

    def prove(self, bound: float) -> None:
        """Keep a bound if it is tighter than the best so far."""
        bound = round_bound(bound, self.question.model, self.whole)
        self.bound = min(self.bound, bound) if self.mclp else max(self.bound, bound)

    @property
    def gap(self) -> float:
        """The gap between the best bound and the best plan."""
        return gap_of(self.bound, self.value)

    def finished(self) -> bool:
        """Whether the gap is as small as asked for."""
        return self.gap <= max(self.question.gap, 2e-7)

    def ended(self) -> Ended:
        """Why the run ends."""
        if self.watch.cut:  # even if the rest was enough for a proof: it may not be next time
            return "interrupt" if self.watch.interrupted else "time"
        if self.finished():
            return "proof" if self.gap <= GAP_PROVEN else "gap"
        return "time" if self.watch.over() else "work"

    def hear(self, found: Multipliers) -> None:
        """Take note of a bound while the relaxation is still being improved."""
        self.prove(found.bound)
        self.report(every=0.2)

    def clipped(self, bound: float) -> float:
        """A bound, moved to the best plan where rounding puts it on the wrong side."""
        return max(bound, self.value) if self.mclp else min(bound, self.value)

    def report(self, bound: float | None = None, *, every: float = 0.0) -> None:
        """Tell the caller how far the search is, at most once in ``every`` seconds."""
        self.watch.tell(self.value, self.bound if bound is None else bound, every=every)


@dataclass(frozen=True, eq=False)
class Grown:
    """A tree at the end of its search: what was decided before it, its leaves, its bound."""

    prefix: Prefix
    inner: Core
    nodes: list[Node]
    bound: float


def solve(
    question: Question,
    *,
    start: Ints = NOTHING,
    lam: Floats | None = None,
    y: Floats | None = None,
    watch: Watch | None = None,
) -> Selection:
    """The best selection that the time limit allows, with its proof.

    ``start`` are sites of a plan to begin with, ``lam`` multipliers of the demand rows; both come
    from a question that differs a little, and are used as far as they fit this one. With ``y``,
    the fractional plan (one share a site) of this question's relaxation, ``lam`` is its optimum,
    and it is not solved again (`mclp`). ``watch`` is the clock where it is not the question's own.
    """
    watch = watch or Watch(question.time_limit, question.callback)
    with one_blas_thread(), watch.listening():
        merged = Merged(question)
        known = None if lam is None else merged.lowered(lam)
        return merged.lifted(_solve(Search(merged.question, watch), start, known, y))


def _solve(search: Search, start: Ints, lam: Floats | None, y: Floats | None) -> Selection:
    question = search.question
    core = search.rest
    if min(core.shape) == 0 or _settled(core):
        search.offer_rest(search.plan)
        search.steps.append("nothing to choose")
        found = search.lifted(_no_multipliers(core))
        search.prove(search.value)
        return _selection(search, found, "multipliers", None)
    _first_plans(search, start)
    search.report()
    found = simple(core)
    if lam is not None:
        lam = lam if search.reduced is None else search.core.lower(lam)
        known = core.lower(lam), found.mu, found.sigma, found.y if y is None else y[core.sites]
        found = better(core, found, judged(core, known))
    search.prove(found.bound)
    if not search.finished():
        small = search.mclp and len(core.rows.indices) <= SIMPLEX_ENTRIES
        if not small:  # else the relaxation is the quicker way to a good plan
            _local_search(search, SHORT_WORK, 5)
        first = found
        if y is None:
            found = improve(
                core, found, search.watch, question.seed, search.hear, search.rest_plan()
            )
        search.prove(found.bound)
        search.offer_rest(rounding(core, found.y))
        search.report()
        _local_search(search, LONG_WORK * (SMALL_SHARE if small else 1.0), 20)
        local = "row weighting" if question.model == "lscp" else "tabu swap"
        search.steps += [local] * (search.turn > 0) + ["relaxation"] * (found is not first)
    found = search.lifted(found)
    if search.finished() or search.watch.over():
        return _selection(search, found, "multipliers", None)
    return _branch(search, found)


def _no_multipliers(core: Core) -> Multipliers:
    """Multipliers for a question in which nothing is left to choose."""
    lam = core.facts.weight if core.facts.model == "mclp" else np.zeros(core.shape[0])
    return Multipliers(lam, 0.0, 0.0, core.facts.start, np.zeros(core.shape[1]))


def _first_plans(search: Search, start: Ints) -> None:
    """Plans that always complete, whatever the time limit."""
    core = search.rest
    start = np.flatnonzero(np.isin(search.sites_of_rest(), start))
    if len(start) and (not search.mclp or len(start) <= swap.slots(core)):
        search.offer_rest(greedy_from(core, start))
    if not search.mclp:
        search.offer_rest(weighting.greedy_cover(core))
        search.steps.append("greedy")
        return
    search.offer_rest(swap.greedy_swap(core))
    if core.facts.purse < math.inf:
        search.offer_rest(swap.greedy_swap(core, by_price=True))
    search.steps.append("greedy + swap")


def _local_search(search: Search, work: float, turns: int) -> None:
    """Improve the plan by a set amount of work, less in a small core."""
    core = search.rest
    work = min(work, WORK_PER_PAIR * len(core.rows.indices))
    if search.question.model == "lscp":
        _row_weighting(search, work, turns)
        return
    rows, sites = core.shape
    entries = len(core.rows.indices)
    update = entries / sites * entries / rows
    step = 2 * update + len(search.plan) * sites
    steps = int(np.clip(work / step / turns, 50, 2000))
    move = swap.tabu if search.mclp else weighting.tighter_cover
    for _ in range(turns):
        if search.watch.over() or search.finished():
            return
        search.turn += 1
        search.offer_rest(move(core, search.rest_plan(), steps, search.question.seed + search.turn))
        search.report(every=0.5)


def _row_weighting(search: Search, work: float, turns: int) -> None:
    """Make the plan cheaper by a set amount of work, looked at ``turns`` times."""
    search.turn += 1
    seed = search.question.seed + search.turn
    run = RowWeighting(search.rest, search.rest_plan(), seed)
    for _ in range(turns):
        if search.watch.over() or search.finished():
            return
        search.offer_rest(run.run(int(work / turns)))
        search.report(every=0.5)


def rounding(core: Core, y: Floats, into: Any = ()) -> Ints:
    """A plan near a fractional one: its largest sites, then greedy and swaps."""
    order = np.argsort(-y, kind="stable")
    order = np.concatenate([np.asarray(into, np.int64), order[~np.isin(order, into)]])
    if core.facts.model != "mclp":
        return weighting.greedy_cover(core, order[: int(np.sum(y > 0.5))])
    return greedy_from(core, order[y[order] > 0.05][: swap.slots(core)])


def greedy_from(core: Core, start: Ints) -> Ints:
    """A plan that begins with as many of the sites as can be paid, then greedy and swaps."""
    if core.facts.model != "mclp":
        return weighting.greedy_cover(core, start)
    start = start[np.cumsum(core.facts.cost[start]) <= core.facts.purse]
    return swap.greedy_swap(core, start, by_price=core.facts.purse < math.inf)


def _branch(search: Search, found: Multipliers) -> Selection:
    """Fix what the root decides, search the tree, and let HiGHS try what is left."""
    prefix = (
        Prefix.of(search.core, dominated_sites(search.core))
        if search.reduced is None
        else search.reduced.prefix
    )
    for site, value in reduced_cost_fixings(search.core, found, search.value, search.whole):
        prefix.fix(site, value)
    inner = make_core(search.core.facts, *prefix.fixings())
    search.steps.append(f"fixing ({inner.shape[1]} of {search.core.shape[1]} sites left)")
    if min(inner.shape) == 0 or _settled(inner) or _infeasible(inner):
        search.offer(prefix.fixings()[0])
        nodes = [Node(search.sign * search.value, 0, (), _no_multipliers(inner), np.zeros(0))]
        return _conclude(search, found, Grown(prefix, inner, nodes, search.value))
    tree = _plant(search, found, prefix, inner)
    handover = len(inner.rows.indices) <= HANDOVER_ENTRIES
    if not tree.finished():
        work = HANDOVER_WORK / len(inner.rows.indices) if handover else math.inf
        tree.run(search.watch, int(min(NODE_LIMIT, max(100, work))))
        search.steps.append(f"branch and bound ({tree.count} nodes)")
    grown = Grown(prefix, inner, tree.leaves(), search.clipped(search.sign * tree.key))
    search.prove(grown.bound)
    if handover and not search.finished() and search.watch.left() > 0.1:
        _hand_over(search, prefix, inner)
    return _conclude(search, found, grown)


def _settled(core: Core) -> bool:
    """Whether fixing has decided everything."""
    f = core.facts
    if f.model == "mclp":
        return swap.slots(core) == 0
    return f.model == "partial_cover" and f.target <= 0


def _infeasible(core: Core) -> bool:
    """Whether fixing has left a part without any plan that does what was asked."""
    f = core.facts
    if f.model == "lscp":
        return bool(np.any(core.group == -2))
    return f.model == "partial_cover" and bool(f.weight.sum() < f.target)


def _plant(search: Search, found: Multipliers, prefix: Prefix, inner: Core) -> Tree:
    """A tree over the inner core, its root bounded there."""
    opened = prefix.fixings()[0]

    def offer(y: Floats, into: Ints) -> float:
        plan = rounding(inner, y, into)
        search.offer(np.concatenate([opened, inner.sites[plan]]))
        return search.sign * search.value

    def report(key: float) -> None:
        search.report(search.clipped(search.sign * key), every=0.5)

    known = inner.lower(found.lam), found.mu, found.sigma, found.y[inner.sites]
    best = better(inner, simple(inner), judged(inner, known))
    if gap_of(best.bound, found.bound) > 1e-6:  # rows were merged that had multipliers
        best = improve(inner, best, search.watch, search.question.seed)
    return Tree(
        inner,
        best,
        Nodes(inner, search.question.seed),
        whole=search.whole,
        gap=search.question.gap,
        best=offer(best.y, np.zeros(0, np.int64)),
        offer=offer,
        report=report,
    )


def _hand_over(search: Search, prefix: Prefix, inner: Core) -> None:
    """Give HiGHS the rest of the time; its bound counts, but only as its word."""
    y = np.zeros(search.core.shape[1])
    y[search.plan] = 1.0
    start = rounding(inner, y[inner.sites])
    q = search.question
    answer = solve_whole(inner, start, search.watch, max(q.gap, 1e-7), q.seed)
    search.steps.append("HiGHS")
    if answer is not None:
        opened = prefix.fixings()[0]
        search.offer(np.concatenate([opened, inner.sites[answer[0]]]))
        # plans outside the inner core are no better than the best one
        search.prove(search.clipped(round_bound(answer[1], q.model, search.whole)))


def _conclude(search: Search, found: Multipliers, grown: Grown) -> Selection:
    """The selection with the most checkable proof among those of its best bound."""
    search.prove(search.clipped(grown.bound))
    best = search.bound
    alone = round_bound(found.bound, search.question.model, search.whole)
    if _same(alone, best):
        return _selection(search, found, "multipliers", None)
    leaves = leaves_of(grown.prefix, found, grown.inner, grown.nodes)
    proof: Proof = "tree" if _same(search.clipped(grown.bound), best) else "solver"
    return _selection(search, found, proof, leaves)


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-10 * abs(b)


def _selection(
    search: Search, found: Multipliers, proof: Proof, leaves: Leaves | None
) -> Selection:
    """The result on the question's own sites and rows."""
    q = search.question
    bound = search.clipped(search.bound)
    chosen = np.concatenate([np.flatnonzero(q.fixed | q.required), search.core.sites[search.plan]])
    gap = gap_of(bound, search.value)
    search.report()
    return Selection(
        chosen=np.sort(chosen).astype(np.int64),
        objective=search.value,
        bound=bound,
        gap=gap,
        proven=gap <= GAP_PROVEN,
        proof=proof,
        multipliers=search.core.lift(found.lam, found.mu),
        share_multiplier=found.mu,
        budget_multiplier=found.sigma,
        leaves=leaves,
        method=", ".join(search.steps),
        stopped=search.ended(),
        forced=() if search.reduced is None else search.reduced.forced,
        seconds=search.watch.elapsed(),
    )
