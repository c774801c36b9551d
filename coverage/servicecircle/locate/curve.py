"""The whole curve of the maximal covering problem: how much 0, 1, 2, … new sites can cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from servicecircle.locate.covering import swap
from servicecircle.locate.covering.bounds import (
    NOTHING,
    SIMPLEX_ENTRIES,
    Multipliers,
    improve,
    judged,
    simple,
)
from servicecircle.locate.covering.core import Core, Floats, Ints, make_core
from servicecircle.locate.covering.linear import Relaxation
from servicecircle.locate.covering.merging import Merged
from servicecircle.locate.covering.question import Question, ask
from servicecircle.locate.covering.solve import greedy_from, rounding
from servicecircle.locate.selection import Ended, Selection
from servicecircle.locate.series import Series, SeriesCallback, certified, revised
from servicecircle.locate.watch import Watch

ANCHORED = 4  # points from which multipliers are looked for at a few of them first
ROUNDING = 1e-12  # of the weight: sums in another order differ by less


def mclp_curve(
    covers: Any,
    weight: ArrayLike,
    sites: int,
    *,
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
    """The best plan with at most p new sites for every p up to ``sites``, each with its bound.

    Item ``i`` allows ``len(required) + i`` new sites: without required ones ``curve[p]`` is the
    plan for p, and ``curve[0]`` what the existing sites cover. The last item allows ``sites``, or
    all candidates where those are fewer. Arguments are those of `mclp` (capacities are not
    offered); a budget holds for every p. Each item carries its own certificate, that of
    ``mclp(…, sites=p)``.

    Each p starts from the plan and the multipliers of p - 1. Along the curve neither objective
    nor bound falls: a plan for p is one for p + 1, and what bounds p + 1 bounds p. Once a plan
    covers all within reach, it is the answer to every larger p (``method`` says so).

    ``time_limit`` is for the whole curve. Large questions first take up to half of it for good
    multipliers at three points, which bound the others as well. Then, in order of p, each point
    gets an equal share of what is left, so what easy points leave is for the later ones; what
    remains at the end is shared in the same way among those that ran out of time. Greedy and
    swaps complete for every p whatever the limit. While no share runs out, the result depends on
    input, seed and versions alone. ``callback(p, seconds, objective, bound, gap)``: seconds since
    the curve began, the others for p. After Ctrl-C the points not reached yet carry the best plan
    known for fewer sites, with the bound that the known multipliers prove.

    Raises ValueError and QuestionError as `mclp`.
    """
    if sites is None:
        raise ValueError("mclp_curve needs the largest number of sites")
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
        merged = Merged(question)
        curve = _Curve(merged.question, series)
        curve.ascend()
        curve.again()
        curve.settle()
        return [merged.lifted(point) for point in curve.points]


class _Curve:
    """The points found so far; ``points[i]`` allows ``first + i`` new sites."""

    def __init__(self, question: Question, series: Series) -> None:
        self.question, self.series = question, series
        self.first = int(question.required.sum())
        candidates = int(np.sum(~(question.fixed | question.forbidden)))
        self.last = min(question.sites or 0, candidates)
        self.reach = _reach(question)
        self.ladder = _Ladder(replace(question, sites=self.last))
        self.points: list[Selection] = []
        self.anchors: dict[int, Multipliers] = {}

    def asked(self, i: int) -> Question:
        """The question of a point."""
        return replace(self.question, sites=self.first + i)

    def ascend(self) -> None:
        """All points in order, each from the one before."""
        count = self.last - self.first + 1
        for i in range(count):
            if i == 1:
                self._anchor()
            if i and self.points[-1].objective >= self.reach * (1 - ROUNDING):
                self.points.append(self._carried(i, "all within reach is covered"))
            elif i and self.series.watch.interrupted:
                self.points.append(self._carried(i, "interrupted", "interrupt"))
            else:
                known = self.points[-1] if i else None
                self.points.append(self._solved(i, known, count - i))

    def again(self) -> None:
        """Those that ran out of time once more, with what the others left."""
        late = [i for i, point in enumerate(self.points) if point.stopped == "time"]
        for k, i in enumerate(late):
            if self.series.watch.over():
                return
            old = self.points[i]
            new = self._solved(i, old, len(late) - k)
            seconds = old.seconds + new.seconds
            if new.bound > old.bound:  # the plan is no worse, as it began with the old one
                plan = {"chosen": new.chosen, "objective": new.objective, "stopped": new.stopped}
                new = revised(old, **plan)
            self.points[i] = replace(new, seconds=seconds)

    def settle(self) -> None:
        """Hand plans up and bounds down, wherever a neighbour's is better."""
        for i, below in enumerate(self.points[:-1]):
            here = self.points[i + 1]
            if here.objective < below.objective:
                plan = {"chosen": below.chosen, "objective": below.objective}
                self.points[i + 1] = revised(here, **plan)
        for i in range(len(self.points) - 1, -1, -1):
            if not self.points[i].proven:
                self.points[i] = self._anchored(i)
            if not self.points[i].proven and i + 1 < len(self.points):
                self.points[i] = self._bounded(i, self.points[i + 1])

    def _anchor(self) -> None:
        """Good multipliers at a few points, for all: one point's share may be too short for any.

        Not where the ladder gives each point its own within moments.
        """
        most, watch = self.last - self.first, self.series.watch
        if (
            self.ladder.relaxation is not None
            or most < ANCHORED
            or min(self.ladder.core.shape) == 0
        ):
            return
        counts = [most, most // 2, most // 4]
        for k, count in enumerate(counts):
            share = Watch(watch.left() / (2 * len(counts) - k), within=watch)
            core = self.ladder.limited(count)
            self.anchors[count] = improve(core, simple(core), share, self.question.seed)

    def _best_anchor(self, i: int) -> Multipliers | None:
        """The anchors' multipliers that bound a point best, on its core."""
        core = self.ladder.limited(i)
        found = [judged(core, (a.lam, a.mu, a.sigma, a.y)) for a in self.anchors.values()]
        return min(found, key=lambda a: a.bound, default=None)

    def _anchored(self, i: int) -> Selection:
        """A point with an anchor's multipliers where they prove more."""
        here, best = self.points[i], self._best_anchor(i)
        if best is None:
            return here
        lam = self.ladder.core.lift(best.lam, best.mu)
        own: dict[str, Any] = {"multipliers": lam, "budget_multiplier": best.sigma, "leaves": None}
        bound = certified(replace(here, **own), self.asked(i), leaves=False)
        if bound >= here.bound:
            return here
        return revised(here, bound=bound, proof="multipliers", **own)

    def _solved(self, i: int, known: Selection | None, points: int) -> Selection:
        """A point with its share of the time, which ``points`` points have to share."""
        start, lam = (NOTHING, None) if known is None else (known.chosen, known.multipliers)
        watch = self.series.watch
        y = None
        if i and (step := self.ladder.step(i, start, Watch(watch.left() / points))):
            start, lam, y = step
        if i not in self.anchors and (best := self._best_anchor(i)) is not None:
            lam = self.ladder.core.lift(best.lam, best.mu)
        seconds = watch.left() / points
        return self.series.solve(self.first + i, self.asked(i), seconds, start, lam, y)

    def _carried(self, i: int, why: str, stopped: Ended = "proof") -> Selection:
        """The plan of the point before, for one site more."""
        known = self.points[-1]
        method = known.method
        if not method.endswith(why):
            method += f"; from {self.first + i} sites on the same plan: {why}"
        return revised(
            known,
            bound=certified(known, self.asked(i), leaves=False),
            proof="multipliers",
            leaves=None,
            method=method,
            stopped=stopped,
            seconds=0.0,
        )

    def _bounded(self, i: int, above: Selection) -> Selection:
        """A point with the certificate of the one above where that proves more."""
        here = self.points[i]
        tree = above.leaves is not None and above.bound < here.bound
        bound = certified(above, self.asked(i), leaves=tree)
        if bound < here.bound:
            here = revised(
                here,
                bound=bound,
                proof="tree" if tree else "multipliers",
                multipliers=above.multipliers,
                budget_multiplier=above.budget_multiplier,
                leaves=above.leaves if tree else None,
            )
        if above.bound < here.bound:  # HiGHS's word for the one above
            here = revised(here, bound=above.bound, proof="solver")
        return here


class _Ladder:
    """The linear relaxation for one number of sites after the other, each from the last basis.

    Only where the simplex is the method of choice: no other one starts warm.
    """

    def __init__(self, question: Question) -> None:
        core, self.sites = make_core(question.facts()), question.covers.shape[1]
        self.core = core
        self.core = self.limited(core.shape[1])
        self.relaxation: Relaxation | None = None
        if min(core.shape) > 0 and len(core.rows.indices) <= SIMPLEX_ENTRIES:
            self.relaxation = Relaxation(self.core, question.seed)

    def step(self, count: int, start: Ints, watch: Watch) -> tuple[Ints, Floats, Floats] | None:
        """A plan for ``count`` optional sites, the relaxation's multipliers, and its own plan.

        ``start`` is a plan for fewer.
        """
        if self.relaxation is None:
            return None
        rows = self.core.shape[0]
        self.relaxation.solver.changeRowBounds(rows, -np.inf, float(count))
        found = self.relaxation.solve(NOTHING, NOTHING, watch)
        if found is None:
            return None
        core = self.limited(count)
        known = np.flatnonzero(np.isin(core.sites, start))
        plans = [greedy_from(core, known), rounding(core, found[3])]
        best = max(plans, key=lambda plan: swap.covered(core, plan))
        y = np.zeros(self.sites)
        y[core.sites] = found[3]
        return core.sites[best], core.lift(found[0], found[1]), y

    def limited(self, count: int) -> Core:
        """The core for ``count`` optional sites."""
        return replace(self.core, facts=replace(self.core.facts, count=float(count)))


def _reach(question: Question) -> float:
    """The weight that all sites together cover, each one that can be paid."""
    f = question.facts()
    reached = np.zeros(len(f.open), bool)
    reached[f.row_of] = True
    return f.start + float(f.weight[f.open & reached].sum())
