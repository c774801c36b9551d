"""Questions in a row that differ a little: one clock and one Ctrl-C for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle.locate.certificate import certified_bound
from servicecircle.locate.covering.core import Floats
from servicecircle.locate.covering.question import Question
from servicecircle.locate.covering.solve import solve
from servicecircle.locate.selection import GAP_PROVEN, Selection, gap_of
from servicecircle.locate.watch import Callback, Watch

#: called with a number (which one, says the model), and then as `watch.Callback`
SeriesCallback = Callable[[int, float, float, float, float], object]


class Series:
    """The clock of a row of questions, and the way to ask them."""

    def __init__(self, seconds: float, callback: SeriesCallback | None) -> None:
        self.watch = Watch(seconds)
        self.callback = callback

    def solve(
        self,
        number: int,
        question: Question,
        seconds: float,
        start: NDArray[np.int64],
        lam: Floats | None,
        y: Floats | None = None,
    ) -> Selection:
        """One question's selection within its share of the time; ``number`` is told with it."""
        watch = Watch(seconds, self._teller(number), within=self.watch)
        return solve(question, start=start, lam=lam, y=y, watch=watch)

    def _teller(self, number: int) -> Callback:
        def tell(_: float, objective: float, bound: float, gap: float) -> None:
            if self.callback is None:
                return
            try:
                self.callback(number, self.watch.elapsed(), objective, bound, gap)
            except KeyboardInterrupt:
                self.watch.interrupt()

        return tell


def certified(found: Selection, question: Question, *, leaves: bool) -> float:
    """The bound that a selection's multipliers, or its leaves, prove of another ``mclp`` question.

    That is, of one on the same rows and sites; for leaves it may only allow another number.
    """
    tree: dict[str, Any] = {}
    if leaves and found.leaves is not None:
        tree = dict(found.leaves.arrays())
    return certified_bound(
        "mclp",
        multipliers=found.multipliers,
        budget_multiplier=found.budget_multiplier,
        **tree,
        **question.arrays(),
    )


def revised(found: Selection, **changes: Any) -> Selection:
    """A selection with some fields changed, and all that follows from objective and bound."""
    found = replace(found, **changes)
    bound = max(found.bound, found.objective)
    gap = gap_of(bound, found.objective)
    proven = gap <= GAP_PROVEN
    stopped = "proof" if proven else found.stopped
    return replace(found, bound=bound, gap=gap, proven=proven, stopped=stopped)
