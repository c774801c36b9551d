"""The most weight that stations of limited capacity can serve: plan, bound, tree, certificate.

Greedy and swaps with the exact served weight (`flow`), a Lagrangian bound
(`capacity_volume`), then branch and bound over the sites with it (`capacity_tree`). What is
proven rests on multipliers or on the tree, never on a solver's word. Where no capacity binds, the
question is the plain one, and `solve` answers it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from servicecircle.locate.capacity.bounds import Price, Pricer, simple
from servicecircle.locate.capacity.certificate import capacities_bind
from servicecircle.locate.capacity.core import (
    Capacitated,
    Plan,
    local_search,
    make_capacitated,
    share_out,
)
from servicecircle.locate.capacity.tree import CapacityTree
from servicecircle.locate.certificate import round_bound
from servicecircle.locate.covering.core import Floats, Ints
from servicecircle.locate.covering.question import Question
from servicecircle.locate.covering.solve import solve
from servicecircle.locate.selection import GAP_PROVEN, Ended, Leaves, Proof, Selection, gap_of
from servicecircle.locate.threads import one_blas_thread
from servicecircle.locate.watch import Watch

SHORT_WORK = 5e6  # pairs that the local search may look at before the bound
LONG_WORK = 2e8  # and after it, where a gap is left, in pieces
PAIR_WORK = 20_000  # and at most so much per pair of the core
PIECES = 10
NODE_LIMIT = 200_000


class Search:
    """One run: the best plan and the best bound so far."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.watch = Watch(question.time_limit, question.callback)
        self.core = make_capacitated(question)
        self.whole = question.whole
        self.plan: Ints = np.zeros(0, np.int64)  # opened sites of the core, without the base
        self.value, self.bound = -math.inf, math.inf
        self.steps: list[str] = []
        self.turn = 0  # of the local search: each has its own seed

    def offer(self, sites: Ints, served: float) -> None:
        """Keep a plan if it is better than the best so far."""
        if served > self.value + 1e-12 * self.core.total:
            self.plan, self.value = sites, served

    def prove(self, bound: float) -> None:
        """Keep a bound if it is tighter than the best so far."""
        self.bound = min(self.bound, round_bound(bound, "mclp", self.whole))

    def finished(self) -> bool:
        """Whether the gap is as small as asked for."""
        return gap_of(max(self.bound, self.value), self.value) <= max(self.question.gap, 2e-7)

    def report(self, bound: float | None = None, *, every: float = 0.0) -> None:
        """Tell the caller how far the search is."""
        bound = self.bound if bound is None else min(bound, self.bound)
        self.watch.tell(self.value, max(bound, self.value), every=every)

    def hear(self, found: Price) -> None:
        """Take note of a bound while it is still being improved."""
        self.prove(found.bound)
        self.report(every=0.2)

    def greedy(self, start: Ints, by_price: bool = False) -> Plan:
        """Offer the plan that begins with some sites and takes the best ones after."""
        plan = Plan(self.core, start)
        plan.fill(by_price)
        self.offer(plan.sites, plan.served)
        return plan

    def local_search(self, work: float, pieces: int) -> None:
        """Improve the plan by a set amount of work, less on a small core."""
        work = min(work, PAIR_WORK * self.core.rows.nnz)
        for _ in range(pieces):
            if self.watch.over() or self.finished():
                return
            self.turn += 1
            seed = self.question.seed + self.turn
            self.offer(*local_search(self.core, self.plan, work / pieces, seed, self.watch))
            self.report(every=0.5)

    def ended(self) -> Ended:
        """Why the run ends."""
        if self.finished():
            proven = gap_of(max(self.bound, self.value), self.value) <= GAP_PROVEN
            return "proof" if proven else "gap"
        if self.watch.interrupted:
            return "interrupt"
        return "time" if self.watch.over() else "work"


def solve_capacitated(question: Question) -> Selection:
    """The best plan for a question with capacities, with its flow and its proof."""
    q = question
    if not capacities_bind(**q.arrays(), capacity=q.capacity):
        found = solve(replace(q, capacity=None))
        core = make_capacitated(q)
        sites = np.flatnonzero(np.isin(core.sites, found.chosen) & core.facts.free)
        return replace(found, flow=flow_of(core, q, sites))
    search = Search(q)
    with one_blas_thread(), search.watch.listening():
        return _solve(search)


