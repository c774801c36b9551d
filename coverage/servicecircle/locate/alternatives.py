"""The best distinct plans of the maximal covering problem, by Lawler's partition (1972).

The best plan of a part of all plans splits the rest of it: one smaller part for each of its
sites, which is left out there while the sites before it stay. The part with the highest bound is
next, so that no more parts are solved than the list needs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from servicecircle.errors import QuestionError
from servicecircle.locate.certificate import leaf_bound, round_bound
from servicecircle.locate.covering.bounds import NOTHING, SIMPLEX_ENTRIES
from servicecircle.locate.covering.core import Floats, Ints, make_core
from servicecircle.locate.covering.linear import Relaxation
from servicecircle.locate.covering.merging import Merged
from servicecircle.locate.covering.question import ask
from servicecircle.locate.covering.solve import greedy_from, rounding
from servicecircle.locate.selection import GAP_PROVEN, Ended, Leaves, Proof, Selection, gap_of
from servicecircle.locate.series import Series, SeriesCallback, revised

SLACK = 1e-12  # of a weight: sums in another order differ by less


@dataclass(frozen=True, eq=False)
class Part:
    """A bound on some plans: those that open ``required`` and none of ``forbidden``.

    Both are sorted columns, the question's own required and forbidden sites included, so that
    `certificate.certified_bound` with `arrays` proves ``bound`` for the question with these two
    in place of its own (unless ``proof`` is ``"solver"``).
    """

    required: Ints
    forbidden: Ints
    bound: float
    proof: Proof
    budget_multiplier: float
    _multipliers: Floats  # of merged rows: hundreds of parts may share a few
    _leaves: Leaves | None
    _merged: Merged

    def arrays(self) -> dict[str, Any]:
        """Multipliers and leaves as `certificate.certified_bound` takes them."""
        leaves = self._merged.leaves(self._leaves)
        return {
            "multipliers": self._merged.multipliers(self._multipliers),
            "budget_multiplier": self.budget_multiplier,
            **({} if leaves is None else leaves.arrays()),
        }


@dataclass(frozen=True, eq=False)
class Alternative(Selection):
    """One of the best plans. ``bound``: no plan but those listed before it covers more.

    ``multipliers`` and ``leaves`` are those of the best plan, and prove that nothing at all is
    better than its bound. ``rest`` proves the bounds of the others: every plan that is not listed
    lies in one of these parts, and ``bound`` is the largest of their bounds and of the objectives
    from this plan on. ``proof`` says what carries it.
    """

    rest: tuple[Part, ...] = ()


def mclp_alternatives(
    covers: Any,
    weight: ArrayLike,
    sites: int | None = None,
    *,
    count: int = 5,
    within: float = 0.01,
    cost: ArrayLike | None = None,
    budget: float | None = None,
    fixed: Sequence[int] = (),
    required: Sequence[int] = (),
    forbidden: Sequence[int] = (),
    credit: Any = None,
    time_limit: float = 60.0,
    gap: float = 0.0,
    seed: int = 0,
    callback: SeriesCallback | None = None,
) -> list[Selection]:
    """The ``count`` best distinct plans that cover at least ``1 - within`` of the best, best first.

    Two plans are distinct when they open different sets of sites. A plan counts only if each of
    its sites that is not fixed or required covers some weight that no other open site does: else
    it is another plan with a needless site. Plans with fewer sites that cover a little less do
    count. The list is shorter than ``count`` where no more plans are good enough.

    Each `Alternative` bounds all plans but those before it: where it is ``proven``, no better one
    was passed over. With a ``gap``, or after ``time_limit`` (for all together) or Ctrl-C, the
    best plans known are returned, and their bounds say what may be missing. Other arguments are
    those of `mclp` (capacities are not offered). ``callback(plans, seconds, objective, bound,
    gap)``: the number of plans already listed, seconds since the start, and the others for the
    part being searched.

    Raises ValueError and QuestionError as `mclp`.
    """
    _check(count, within)
    question = ask(
        "mclp",
        covers,
        weight,
        cost=cost,
        sites=sites,
        budget=budget,
        fixed=fixed,
        required=required,
        forbidden=forbidden,
        credit=credit,
        time_limit=time_limit,
        gap=gap,
        seed=seed,
        callback=None,
    )
    series = Series(question.time_limit, callback)
    with series.watch.listening():
        search = _Search(Merged(question), series, int(count), float(within))
        search.run()
        return search.listed()


def _check(count: Any, within: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
        raise ValueError(f"count must be a whole number, not {count!r}")
    if count < 1:
        raise QuestionError(
            f"方案个数至少为 1（现为 {count}）。", f"The number of plans is {count}, below 1."
        )
    number = (int, float, np.integer, np.floating)
    if isinstance(within, bool) or not isinstance(within, number) or np.isnan(within):
        raise ValueError(f"within must be a number, not {within!r}")
    if not 0 <= within <= 1:
        raise QuestionError(
            f"与最优方案的差距须在 0 到 1 之间（现为 {within:g}）。",
            f"The share a plan may fall short of the best must be from 0 to 1, not {within:g}.",
        )


@dataclass(eq=False)
class _Open:
    """A part that is still to be searched, or whose best plan waits for its turn."""

    number: int
    into: Ints  # optional sites that are open in it
    out: Ints
    proof: Part  # bounds this part, or a larger one that it lies in
    start: Ints  # a plan of it to begin with
    plan: Ints | None = None  # its best plan: the optional sites
    value: float = 0.0
    counts: bool = True  # the plan has no needless site

    @property
    def key(self) -> tuple[float, bool, int]:
        """Highest bound first; then those already solved, then in order."""
        return -self.proof.bound, self.plan is None, self.number

    def __lt__(self, other: _Open) -> bool:
        return self.key < other.key


class _Search:
    """Lawler's partition of one question, on merged rows."""

    def __init__(self, merged: Merged, series: Series, count: int, within: float) -> None:
        self.merged, self.question, self.series = merged, merged.question, series
        self.count, self.within = count, within
        self.facts, self.whole = self.question.facts(), self.question.whole
        self.core = make_core(self.facts)
        self.relaxation: Relaxation | None = None
        if min(self.core.shape) > 0 and len(self.core.rows.indices) <= SIMPLEX_ENTRIES:
            self.relaxation = Relaxation(self.core, self.question.seed)
        self.columns = self.question.covers.tocsc()
        self.base = self._times(np.flatnonzero(self.question.fixed | self.question.required))
        self.heap: list[_Open] = []
        self.found: list[_Open] = []
        self.number = 0
        self.root = self.series.solve(0, self.question, series.watch.left(), NOTHING, None)

    def run(self) -> None:
        """List plans until there are enough, or none is good enough, or time is up."""
        proof = self._proof(NOTHING, NOTHING, self.root)
        self._push(self._solved(_Open(0, NOTHING, NOTHING, proof, NOTHING), self.root.chosen))
        while self.heap and len(self.found) < self.count:
            if self.heap[0].plan is None and self.series.watch.over():
                return
            if self.heap[0].proof.bound < self._floor():
                return
            part = heapq.heappop(self.heap)
            if part.plan is None:
                self._search(part)
                continue
            if part.counts:
                self.found.append(part)
            for child in self._split(part):
                self._push(child)

    def listed(self) -> list[Selection]:
        """The plans found, best first, with their bounds."""
        waiting = [part for part in self.heap if part.plan is not None and part.counts]
        plans = sorted([*self.found, *waiting], key=lambda part: (-part.value, part.number))
        plans = [part for part in plans if part.value >= self._floor()][: self.count]
        # a plan that waits is listed now, but the rest of its part is still open; one that was
        # found while a gap was left may not be listed, but its part is split by now
        rest = tuple({id(part.proof): part.proof for part in self.heap}.values())
        rest += tuple(self._alone(part) for part in self.found if part not in plans)
        most = max((part.bound for part in rest), default=-np.inf)
        carried = [part.proof for part in rest if part.bound > plans[-1].value * (1 - SLACK)]
        proof: Proof = "solver" if "solver" in carried else "tree"
        root = self.merged.lifted(self.root)
        first = self._alternative(root, plans[0], rest)
        root = replace(root, bound=min(root.bound, most), proof=proof)
        return [first, *(self._alternative(root, part, rest) for part in plans[1:])]

    def _alternative(self, root: Selection, part: _Open, rest: tuple[Part, ...]) -> Selection:
        """A part's plan with the bound and the certificate of ``root``."""
        assert part.plan is not None
        opened = np.flatnonzero(self.question.fixed | self.question.required)
        bound = max(root.bound, part.value)
        changes = {
            "chosen": np.union1d(opened, part.plan).astype(np.int64),
            "objective": part.value,
            "bound": bound,
            "method": f"{root.method}; Lawler's partition ({self.number + 1} parts)",
            "seconds": self.series.watch.elapsed(),
            "stopped": self._stopped(bound, part.value),
            "rest": rest,
        }
        return revised(Alternative(**{**vars(root), **changes}))

    def _alone(self, part: _Open) -> Part:
        """A part with nothing in it but the plan of this one."""
        assert part.plan is not None
        out = np.setdiff1d(np.flatnonzero(self._optional()), part.plan)
        return self._part(part.plan, out, part.value, "multipliers", part.proof._multipliers, 0.0)

    def _stopped(self, bound: float, value: float) -> Ended:
        if gap_of(bound, value) <= GAP_PROVEN:
            return "proof"
        if self.series.watch.interrupted:
            return "interrupt"
        if self.series.watch.over():
            return "time"
        return "gap" if gap_of(bound, value) <= self.question.gap else "work"

    def _floor(self) -> float:
        """What a plan has to cover to be listed."""
        known = [part.value for part in [*self.found, *self.heap] if part.plan is not None]
        return max(known, default=0.0) * (1 - self.within) * (1 - SLACK)

    def _push(self, part: _Open) -> None:
        heapq.heappush(self.heap, part)

    # One part

    def _search(self, part: _Open) -> None:
        """Find the best plan of a part: by its relaxation, or else by a search of its own."""
        if self._needless(part.into).any():
            return  # and so it is in every plan of the part
        if self._relaxed(part):
            self._push(part)
            return
        q = self.question
        own = np.zeros((2, len(q.fixed)), bool)
        own[0, part.into], own[1, part.out] = True, True
        asked = replace(q, required=q.required | own[0], forbidden=q.forbidden | own[1])
        # the part's own relaxation is solved again: a tree needs the fractional plan as well
        lam = part.proof._multipliers if self.relaxation is None else None
        seconds = self.series.watch.left()
        found = self.series.solve(len(self.found), asked, seconds, part.start, lam)
        proof = self._proof(part.into, part.out, found)
        part.proof = proof if proof.bound < part.proof.bound else part.proof
        self._push(self._solved(part, found.chosen))

    def _relaxed(self, part: _Open) -> bool:
        """Bound a part by its relaxation; whether that ends it, or sends it back in the line."""
        if self.relaxation is None:
            return False
        where = np.full(len(self.facts.free), -1)
        where[self.core.sites] = np.arange(len(self.core.sites))
        into, out = where[part.into], where[part.out]
        found = self.relaxation.solve(into, out[out >= 0], self.series.watch)
        if found is None:
            return False
        before = part.proof.bound
        lam, sigma = self.core.lift(found[0], found[1]), found[2]
        part.proof = self._tighter(part.into, part.out, lam, sigma, part.proof)
        inner = make_core(self.facts, part.into, part.out)
        plan = part.into
        if min(inner.shape) > 0:
            y = found[3][where[inner.sites]]
            plans = [rounding(inner, y), greedy_from(inner, NOTHING)]
            values = [self._value(np.concatenate([plan, inner.sites[p]])) for p in plans]
            best = plans[int(np.argmax(values))]
            plan = np.concatenate([plan, inner.sites[best]])
        if gap_of(part.proof.bound, self._value(plan)) <= 1e-9:
            self._solved(part, plan)
            return True
        part.start = plan
        return part.proof.bound < before and bool(self.heap) and self.heap[0] < part

    def _solved(self, part: _Open, chosen: Ints) -> _Open:
        """Give a part its plan: complete, and without needless sites of its own choice."""
        optional = self._optional()
        plan = chosen[optional[chosen]]
        while True:
            for site in plan[~np.isin(plan, part.into)][::-1]:
                if self._needless(plan)[plan == site][0]:
                    plan = plan[plan != site]
            more = self._addition(plan, part.out)
            if more is None:
                break
            plan = np.append(plan, more)
        part.plan, part.value = np.sort(plan), self._value(plan)
        part.counts = not self._needless(part.plan).any()
        return part

    def _split(self, part: _Open) -> Iterator[_Open]:
        """The rest of a part without its plan: sites that are missed most are left out first.

        Nothing is lost with the plans that hold all of these sites: the plan is complete, so
        that any site more would be needless.
        """
        assert part.plan is not None
        mine = part.plan[~np.isin(part.plan, part.into)]
        lam, sigma = part.proof._multipliers, part.proof.budget_multiplier
        without = [self._bound(part.into, np.append(part.out, j), lam, sigma) for j in mine]
        into = part.into
        for site in mine[np.argsort(without, kind="stable")]:
            self.number += 1
            out = np.append(part.out, site)
            proof = self._tighter(into, out, lam, sigma, part.proof)
            yield _Open(self.number, into, out, proof, part.plan[part.plan != site])
            into = np.append(into, site)

    # Bounds

    def _bound(self, into: Ints, out: Ints, lam: Floats, sigma: float) -> float:
        return round_bound(leaf_bound(self.facts, lam, 0.0, sigma, into, out), "mclp", self.whole)

    def _tighter(self, into: Ints, out: Ints, lam: Floats, sigma: float, known: Part) -> Part:
        """The bound that multipliers give a part, or the one known, where that is as good."""
        bound = self._bound(into, out, lam, sigma)
        if bound >= known.bound:
            return known
        return self._part(into, out, bound, "multipliers", lam, sigma)

    def _proof(self, into: Ints, out: Ints, found: Selection) -> Part:
        lam, sigma = found.multipliers, found.budget_multiplier
        return self._part(into, out, found.bound, found.proof, lam, sigma, found.leaves)

    def _part(
        self,
        into: Ints,
        out: Ints,
        bound: float,
        proof: Proof,
        lam: Floats,
        sigma: float,
        leaves: Leaves | None = None,
    ) -> Part:
        q = self.question
        required = np.union1d(np.flatnonzero(q.required), into).astype(np.int64)
        forbidden = np.union1d(np.flatnonzero(q.forbidden), out).astype(np.int64)
        return Part(required, forbidden, bound, proof, sigma, lam, leaves, self.merged)

    # Plans

    def _optional(self) -> NDArray[np.bool_]:
        q = self.question
        return ~(q.fixed | q.required | q.forbidden)

    def _times(self, sites: Ints) -> Ints:
        """How many of the sites cover each row."""
        rows = self.columns[:, sites].indices
        return np.bincount(rows, minlength=self.columns.shape[0])

    def _value(self, plan: Ints) -> float:
        """The weight that a plan covers, that of fixed and required sites included."""
        return float(self.question.weight[(self.base + self._times(plan)) > 0].sum())

    def _needless(self, plan: Ints) -> NDArray[np.bool_]:
        """Which sites of a plan cover no weight that the others would not cover."""
        alone = (self.base + self._times(plan) == 1) & (self.question.weight > 0)
        part = self.columns[:, plan]
        return np.asarray(part.T @ alone.astype(np.float64)) == 0

    def _addition(self, plan: Ints, out: Ints) -> int | None:
        """The site that adds the most to a plan within its limits, or None."""
        f, able = self.facts, self.facts.free.copy()
        able[plan], able[out] = False, False
        able &= f.cost <= f.purse - f.cost[plan].sum()
        if len(plan) >= f.count or not able.any():
            return None
        missed = self.question.weight * (self.base + self._times(plan) == 0)
        gain = np.where(able, np.asarray(self.columns.T @ missed), 0.0)
        best = int(np.argmax(gain))
        return best if gain[best] > 0 else None