def _solve(search: Search) -> Selection:
    q, core = search.question, search.core
    first = search.greedy(np.zeros(0, np.int64))
    if core.facts.purse < math.inf:
        cheap = search.greedy(np.zeros(0, np.int64), by_price=True)
        first = cheap if cheap.served > first.served else first
    found = simple(core, first.hungry())
    search.steps.append("greedy")
    search.hear(found)
    if not search.finished():
        search.local_search(SHORT_WORK, 2)
        pricer = Pricer(core, q.seed)
        found = pricer.improve(found, search.watch, search.value, hear=search.hear)
        search.prove(found.bound)
        _round(search, found.y, np.zeros(0, np.int64))
        search.local_search(LONG_WORK, PIECES)
        search.steps += ["swaps", "relaxation"]
    search.report()
    if search.finished() or search.watch.over():
        return _selection(search, found, None)
    tree = CapacityTree(
        core,
        found,
        pricer,
        whole=search.whole,
        gap=q.gap,
        best=search.value,
        offer=lambda y, into: _round(search, y, into),
        report=lambda bound: search.report(bound, every=0.5),
    )
    search.steps.append(f"fixing ({tree.fixed} of {int(core.facts.free.sum())} sites)")
    tree.run(search.watch, NODE_LIMIT)
    search.steps.append(f"branch and bound ({tree.count} nodes)")
    search.prove(max(tree.bound, search.value))
    alone = round_bound(found.bound, "mclp", search.whole)
    leaves = None if alone <= search.bound else tree.leaves(q.budget is not None)
    return _selection(search, found, leaves)


def _round(search: Search, y: Floats, into: Ints) -> float:
    """Offer a plan near a fractional one; the best value so far."""
    order = np.argsort(-y, kind="stable")
    likely = order[(y[order] > 0.4) & search.core.facts.free[order] & ~np.isin(order, into)]
    search.greedy(np.concatenate([into, likely]).astype(np.int64))
    return search.value


def flow_of(core: Capacitated, question: Question, sites: Ints) -> Floats:
    """What each covering pair of the question carries when the sites are open beside the base."""
    plan, covers = Plan(core, sites), question.covers
    rows = core.shape[0]
    order = np.argsort(core.group, kind="stable")
    first = np.searchsorted(core.group[order], np.arange(rows + 1))
    keep = np.isin(covers.indices, core.sites)
    allowed = np.concatenate(([0], np.cumsum(keep)))[covers.indptr]
    dealt = share_out(
        allowed.astype(np.int64),
        np.flatnonzero(keep),
        question.weight,
        first,
        order,
        core.facts.indptr,
        plan.state[0],
    )
    flow = np.zeros(covers.nnz)
    flow[keep] = dealt
    return flow


def _needed(search: Search) -> Ints:
    """The plan's sites without those that serve nothing that others could not."""
    plan = Plan(search.core, search.plan)
    for site in search.plan:
        before = plan.served
        plan.close(site)
        if plan.served < before - 1e-12 * search.core.total:
            plan.open([site])
    return plan.sites


def _selection(search: Search, found: Price, leaves: Leaves | None) -> Selection:
    """The result on the question's own sites and rows."""
    q, core = search.question, search.core
    sites = _needed(search)
    flow = flow_of(core, q, sites)
    search.value = objective = float(flow.sum())
    bound = max(search.bound, objective)
    gap = gap_of(bound, objective)
    proof: Proof = "multipliers" if leaves is None else "tree"
    search.report()
    chosen = np.concatenate([np.flatnonzero(q.fixed | q.required), core.sites[sites]])
    return Selection(
        chosen=np.sort(chosen).astype(np.int64),
        objective=objective,
        bound=bound,
        gap=gap,
        proven=gap <= GAP_PROVEN,
        proof=proof,
        multipliers=core.lift(found.lam, q.weight),
        share_multiplier=0.0,
        budget_multiplier=found.sigma,
        leaves=leaves,
        method=", ".join(search.steps),
        seconds=search.watch.elapsed(),
        stopped=search.ended(),
        flow=flow,
    )
